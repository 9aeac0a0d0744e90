# SPDX-License-Identifier: Apache-2.0
"""Writes small bags for tests: a camera of noise with a red box in it, its calibration, and ground truth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mtl_perception.core.compressed_depth import MILLIMETRES, encode_compressed_depth

WIDTH, HEIGHT = 96, 64
SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
STUFF = ["floor", "wall", "cup"]

_VISION_MSGS = {
    "Point2D": "float64 x\nfloat64 y",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": "ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose",
    "Detection2D": ("std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox2D bbox\nstring id"),
    "Detection2DArray": "std_msgs/Header header\nDetection2D[] detections",
    "VisionClass": "uint16 class_id\nstring class_name",
    "LabelInfo": "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold",
}


def typestore():
    """Jazzy's messages and the few of vision_msgs that ground truth needs."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in _VISION_MSGS.items():
        store.register(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    return store


class SmallBag:
    """A bag being written; stamps follow from the frame's number."""

    def __init__(self, path: Path, storage: str = "MCAP", rate_hz: float = 10.0, compression: str | None = None) -> None:
        """Args: compression: NONE, STORAGE (of MCAP), MESSAGE or FILE; what is usual for the storage if None."""
        self.path, self.rate_hz = Path(path), rate_hz
        self.store = typestore()
        self._writer = Writer(self.path, version=9, storage_plugin=StoragePlugin[storage])
        mode = CompressionMode[compression or ("STORAGE" if storage == "MCAP" else "NONE")]
        self._writer.set_compression(mode, CompressionFormat.ZSTD)
        self._connections = {}

    def __enter__(self) -> SmallBag:
        self._writer.open()
        return self

    def __exit__(self, *exception) -> None:
        self._writer.close()

    def stamp_ns(self, frame: int) -> int:
        return START_NS + round(frame * SECOND_NS / self.rate_hz)

    def make(self, msgtype: str, **fields):
        return self.store.types[msgtype](**fields)

    def header(self, frame: int, frame_id: str = "camera_color_optical_frame"):
        seconds, nanoseconds = divmod(self.stamp_ns(frame), SECOND_NS)
        stamp = self.make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        return self.make("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def write(self, topic: str, frame: int, message, delay_ns: int = 0) -> None:
        msgtype = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, msgtype, typestore=self.store)
        time_ns = self.stamp_ns(frame) + delay_ns
        self._writer.write(self._connections[topic], time_ns, self.store.serialize_cdr(message, msgtype))

    def write_jpeg(self, frame: int, topic: str = "/camera/image_raw/compressed", data: bytes | None = None, form: str = "jpeg") -> None:
        if data is None:
            bgr = cv2.cvtColor(picture(frame), cv2.COLOR_RGB2BGR)
            data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        self.write(topic, frame, self._compressed(frame, form, data))

    def write_raw(
        self,
        frame: int,
        topic: str = "/camera/image_raw",
        encoding: str = "rgb8",
        pixels=None,
        frame_id: str = "camera_color_optical_frame",
        delay_ns: int = 0,
    ) -> None:
        pixels = picture(frame) if pixels is None else pixels
        message = self.make(
            "sensor_msgs/msg/Image",
            header=self.header(frame, frame_id),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=pixels.strides[0],
            data=np.frombuffer(pixels.tobytes(), np.uint8),
        )
        self.write(topic, frame, message, delay_ns)

    def write_compressed_depth(self, frame: int, topic: str, depth_mm: np.ndarray, delay_ns: int = 0) -> None:
        data = encode_compressed_depth(depth_mm / np.float32(1000))
        self.write(topic, frame, self._compressed(frame, MILLIMETRES, data), delay_ns)

    def write_camera_info(self, frame: int, topic: str = "/camera/camera_info", focal: float = 80.0, region=(0, 0, 0, 0), **fields) -> None:
        """Args: region: x, y, width, height. fields: of the message, instead of the usual."""
        x, y, width, height = region
        roi = self.make("sensor_msgs/msg/RegionOfInterest", x_offset=x, y_offset=y, height=height, width=width, do_rectify=False)
        k = [focal, 0, WIDTH / 2, 0, focal, HEIGHT / 2, 0, 0, 1]
        usual = {
            "header": self.header(frame),
            "height": HEIGHT,
            "width": WIDTH,
            "distortion_model": "plumb_bob",
            "d": np.zeros(5),
            "k": np.array(k, float),
            "r": np.eye(3).ravel(),
            "p": np.array([*k[:3], 0, *k[3:6], 0, *k[6:], 0], float),
            "binning_x": 0,
            "binning_y": 0,
            "roi": roi,
        }
        self.write(topic, frame, self.make("sensor_msgs/msg/CameraInfo", **usual | fields))

    def write_transform(self, frame: int, parent: str, child: str, x: float, w: float = 1.0, topic: str = "/tf", delay_ns: int = 0) -> None:
        """``child`` stands ``x`` metres along x of ``parent``; with a ``w`` other than 1 it is no transform."""
        transform = self.make(
            "geometry_msgs/msg/Transform",
            translation=self.make("geometry_msgs/msg/Vector3", x=x, y=0.0, z=0.0),
            rotation=self.make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=w),
        )
        stamped = self.make(
            "geometry_msgs/msg/TransformStamped",
            header=self.header(frame, parent),
            child_frame_id=child,
            transform=transform,
        )
        self.write(topic, frame, self.make("tf2_msgs/msg/TFMessage", transforms=[stamped]), delay_ns)

    def write_truth(self, frame: int, class_name: str = "cup") -> None:
        """A box of ``class_name`` where ``picture`` draws one; wall behind it, the left half's depth unknown."""
        x1, y1, x2, y2 = box(frame)
        mask = np.full((HEIGHT, WIDTH), STUFF.index("wall"), np.uint8)
        mask[y1:y2, x1:x2] = STUFF.index("cup")
        depth_mm = np.full((HEIGHT, WIDTH), 3000, np.uint16)
        depth_mm[y1:y2, x1:x2] = 1500
        depth_mm[:, : WIDTH // 2] = 0
        self.write("/ground_truth/detections", frame, self._detections(frame, class_name))
        for name, pixels in (("segmentation", mask), ("depth", depth_mm)):
            data = cv2.imencode(".png", pixels)[1].tobytes()
            self.write(f"/ground_truth/{name}", frame, self._compressed(frame, "png", data))

    def write_label_info(self, names=tuple(STUFF)) -> None:
        classes = [self.make("vision_msgs/msg/VisionClass", class_id=index, class_name=name) for index, name in enumerate(names)]
        message = self.make("vision_msgs/msg/LabelInfo", header=self.header(0), class_map=classes, threshold=0.0)
        self.write("/ground_truth/label_info", 0, message)

    def write_bytes(self, topic: str, frame: int, msgtype: str, data: bytes) -> None:
        """A message that need not be one."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, msgtype, typestore=self.store)
        self._writer.write(self._connections[topic], self.stamp_ns(frame), data)

    def _compressed(self, frame: int, kind: str, data: bytes):
        array = np.frombuffer(data, np.uint8)
        return self.make("sensor_msgs/msg/CompressedImage", header=self.header(frame), format=kind, data=array)

    def _detections(self, frame: int, class_name: str):
        x1, y1, x2, y2 = box(frame)
        make = self.make
        position = make("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0)
        orientation = make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
        pose = make("geometry_msgs/msg/Pose", position=position, orientation=orientation)
        covariance = make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36))
        hypothesis = make("vision_msgs/msg/ObjectHypothesis", class_id=class_name, score=1.0)
        result = make("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis, pose=covariance)
        center = make("vision_msgs/msg/Point2D", x=(x1 + x2) / 2, y=(y1 + y2) / 2)
        bbox = make(
            "vision_msgs/msg/BoundingBox2D",
            center=make("vision_msgs/msg/Pose2D", position=center, theta=0.0),
            size_x=float(x2 - x1),
            size_y=float(y2 - y1),
        )
        detection = make("vision_msgs/msg/Detection2D", header=self.header(frame), results=[result], bbox=bbox, id="")
        return make("vision_msgs/msg/Detection2DArray", header=self.header(frame), detections=[detection])


def camera_message(store, frame: int, form: str, data: bytes):
    """A CompressedImage at 10 Hz."""
    seconds, nanoseconds = divmod(START_NS + frame * SECOND_NS // 10, SECOND_NS)
    stamp = store.types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    header = store.types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    return store.types["sensor_msgs/msg/CompressedImage"](header=header, format=form, data=np.frombuffer(data, np.uint8))


def box(frame: int) -> tuple[int, int, int, int]:
    """Where the frame's box is, xyxy."""
    left = 8 + frame % 40
    return left, 20, left + 30, 52


def picture(frame: int) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8 RGB, another one for each frame."""
    image = np.random.default_rng(frame).integers(90, 130, (HEIGHT, WIDTH, 3), np.uint8)
    x1, y1, x2, y2 = box(frame)
    image[y1:y2, x1:x2] = (200, 40, 40)
    return image


def write_drive(
    path: Path,
    frames: int = 6,
    *,
    storage: str = "MCAP",
    rate_hz: float = 10.0,
    truth: bool = True,
    compression: str | None = None,
) -> Path:
    """A JPEG camera with calibration and, by default, ground truth."""
    with SmallBag(path, storage, rate_hz, compression) as bag:
        if truth:
            bag.write_label_info()
        for frame in range(frames):
            bag.write_camera_info(frame)
            bag.write_jpeg(frame)
            if truth:
                bag.write_truth(frame)
    return Path(path)

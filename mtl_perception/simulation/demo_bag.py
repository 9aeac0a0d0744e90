# SPDX-License-Identifier: Apache-2.0
"""Records the demo drive: a rosbag2 (MCAP) with camera, transforms and ground truth.

    mtl-perception demo-bag bags/demo

Camera and transforms come at 10 Hz, ground truth with every fifth image; its stamps are those of the image.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import track

from mtl_perception.bags.types import jazzy_with_vision_msgs
from mtl_perception.bags.writer import BagWriter
from mtl_perception.core.compressed_depth import MILLIMETRES, encode_compressed_depth
from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.writer import Instance
from mtl_perception.simulation.camera import Pose, intrinsics
from mtl_perception.simulation.demo_room import demo_room
from mtl_perception.simulation.drive import DrivePoint, camera_in_room, camera_on_robot, drive
from mtl_perception.simulation.labels import SEGMENTATION_LABELS
from mtl_perception.simulation.renderer import Rendering, RoomRenderer
from mtl_perception.simulation.views import visible_objects

WIDTH, HEIGHT, HFOV_DEG = 640, 480, 70.0
ROOM_SEED = 7041
"""A whole number; data sets draw their rooms from pairs of numbers, so no training ever sees this room."""
START_NS = 1_750_000_000_000_000_000
TRUTH_EVERY = 5
JPEG_QUALITY = 85
CAMERA_FRAME = "camera_color_optical_frame"

_CAMERA = {
    "/camera/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
    "/camera/camera_info": "sensor_msgs/msg/CameraInfo",
    "/tf": "tf2_msgs/msg/TFMessage",
    "/tf_static": "tf2_msgs/msg/TFMessage",
}
_TRUE_DEPTH = {"/ground_truth/depth": "sensor_msgs/msg/CompressedImage"}
DEMO_TOPICS = {
    **_CAMERA,
    "/ground_truth/detections": "vision_msgs/msg/Detection2DArray",
    "/ground_truth/detections_3d": "vision_msgs/msg/Detection3DArray",
    "/ground_truth/segmentation": "sensor_msgs/msg/CompressedImage",
    **_TRUE_DEPTH,
    "/ground_truth/label_info": "vision_msgs/msg/LabelInfo",
}
_MEASURED = "/camera/aligned_depth_to_color/image_raw/compressedDepth"
DEPTH_CAMERA_TOPICS = {**_CAMERA, _MEASURED: "sensor_msgs/msg/CompressedImage", **_TRUE_DEPTH}
_LATCHED = ("/tf_static", "/ground_truth/label_info")


def write_demo_bag(out_dir: Path, progress: bool = True) -> None:
    """Renders the drive and writes the bag into the folder ``out_dir``; one that is there is replaced at the
    end.

    Raises:
        RendererError: this machine has no Vulkan driver.
    """
    renderer = RoomRenderer(WIDTH, HEIGHT)
    write_whole(Path(out_dir), lambda path: _record(renderer, path, progress))


def write_whole(out_dir: Path, record: Callable[[Path], None]) -> None:
    """Let ``record`` write a bag into an unfinished folder, and put it in the place of ``out_dir`` once it is whole."""
    # The writer names its file after the folder.
    unfinished = out_dir.parent / f".{out_dir.name}_unfinished" / out_dir.name
    shutil.rmtree(unfinished.parent, ignore_errors=True)
    unfinished.parent.mkdir(parents=True)
    try:
        record(unfinished)
        shutil.rmtree(out_dir, ignore_errors=True)
        unfinished.replace(out_dir)
    finally:
        shutil.rmtree(unfinished.parent, ignore_errors=True)


def _record(renderer: RoomRenderer, path: Path, progress: bool) -> None:
    world = demo_room(ROOM_SEED).world.compile()
    renderer.load(world)
    camera = intrinsics(WIDTH, HEIGHT, HFOV_DEG)
    with DriveRecorder(path, camera) as recorder:
        points = drive()
        steps = track(points, "rendering the demo drive", disable=not progress)
        for index, point in enumerate(steps):
            pose = camera_in_room(point)
            recorder.add_frame(point, renderer.picture(camera, pose))
            if index % TRUTH_EVERY == 0:
                rendering = Rendering(np.empty(0), *renderer.labels(camera, pose))
                objects = list(visible_objects(rendering.instance, world, pose).values())
                recorder.add_truth(point, rendering, objects)


class DriveRecorder:
    """Writes one drive; a context manager.

    Args:
        topics: with their types; what is added must be among them.
    """

    def __init__(self, path: Path, camera: Intrinsics, topics: Mapping[str, str] = DEMO_TOPICS) -> None:
        self._store = jazzy_with_vision_msgs()
        self._topics = topics
        self._camera = camera
        self._path = path

    def __enter__(self) -> DriveRecorder:
        self._writer = BagWriter(self._path, compressed=False)
        for topic, kind in self._topics.items():
            self._writer.add_topic(topic, kind, self._store, latched=topic in _LATCHED)
        self._add_constants()
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.close()

    def add_frame(self, point: DrivePoint, rgb: np.ndarray) -> None:
        """The camera's image with its calibration, and where the robot is."""
        time_ns = _time_ns(point)
        half = point.yaw / 2
        moving = self._transform(
            time_ns,
            "odom",
            "base_link",
            np.array([point.x, point.y, 0.0]),
            (0.0, 0.0, np.sin(half), np.cos(half)),
        )
        self._write("/tf", time_ns, transforms=[moving])
        self._write("/camera/camera_info", time_ns, **self._calibration(time_ns))
        jpeg = _encode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        header = self._header(time_ns, CAMERA_FRAME)
        self._write(
            "/camera/image_raw/compressed",
            time_ns,
            header=header,
            format="rgb8; jpeg compressed bgr8",
            data=jpeg,
        )

    def add_truth(self, point: DrivePoint, rendering: Rendering | None, objects: list[Instance], ids: Sequence[int] | None = None) -> None:
        """Writes the ground truth of the image at the same point.

        Args:
            rendering: mask and depth; None for boxes alone.
            objects: in the image.
            ids: of the objects, the same in every frame; None if identities are not known.
        """
        time_ns = _time_ns(point)
        header = self._header(time_ns, CAMERA_FRAME)
        names = [""] * len(objects) if ids is None else [str(id) for id in ids]
        detections = [self._detection(header, obj, name) for obj, name in zip(objects, names, strict=True)]
        self._write("/ground_truth/detections", time_ns, header=header, detections=detections)
        placed = [(obj, name) for obj, name in zip(objects, names, strict=True) if obj.box_3d is not None]
        if len(placed) == len(objects):
            detections = [self._detection_3d(header, obj, name) for obj, name in placed]
            self._write("/ground_truth/detections_3d", time_ns, header=header, detections=detections)
        if rendering is not None:
            self._add_maps(time_ns, header, rendering)

    def _add_maps(self, time_ns: int, header: Any, rendering: Rendering) -> None:
        small = [cv2.IMWRITE_PNG_COMPRESSION, 9]
        ids = _encode(".png", rendering.semantic, small)
        self._write(
            "/ground_truth/segmentation",
            time_ns,
            header=header,
            format="mono8; png compressed mono8",
            data=ids,
        )
        self._add_true_depth(time_ns, header, rendering.depth_m)

    def add_depths(self, point: DrivePoint, measured_m: np.ndarray, true_m: np.ndarray | None) -> None:
        """Writes what a depth camera measures at the same point, registered to the image; the true depth of the image if it is given."""
        time_ns = _time_ns(point)
        header = self._header(time_ns, CAMERA_FRAME)
        data = np.frombuffer(encode_compressed_depth(measured_m), np.uint8)
        self._write(_MEASURED, time_ns, header=header, format=MILLIMETRES, data=data)
        if true_m is not None:
            self._add_true_depth(time_ns, header, true_m)

    def _add_true_depth(self, time_ns: int, header: Any, depth_m: np.ndarray) -> None:
        depth = _encode(".png", depth_to_millimetres(depth_m), [cv2.IMWRITE_PNG_COMPRESSION, 9])
        self._write("/ground_truth/depth", time_ns, header=header, format="16UC1; png compressed 16UC1", data=depth)

    def _add_constants(self) -> None:
        mount = camera_on_robot()
        fixed = self._transform(START_NS, "base_link", CAMERA_FRAME, mount.position, _quaternion(mount))
        self._write("/tf_static", START_NS, transforms=[fixed])
        if "/ground_truth/label_info" not in self._topics:
            return
        names = enumerate(SEGMENTATION_LABELS)
        classes = [self._new("vision_msgs/msg/VisionClass", class_id=i, class_name=name) for i, name in names]
        header = self._header(START_NS, CAMERA_FRAME)
        self._write("/ground_truth/label_info", START_NS, header=header, class_map=classes, threshold=0.0)

    def _new(self, kind: str, **fields: Any) -> Any:
        return self._store.types[kind](**fields)

    def _write(self, topic: str, time_ns: int, **fields: Any) -> None:
        kind = self._topics[topic]
        data = self._store.serialize_cdr(self._new(kind, **fields), kind)
        self._writer.write(topic, time_ns, bytes(data))

    def _header(self, time_ns: int, frame_id: str) -> Any:
        stamp = self._new("builtin_interfaces/msg/Time", sec=time_ns // 10**9, nanosec=time_ns % 10**9)
        return self._new("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def _transform(
        self,
        time_ns: int,
        parent: str,
        child: str,
        position: np.ndarray,
        rotation: tuple[float, float, float, float],
    ) -> Any:
        x, y, z, w = (float(v) for v in rotation)
        translation = self._new("geometry_msgs/msg/Vector3", **_xyz(position))
        quaternion = self._new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
        transform = self._new("geometry_msgs/msg/Transform", translation=translation, rotation=quaternion)
        header = self._header(time_ns, parent)
        return self._new("geometry_msgs/msg/TransformStamped", header=header, child_frame_id=child, transform=transform)

    def _calibration(self, time_ns: int) -> dict[str, Any]:
        c = self._camera
        region = self._new("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        return {
            "header": self._header(time_ns, CAMERA_FRAME),
            "width": c.width,
            "height": c.height,
            "distortion_model": "plumb_bob",
            "d": np.zeros(5),
            "k": np.array([c.fx, 0, c.cx, 0, c.fy, c.cy, 0, 0, 1.0]),
            "r": np.eye(3).ravel(),
            "p": np.array([c.fx, 0, c.cx, 0, 0, c.fy, c.cy, 0, 0, 0, 1.0, 0]),
            "binning_x": 0,
            "binning_y": 0,
            "roi": region,
        }

    def _detection(self, header: Any, obj: Instance, name: str) -> Any:
        left, top, right, bottom = (float(v) for v in obj.box_xyxy)
        middle = self._new("vision_msgs/msg/Point2D", x=(left + right) / 2, y=(top + bottom) / 2)
        centre = self._new("vision_msgs/msg/Pose2D", position=middle, theta=0.0)
        bbox = self._new("vision_msgs/msg/BoundingBox2D", center=centre, size_x=right - left, size_y=bottom - top)
        result = self._hypothesis(obj, self._pose((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)))
        return self._new("vision_msgs/msg/Detection2D", header=header, results=[result], bbox=bbox, id=name)

    def _detection_3d(self, header: Any, obj: Instance, name: str) -> Any:
        pose = self._pose(obj.box_3d["center_m"], obj.box_3d["quaternion_xyzw"])
        size = self._new("geometry_msgs/msg/Vector3", **_xyz(np.asarray(obj.box_3d["size_m"])))
        bbox = self._new("vision_msgs/msg/BoundingBox3D", center=pose, size=size)
        result = self._hypothesis(obj, pose)
        return self._new("vision_msgs/msg/Detection3D", header=header, results=[result], bbox=bbox, id=name)

    def _hypothesis(self, obj: Instance, pose: Any) -> Any:
        hypothesis = self._new("vision_msgs/msg/ObjectHypothesis", class_id=obj.label, score=1.0)
        exact = self._new("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36))
        return self._new("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis, pose=exact)

    def _pose(self, position: Sequence[float], quaternion_xyzw: Sequence[float]) -> Any:
        x, y, z, w = (float(v) for v in quaternion_xyzw)
        point = self._new("geometry_msgs/msg/Point", **_xyz(np.asarray(position)))
        rotation = self._new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
        return self._new("geometry_msgs/msg/Pose", position=point, orientation=rotation)


def _time_ns(point: DrivePoint) -> int:
    return START_NS + round(point.time_s * 1e9)


def _xyz(position: np.ndarray) -> dict[str, float]:
    return dict(zip("xyz", (float(v) for v in position), strict=True))


def _quaternion(pose: Pose) -> tuple[float, float, float, float]:
    """(x, y, z, w) of a rotation that is no half turn."""
    r = pose.rotation
    w = np.sqrt(1 + np.trace(r)) / 2
    return (r[2, 1] - r[1, 2]) / (4 * w), (r[0, 2] - r[2, 0]) / (4 * w), (r[1, 0] - r[0, 1]) / (4 * w), w


def _encode(extension: str, image: np.ndarray, options: list[int]) -> np.ndarray:
    ok, data = cv2.imencode(extension, image, options)
    if not ok:
        raise OSError(f"could not encode an image as {extension}")
    return data

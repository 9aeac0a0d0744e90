# SPDX-License-Identifier: Apache-2.0
"""Reading rosbag2 recordings, MCAP or SQLite, on a machine with or without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.typesys import Stores, get_typestore

from mtl_perception.geometry import Intrinsics
from mtl_perception.ros.conversions import InputSettings, compressed_image_to_rgb, image_to_rgb

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
GROUND_TRUTH = "/ground_truth/"
"""Topics under this name hold what is true, not what a camera saw."""

_COLOR = ("rgb", "bgr", "bayer", "yuv", "uyvy", "yuyv", "nv12", "nv21", "jpeg", "jpg")
_MONO = ("mono", "png")


class BagError(ValueError):
    """A bag that can't be used; the text names the bag, what is wrong with it and what to do."""


@dataclass(frozen=True)
class Topic:
    """One topic of a bag. ``qos`` is what its publishers offered, as recorded."""

    name: str
    type: str
    count: int
    qos: tuple[Qos, ...]


@dataclass(frozen=True)
class BagMessage:
    """A serialised message and when it was recorded (nanoseconds since the epoch)."""

    topic: str
    type: str
    time_ns: int
    data: bytes


@dataclass(frozen=True)
class BagFrame:
    """One image of a bag.

    Attributes:
        time_ns: when it was recorded.
        stamp_ns: its header's stamp; what belongs to the same frame has the same.
        message: the deserialised image message.
        image_rgb: (H, W, 3) uint8, or None where the message holds no image.
        intrinsics: of the camera, or None where no usable camera_info came before.
        problem: what is wrong with the message or its camera_info; empty if nothing is.
        camera_info: the deserialised message that ``intrinsics`` are from; None where none came before.
    """

    time_ns: int
    stamp_ns: int
    message: Any
    image_rgb: np.ndarray | None
    intrinsics: Intrinsics | None
    problem: str = ""
    camera_info: Any = None


class Bag:
    """An open bag. Use it as a context manager.

    Args:
        path: a rosbag2 folder, or one ``.mcap`` or ``.db3`` file.

    Raises:
        BagError: on entering, when there is no bag, or a part of it is missing, truncated or damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __enter__(self) -> Bag:
        _require_bag(self.path)
        try:
            self._reader = AnyReader([self.path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
            self._reader.open()
        except Exception as error:  # the storage plugins raise whatever their parsers do
            raise BagError(_explain(self.path, error)) from error
        self.topics = {
            name: Topic(name, info.msgtype or "", info.msgcount, tuple(_offered_qos(info.connections)))
            for name, info in self._reader.topics.items()
        }
        return self

    def __exit__(self, *exception: object) -> None:
        self._reader.close()

    @property
    def duration_s(self) -> float:
        """From the first message to the last."""
        return self._reader.duration * 1e-9 if self._reader.message_count else 0.0

    @property
    def start_ns(self) -> int:
        """When the first message was recorded."""
        return self._reader.start_time

    def messages(self, *topics: str) -> Iterator[BagMessage]:
        """Messages of these topics in the order of recording.

        Raises:
            BagError: a topic is not in the bag, or the bag is damaged from here on.
        """
        for name in topics:
            if name not in self.topics:
                raise BagError(f"bag {self.path} has no topic {name}; it has {_listed(self.topics)}")
        connections = [connection for connection in self._reader.connections if connection.topic in topics]
        try:
            for connection, time_ns, data in self._reader.messages(connections):
                yield BagMessage(connection.topic, connection.msgtype, time_ns, bytes(data))
        except Exception as error:
            raise BagError(_explain(self.path, error)) from error

    def deserialize(self, message: BagMessage) -> Any:
        """The message as an object with the fields of its ROS type, arrays as numpy arrays.

        Raises:
            BagError: its bytes are not what its type says.
        """
        try:
            return self._reader.deserialize(message.data, message.type)
        except Exception as error:
            raise BagError(
                f"bag {self.path}: a message on {message.topic} is no {message.type} ({error})"
            ) from error

    def find_image(self, wanted: str | None = None) -> Topic:
        """The camera's image topic: ``wanted``, or the only one that can be meant.

        Colour goes before grey, an image with a camera_info before one without, raw before compressed.
        Depth and ground truth are no camera's images.

        Raises:
            BagError: ``wanted`` is missing or no image; or none, or more than one, can be meant.
        """
        if wanted is not None:
            topic = self._existing(wanted)
            if topic.type not in (IMAGE, COMPRESSED_IMAGE):
                raise BagError(
                    f"bag {self.path}: {wanted} is {topic.type}, expected {IMAGE} or {COMPRESSED_IMAGE}"
                )
            return topic
        ranked = {
            topic: rank for topic in self.topics.values() if (rank := self._image_rank(topic)) is not None
        }
        if not ranked:
            raise BagError(f"bag {self.path} holds no camera images; it has {_listed(self.topics)}")
        best = [topic for topic, rank in ranked.items() if rank == min(ranked.values())]
        if len(best) > 1:
            raise BagError(
                f"bag {self.path} has several cameras: choose one with --image out of {_listed(best)}"
            )
        return best[0]

    def find_camera_info(self, image: Topic, wanted: str | None = None) -> Topic | None:
        """The calibration of an image: ``wanted``, or ``camera_info`` beside it, or the only one there is.

        Raises:
            BagError: ``wanted`` is missing or no camera_info.
        """
        if wanted is not None:
            topic = self._existing(wanted)
            if topic.type != CAMERA_INFO:
                raise BagError(f"bag {self.path}: {wanted} is {topic.type}, expected {CAMERA_INFO}")
            return topic
        infos = [topic for topic in self.topics.values() if topic.type == CAMERA_INFO and topic.count]
        beside = [topic for topic in infos if topic.name == _camera_info_beside(image.name)]
        return (beside or (infos if len(infos) == 1 else [None]))[0]

    def frames(
        self, image: Topic, camera_info: Topic | None, settings: InputSettings = InputSettings()
    ) -> Iterator[BagFrame]:
        """Every image in the order of recording, with the calibration that was valid then.

        The first calibration also holds for the images before it. A message that holds no image is given too,
        with what is wrong. ``settings`` say how images are read.
        """
        info = None
        if camera_info is not None:
            info = next(map(self.deserialize, self.messages(camera_info.name)), None)
        topics = [image.name] + ([camera_info.name] if camera_info is not None else [])
        for recorded in self.messages(*topics):
            message = self.deserialize(recorded)
            if recorded.topic == image.name:
                yield _frame(recorded, message, info, settings)
            else:
                info = message

    def _existing(self, name: str) -> Topic:
        if name not in self.topics:
            raise BagError(f"bag {self.path} has no topic {name}; it has {_listed(self.topics)}")
        if not self.topics[name].count:
            raise BagError(f"bag {self.path}: topic {name} has no message")
        return self.topics[name]

    def _image_rank(self, topic: Topic) -> tuple | None:
        """Smaller is likelier what a camera saw; None is no camera's image."""
        if (
            topic.type not in (IMAGE, COMPRESSED_IMAGE)
            or not topic.count
            or topic.name.startswith(GROUND_TRUTH)
        ):
            return None
        first = self.deserialize(next(self.messages(topic.name)))
        encoding = (first.encoding if topic.type == IMAGE else first.format).lower()
        if "compresseddepth" in encoding:
            return None
        kind = next(
            (rank for rank, names in enumerate((_COLOR, _MONO)) if any(n in encoding for n in names)), None
        )
        if kind is None:
            return None
        has_info = _camera_info_beside(topic.name) in self.topics
        return kind, not has_info, topic.type != IMAGE


def stamp_ns(message: Any) -> int:
    """The stamp of a message's header in nanoseconds."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def _frame(recorded: BagMessage, message: Any, info: Any, settings: InputSettings) -> BagFrame:
    problem, image_rgb, intrinsics = "", None, None
    damage: list[str] = []
    try:
        if recorded.type == IMAGE:
            image_rgb = image_to_rgb(message, settings)
        else:
            image_rgb = compressed_image_to_rgb(message, settings, damage.append)
            problem = f"a damaged JPEG was used ({damage[0]})" if damage else ""
        if info is not None:
            height, width = image_rgb.shape[:2]
            camera = Intrinsics(info.width, info.height, info.k[0], info.k[4], info.k[2], info.k[5])
            intrinsics = camera.scaled(width, height)
    except ValueError as error:
        problem = str(error)
    return BagFrame(recorded.time_ns, stamp_ns(message), message, image_rgb, intrinsics, problem, info)


def _require_bag(path: Path) -> None:
    if not path.exists():
        raise BagError(f"bag {path} does not exist")
    if path.is_dir() and not (path / "metadata.yaml").exists():
        parts = sorted(part.name for part in path.iterdir() if part.suffix in (".mcap", ".db3"))
        if parts:
            raise BagError(
                f"bag {path} has no metadata.yaml: its recording was cut off; "
                f"run 'ros2 bag reindex {path}', or give the file {path / parts[0]} itself"
            )
        raise BagError(f"{path} is no rosbag2 folder: it has no metadata.yaml")
    if path.suffix == ".bag":
        raise BagError(
            f"{path} is a ROS 1 bag, expected rosbag2; run 'rosbags-convert --src {path} --dst FOLDER'"
        )
    if path.is_file() and path.suffix not in (".mcap", ".db3"):
        raise BagError(f"{path} is no bag, expected a rosbag2 folder or a .mcap or .db3 file")


def _explain(path: Path, error: Exception) -> str:
    files = [path] if path.is_file() else sorted(path.glob("*.mcap"))
    for file in files:
        if file.suffix == ".mcap" and not _ends_like_mcap(file):
            return (
                f"bag {path}: {file.name} is truncated: it lacks the end of an MCAP file, "
                f"as after a crash or a broken copy; copy it again, or repair it with 'mcap recover {file}'"
            )
    return f"bag {path} can't be read: {str(error) or type(error).__name__}"


def _ends_like_mcap(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - 8))
        return stream.read() == b"\x89MCAP0\r\n"


def _camera_info_beside(image_topic: str) -> str:
    """image_transport's rule: the last element of the raw image's name becomes camera_info."""
    return image_topic.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"


def _offered_qos(connections: list) -> list[Qos]:
    return [qos for connection in connections for qos in getattr(connection.ext, "offered_qos_profiles", ())]


def _listed(topics) -> str:
    names = [topic.name if isinstance(topic, Topic) else topic for topic in topics]
    return ", ".join(sorted(names)) or "no topic at all"


def recorded_qos(*, latched: bool) -> Qos:
    """What a bag says of a topic: reliable, and kept for late subscribers if ``latched``."""
    forever = QosTime(9223372036, 854775807)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1 if latched else 10,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=forever,
        lifespan=forever,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=forever,
        avoid_ros_namespace_conventions=False,
    )

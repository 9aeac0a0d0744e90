# SPDX-License-Identifier: Apache-2.0
"""Reading rosbag2 recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from mtl_perception.bags.cameras import camera_info_beside, image_kind, is_depth_stream
from mtl_perception.bags.error import BagError
from mtl_perception.bags.files import damaged, find_files, open_files
from mtl_perception.bags.storage import LAST_NS, Channel, Recorded
from mtl_perception.bags.types import CAMERA_INFO, CAMERAS, COMPRESSED_IMAGE, IMAGE, VIDEO, BagTypes
from mtl_perception.bags.video import VideoFrame, VideoStream, packet_of
from mtl_perception.core.camera_info import read_intrinsics
from mtl_perception.core.foreign_text import cut
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.image_messages import InputSettings, compressed_image_to_rgb, image_to_rgb
from mtl_perception.core.video import MissingPyAV

GROUND_TRUTH = "/ground_truth/"
"""Topics under this name hold what is true, not what a camera saw."""

_ZSTD = b"\x28\xb5\x2f\xfd"
"""Begins a message of a bag that is compressed message by message; a plain one begins with a zero."""
_LARGEST_MESSAGE = 1 << 30


@dataclass(frozen=True)
class Topic:
    """One topic of a bag and how many messages its files hold of it."""

    name: str
    type: str
    count: int


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
        stamp_ns: its header's stamp; what belongs to the same frame has the same. ``time_ns`` where there is no message.
        message: the deserialised image message, of video a ``VideoPacket``; None where its bytes are no message.
        image_rgb: (H, W, 3) uint8, or None where the message holds no image.
        intrinsics: of the image by K or P, region and binning, or None where no usable camera_info came before.
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

    Messages are found by topic and type; QoS, which recorders and converters change, plays no part. Checksums of MCAP are
    checked as chunks are read.

    Args:
        path: a rosbag2 folder, or one ``.mcap`` or ``.db3`` file, compressed as a whole (``.zst``) or not.

    Attributes:
        topics: those whose messages are ROS 2's, by name.
        skipped: the others by name, with the reason: service events, messages that are JSON or protobuf.

    Raises:
        BagError: on entering, when there is no bag, or a part of it is missing, truncated or damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __enter__(self) -> Bag:
        self._files, metadata = find_files(self.path)
        self._counted = metadata.counts if metadata is not None else {}
        with ExitStack() as stack:
            self._storages = open_files(self.path, self._files, stack)
            channels = [channel for storage in self._storages for channel in storage.channels]
            there = {(channel.topic, channel.type) for channel in channels}
            for (topic, kind), count in self._counted.items():
                if count and (topic, kind) not in there:
                    raise BagError(
                        f"bag {self.path} counts {count} messages of {cut(kind)} on {cut(topic)}, and its files have none such: it is "
                        "incomplete or damaged; copy it again, or let 'ros2 bag reindex' count what is there"
                    )
            self.topics, self.skipped = _sorted_out(channels)
            self._types = BagTypes({channel.type: channel.definition for channel in channels if channel.definition is not None})
            spans = [(storage.start_ns, storage.end_ns) for storage in self._storages if any(one.count for one in storage.channels)]
            self._start_ns, self._end_ns = min((span[0] for span in spans), default=0), max((span[1] for span in spans), default=0)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def duration_s(self) -> float:
        """From the first message to the last."""
        return max(0, self._end_ns - self._start_ns) * 1e-9

    @property
    def start_ns(self) -> int:
        """When the first message was recorded."""
        return self._start_ns

    def messages(self, *topics: str) -> Iterator[BagMessage]:
        """Messages of these topics in the order of recording.

        Raises:
            BagError: a topic is not in the bag; the bag is damaged from here on; or, at the end, there were fewer messages than
                the bag counts.
        """
        for name in topics:
            if name not in self.topics:
                raise self._no_topic(name)
        read = Counter()
        for recorded in merge(*(self._of_file(number, topics) for number in range(len(self._files))), key=lambda one: one.time_ns):
            read[recorded.channel.topic] += 1
            yield BagMessage(recorded.channel.topic, recorded.channel.type, recorded.time_ns, self._plain(recorded))
        for name in topics:
            topic = self.topics[name]
            counted = max(topic.count, self._counted.get((name, topic.type), 0))
            if read[name] < counted:
                raise BagError(
                    f"bag {self.path} counts {counted} messages on {name}, and only {read[name]} can be read: it is incomplete or "
                    "damaged; copy it again, or let 'ros2 bag reindex' count what is there"
                )

    def deserialize(self, message: BagMessage) -> Any:
        """The message as an object with the fields of its ROS type, arrays as numpy arrays.

        Raises:
            BagError: its bytes are not what its type says.
        """
        try:
            return self._types.deserialize(message.data, message.type)
        except Exception as error:  # rosbags raises whatever its parser does
            raise BagError(f"bag {self.path}: a message on {message.topic} is no {message.type} ({cut(error, 300)})") from error

    def topic(self, name: str) -> Topic:
        """The topic of this name.

        Raises:
            BagError: it is not in the bag, or has no message.
        """
        if name not in self.topics:
            raise self._no_topic(name)
        if not self.topics[name].count:
            raise BagError(f"bag {self.path}: topic {name} has no message")
        return self.topics[name]

    def find(self, name: str, kind: str) -> Topic | None:
        """The topic of this name; None where it is not in the bag, or has no message.

        Raises:
            BagError: it has another type than ``kind``.
        """
        topic = self.topics.get(name)
        if topic is None or not topic.count:
            return None
        if topic.type != kind:
            raise BagError(f"bag {self.path}: {name} is {topic.type}, expected {kind}")
        return topic

    def find_image(self, wanted: str | None = None) -> Topic:
        """The camera's image topic: ``wanted``, or the only one that can be meant.

        Colour goes before grey, an image with a camera_info before one without, raw before compressed,
        and that before video.
        Depth and ground truth are no camera's images.

        Raises:
            BagError: ``wanted`` is missing or no image; or none, or more than one, can be meant.
        """
        if wanted is not None:
            topic = self.topic(wanted)
            if topic.type not in CAMERAS:
                raise BagError(f"bag {self.path}: {wanted} is {topic.type}, expected {', '.join(CAMERAS[:-1])} or {CAMERAS[-1]}")
            if topic.type == COMPRESSED_IMAGE and is_depth_stream(self._first(topic)):
                raise BagError(f"bag {self.path}: {wanted} is depth (compressedDepth), expected a camera's JPEG or PNG images")
            return topic
        ranked: dict[Topic, tuple] = {}
        others: list[str] = []
        for topic in self.topics.values():
            if topic.type not in CAMERAS or not topic.count or topic.name.startswith(GROUND_TRUTH):
                continue
            kind, what = image_kind(self._first(topic), topic.type)
            if kind is None:
                others.append(f"{topic.name} is {what}")
            else:
                ranked[topic] = (kind, camera_info_beside(topic.name) not in self.topics, min(CAMERAS.index(topic.type), 2))
        if not ranked:
            raise BagError(f"bag {self.path} holds no camera images; it has {self._listed()}" + "".join(f"; {one}" for one in others))
        best = [topic for topic, rank in ranked.items() if rank == min(ranked.values())]
        if len(best) > 1:
            names = ", ".join(sorted(topic.name for topic in best))
            raise BagError(f"bag {self.path} has several cameras: choose one with --image out of {names}")
        return best[0]

    def find_camera_info(self, image: Topic, wanted: str | None = None) -> Topic | None:
        """The calibration of an image: ``wanted``, or ``camera_info`` beside it, or the only one there is.

        Raises:
            BagError: ``wanted`` is missing or no camera_info.
        """
        if wanted is not None:
            topic = self.topic(wanted)
            if topic.type != CAMERA_INFO:
                raise BagError(f"bag {self.path}: {wanted} is {topic.type}, expected {CAMERA_INFO}")
            return topic
        infos = [topic for topic in self.topics.values() if topic.type == CAMERA_INFO and topic.count]
        beside = [topic for topic in infos if topic.name == camera_info_beside(image.name)]
        return (beside or (infos if len(infos) == 1 else [None]))[0]

    def frames(
        self, image: Topic, camera_info: Topic | None, settings: InputSettings = InputSettings(), *, rectified: bool = False
    ) -> Iterator[BagFrame]:
        """Every image in the order of recording, with the calibration that was valid then.

        The first calibration also holds for the images before it. A message that holds no image is given too,
        with what is wrong; of video, a packet before the first key frame or behind a lost one too.

        Args:
            settings: how images are read.
            rectified: the images are, so that the calibration's P holds, not its K.

        Raises:
            BagError: as ``messages`` does; or the topic is of video and PyAV is missing.
        """
        video = self.video(image, settings) if image.type in VIDEO else None
        info, problem = None, ""
        if camera_info is not None:
            info, problem = self._understood(next(self.messages(camera_info.name)))
        topics = [image.name] + ([camera_info.name] if camera_info is not None else [])
        for recorded in self.messages(*topics):
            if recorded.topic != image.name:
                newer, problem = self._understood(recorded)
                info = newer or info
                continue
            message, trouble = self._understood(recorded)
            if message is None:
                yield BagFrame(recorded.time_ns, recorded.time_ns, None, None, None, trouble, info)
            elif video is not None:
                for shown in video.frames(recorded.time_ns, packet_of(message, recorded.type)):
                    frame = _video_frame(shown, info, rectified)
                    yield replace(frame, problem="; ".join(filter(None, (problem, frame.problem))))
                    problem = ""
                continue
            else:
                frame = _frame(recorded, message, info, settings, rectified)
                yield replace(frame, problem="; ".join(filter(None, (problem, frame.problem))))
            problem = ""
        if video is not None:
            yield from (_video_frame(shown, info, rectified) for shown in video.rest())

    def video(self, image: Topic, settings: InputSettings = InputSettings()) -> VideoStream:
        """Returns a decoder of the packets of a topic of video.

        Raises:
            BagError: PyAV is missing.
        """
        try:
            return VideoStream(settings.max_pixels)
        except MissingPyAV as error:
            raise BagError(f"bag {self.path}: {image.name} is {image.type}, and {error}") from None

    def _understood(self, recorded: BagMessage) -> tuple[Any, str]:
        """(message, "") or (None, what is wrong with it)."""
        try:
            return self.deserialize(recorded), ""
        except BagError as error:
            return None, str(error)

    def _first(self, topic: Topic) -> Any:
        return self.deserialize(next(self.messages(topic.name)))

    def _of_file(self, number: int, topics: tuple[str, ...]) -> Iterator[Recorded]:
        """Messages of one file; the type of a channel counts, its QoS does not."""
        storage, file = self._storages[number], self._files[number]
        channels = [one for one in storage.channels if one.topic in topics and self._is_read(one)]
        if not channels:
            return
        try:
            for recorded in storage.messages(channels):
                if not 0 <= recorded.time_ns < LAST_NS:
                    raise BagError(
                        f"bag {self.path}: {file.name} has a message on {recorded.channel.topic} of the time {recorded.time_ns} ns, "
                        "expected one that ROS knows; the file is damaged"
                    )
                yield recorded
        except BagError:
            raise
        except Exception as error:  # the parsers raise whatever they come upon
            raise damaged(self.path, file, error) from error

    def _is_read(self, channel: Channel) -> bool:
        return channel.type == self.topics[channel.topic].type and channel.encoding == "cdr"

    def _plain(self, recorded: Recorded) -> bytes:
        data = recorded.data
        if not data.startswith(_ZSTD):
            return data
        try:
            size = zstandard.frame_content_size(data)
            if size > _LARGEST_MESSAGE:
                raise zstandard.ZstdError(f"it would have {size} bytes")
            return zstandard.ZstdDecompressor().decompress(data, _LARGEST_MESSAGE)
        except (zstandard.ZstdError, MemoryError) as error:
            raise BagError(f"bag {self.path}: a message on {recorded.channel.topic} can't be unpacked ({error})") from error

    def _no_topic(self, name: str) -> BagError:
        if name in self.skipped:
            return BagError(f"bag {self.path}: {name} can't be read: {self.skipped[name]}")
        return BagError(f"bag {self.path} has no topic {name}; it has {self._listed()}")

    def _listed(self) -> str:
        """Names of what is there, and of what is left out."""
        names = ", ".join(sorted(self.topics)) or "no topic at all"
        left_out = "".join(f"; {name} is left out: {reason}" for name, reason in sorted(self.skipped.items()))
        return cut(names + left_out, 2000)


def stamp_ns(message: Any) -> int:
    """The stamp of a message's header in nanoseconds."""
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def _frame(recorded: BagMessage, message: Any, info: Any, settings: InputSettings, rectified: bool) -> BagFrame:
    problem, image_rgb, intrinsics = "", None, None
    damage: list[str] = []
    try:
        if recorded.type == IMAGE:
            image_rgb = image_to_rgb(message, settings)
        else:
            image_rgb = compressed_image_to_rgb(message, settings, damage.append)
            problem = f"a damaged JPEG was used ({damage[0]})" if damage else ""
        intrinsics = _intrinsics(info, image_rgb, rectified)
    except ValueError as error:
        problem = str(error)
    return BagFrame(recorded.time_ns, stamp_ns(message), message, image_rgb, intrinsics, problem, info)


def _video_frame(shown: VideoFrame, info: Any, rectified: bool) -> BagFrame:
    problem, image_rgb, intrinsics = shown.problem, None, None
    if shown.picture is not None:
        image_rgb = shown.picture.to_rgb()
        try:
            intrinsics = _intrinsics(info, image_rgb, rectified)
        except ValueError as error:
            problem = str(error)
    return BagFrame(shown.time_ns, stamp_ns(shown.packet), shown.packet, image_rgb, intrinsics, problem, info)


def _intrinsics(info: Any, image_rgb: np.ndarray, rectified: bool) -> Intrinsics | None:
    """Raises ValueError for a camera_info that is of no use."""
    if info is None:
        return None
    height, width = image_rgb.shape[:2]
    return read_intrinsics(info, width, height, rectified=rectified)


def _sorted_out(channels: list[Channel]) -> tuple[dict[str, Topic], dict[str, str]]:
    """Topics that can be read, each with the type that most of its messages have; and why the others can't."""
    counts: dict[str, Counter[str]] = {}
    skipped: dict[str, str] = {}
    for channel in channels:
        if reason := _reason_to_skip(channel):
            skipped[channel.topic] = reason
        else:
            counts.setdefault(channel.topic, Counter())[channel.type] += channel.count
    topics = {}
    for name, by_type in sorted(counts.items()):
        (kind, count), *others = by_type.most_common()
        topics[name] = Topic(name, kind, count)
        if others:
            skipped[name] = f"{sum(by_type.values()) - count} of its messages are {', '.join(other for other, _ in others)}"
    return topics, skipped


def _reason_to_skip(channel: Channel) -> str:
    if channel.encoding != "cdr":
        return f"its messages are {cut(channel.encoding) or 'of no known encoding'}, expected cdr"
    if channel.type.count("/") != 2 or "/msg/" not in channel.type:
        what = "service events" if channel.type.endswith("_Event") else "no messages"
        return f"it holds {what} ({cut(channel.type) or 'without a type'})"
    return ""

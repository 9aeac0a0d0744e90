# SPDX-License-Identifier: Apache-2.0
"""A bag's depth camera beside its camera: which topics it is on, and each image's measurement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_perception.bags import CAMERA_INFO, COMPRESSED_IMAGE, Bag, BagError, BagMessage, Topic
from mtl_perception.bags.cameras import camera_info_beside
from mtl_perception.bags.depth import depth_topics, find_depth, frame_of
from mtl_perception.bags.transforms import BagTransforms
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.image_messages import ConversionError, InputSettings
from mtl_perception.core.transforms import TransformError
from mtl_perception.ros.cdr import read_stamp
from mtl_perception.ros.node.measured_depth import MeasuredDepth
from mtl_perception.ros.node.nearest import NearestByStamp
from mtl_perception.ros.replay.frame import calibrated, header_of
from mtl_perception.ros.transforms import Place

NONE = "none"
"""Instead of a topic: the depth camera is left out."""

_TRIED = 5
"""Measurements of which one must fit; more are not waited for."""
_AHEAD_NS = 1_000_000_000
"""A measurement that was recorded later than this after its image is not found."""


@dataclass(frozen=True)
class DepthTopics:
    """Topics of a depth camera: its images, and its camera_info where the bag has one beside them."""

    image: Topic
    camera_info: Topic | None

    @property
    def is_compressed(self) -> bool:
        return self.image.type == COMPRESSED_IMAGE


def choose_depth(bag: Bag, image: Topic, source: str, wanted: str | None = None) -> DepthTopics | None:
    """The depth camera that belongs to ``image``.

    Args:
        source: the node's ``depth.source``.
        wanted: a topic, or ``NONE``; those that are registered to ``image`` where None.

    Returns:
        None where depth is the network's alone, or ``wanted`` is ``NONE``.

    Raises:
        BagError: no topic, or more than one, can be meant; or ``wanted`` is no depth, or not used.
    """
    if wanted == NONE:
        return None
    if source == "network":
        if wanted is not None:
            raise BagError(
                f"depth.source is network, so {wanted} would not be used: add --depth-source fused or camera, or set it in --params-file"
            )
        return None
    topic = find_depth(bag, image, wanted)
    if topic is None:
        others = "".join(
            f"; {one.name} is in the frame {frame!r}: --depth {one.name} registers it by its camera_info and TF"
            for one, frame in depth_topics(bag).items()
        )
        raise BagError(
            f"depth.source is {source}, and bag {bag.path} holds no depth in the frame {frame_of(bag, image)!r} of {image.name}: expected images "
            f"of 16UC1 or 32FC1, or compressedDepth{others or ', and there is no depth at all'}; --depth none replays without"
        )
    info = bag.topics.get(camera_info_beside(topic.name))
    return DepthTopics(topic, info if info is not None and info.type == CAMERA_INFO and info.count else None)


def require_depth(bag: Bag, image: Topic, camera_info: Topic | None, topics: DepthTopics, parameters: Mapping[str, Any]) -> None:
    """Find an image whose measurement can be used.

    Raises:
        BagError: none of the first, or none at all was measured at the time of an image; the text says what does not fit.
    """
    depth, transforms = BagDepthCamera(bag, topics, parameters), BagTransforms(bag, lambda text: None)
    for frame in bag.frames(image, camera_info, InputSettings.of(parameters), rectified=parameters["rectified"]):
        if frame.image_rgb is None:
            continue
        image_rgb, intrinsics = calibrated(frame, parameters, lambda text: None)
        transforms.advance(frame.time_ns)
        place = Place(header_of(frame.message), {**parameters, "transform_timeout": 0.0}, transforms.buffer)
        if depth.at(frame.stamp_ns, frame.time_ns, place, image_rgb, intrinsics) is not None:
            return
        if depth.misfits >= _TRIED:
            break
    if not depth.images:  # the camera's fault, which the replay tells
        return
    problems = "; ".join(depth.warnings())
    raise BagError(
        f"bag {bag.path}: {topics.image.name} does not fit {image.name}: {problems}. Choose another with --depth TOPIC, or --depth none"
    )


class DepthStream:
    """Messages of a depth camera in step with the images beside it.

    Args:
        bag: an open bag.
        topics: of the depth camera.
        tolerance_s: by which stamps of an image and its depth may differ.

    Attributes:
        topics: the same.
        tolerance_ns: in nanoseconds.
    """

    def __init__(self, bag: Bag, topics: DepthTopics, tolerance_s: float) -> None:
        names = [topic.name for topic in (topics.image, topics.camera_info) if topic is not None]
        self.topics = topics
        self._bag, self.tolerance_ns = bag, round(tolerance_s * 1e9)
        self._messages = bag.messages(*names)
        self._next: BagMessage | None = next(self._messages, None)
        self._image_ns = self._depth_ns = 0

    def first_info(self) -> BagMessage | None:
        """The calibration that also holds for the images before it."""
        info = self.topics.camera_info
        return None if info is None else next(self._bag.messages(info.name))

    def until(self, stamp_ns: int, time_ns: int) -> Iterator[BagMessage]:
        """Yields the rest of the messages up to the first depth image that is too late for an image of this stamp, recorded at ``time_ns``.

        So whoever got them knows the image's measurement, or that there is none, whichever was recorded first.
        """
        if stamp_ns < self._image_ns:  # the recording begins again
            self._depth_ns = 0
        self._image_ns = stamp_ns
        while self._next is not None and self._depth_ns <= stamp_ns + self.tolerance_ns and self._next.time_ns <= time_ns + _AHEAD_NS:
            message, self._next = self._next, next(self._messages, None)
            if message.topic == self.topics.image.name:
                try:
                    self._depth_ns = read_stamp(message.data).nanoseconds
                except ConversionError:
                    continue
            yield message


class BagDepthCamera:
    """The node's ``DepthCamera``, without time: every measurement that is in the bag has come.

    Args:
        parameters: the node's.

    Attributes:
        images: that were asked for.
        misfits: those whose measurement can't be used, for another reason than its time.
    """

    def __init__(self, bag: Bag, topics: DepthTopics, parameters: Mapping[str, Any]) -> None:
        info_topic = camera_info_beside(topics.image.name)
        self._stream = DepthStream(bag, topics, parameters["depth.tolerance"])
        self._messages: NearestByStamp[bytes] = NearestByStamp(round(parameters["depth.tolerance"] * 1e9))
        self._measured = MeasuredDepth(is_compressed=topics.is_compressed, max_pixels=parameters["input.max_pixels"], info_topic=info_topic)
        self._problems: Counter[str] = Counter()
        self.images = self.misfits = 0
        if (info := self._stream.first_info()) is not None:
            self._take_info(info)

    def at(self, stamp_ns: int, time_ns: int, place: Place, image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> np.ndarray | None:
        """(H, W) float32 metres, 0 or NaN where unknown, of an image of this stamp that was recorded at ``time_ns``; None where there is none."""
        self._messages.hold(stamp_ns)
        for message in self._stream.until(stamp_ns, time_ns):
            if message.topic == self._stream.topics.image.name:
                self._messages.put(read_stamp(message.data).nanoseconds, message.data)
            else:
                self._take_info(message)
        self.images += 1
        serialised = self._messages.at(stamp_ns)
        if serialised is None:
            self._problems[f"no depth image within {self._messages.tolerance_s:g} s (depth.tolerance)"] += 1
            return None
        try:
            return self._measured.of_image(serialised, place, image_rgb, intrinsics)
        except (ConversionError, TransformError) as error:
            self._problems[str(error)] += 1
            self.misfits += 1
            return None

    def warnings(self) -> Iterator[str]:
        """Why images were answered without a measurement, the most frequent first; and a doubt about the others."""
        topic = self._stream.topics.image.name
        for problem, count in self._problems.most_common():
            yield f"{topic}: {count} of {self.images} images have the network's depth alone: {problem}"
        if self._measured.doubt:
            yield f"{topic}: {self._measured.doubt}"

    def _take_info(self, message: BagMessage) -> None:
        try:
            self._measured.take_info(message.data)
        except ConversionError as error:
            self._problems[f"{message.topic}: {error}"] += 1

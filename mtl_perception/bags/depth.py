# SPDX-License-Identifier: Apache-2.0
"""A depth sensor that was recorded beside a camera, registered to it."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np

from mtl_perception.bags.bag import GROUND_TRUTH, Bag, BagMessage, Topic, stamp_ns
from mtl_perception.bags.cameras import is_depth_stream
from mtl_perception.bags.error import BagError
from mtl_perception.bags.types import COMPRESSED_IMAGE, IMAGE, VIDEO
from mtl_perception.bags.video import packet_of
from mtl_perception.core.compressed_depth import decode_compressed_depth
from mtl_perception.core.image_messages import ConversionError, depth_to_metres

DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")
_COMPRESSED_DEPTH = "/compressedDepth"


def find_depth(bag: Bag, image: Topic, wanted: str | None = None) -> Topic | None:
    """The depth images that are registered to ``image``: ``wanted``, or those in the camera's frame; None where there are none.

    Of several in that frame, images of the camera's shape go before others, those of its size before smaller ones, and raw images before
    their own ``compressedDepth``.

    Raises:
        BagError: ``wanted`` is missing, empty or no depth; or several can be meant.
    """
    depths = depth_topics(bag)
    if wanted is not None:
        topic = bag.topic(wanted)
        if topic not in depths:
            raise BagError(f"bag {bag.path}: {wanted} holds no depth ({topic.type}), expected images of 16UC1 or 32FC1, or compressedDepth")
        return topic
    frame_id = frame_of(bag, image)
    found = [topic for topic, frame in depths.items() if frame == frame_id and topic.name != image.name]
    if len(found) > 1:
        names = {topic.name for topic in found}
        found = [one for one in found if one.name.removesuffix(_COMPRESSED_DEPTH) not in names - {one.name}]
    if len(found) > 1 and (size := _size_of_images(bag, image)) is not None:
        ranks = {topic: _rank(_size_of_depth(bag, topic), size) for topic in found}
        found = [topic for topic, rank in ranks.items() if rank == min(ranks.values())]
    if len(found) > 1:
        names = ", ".join(topic.name for topic in found)
        raise BagError(
            f"bag {bag.path} has several depth topics: choose one out of {names} (replay: --depth TOPIC; import: --set depth=TOPIC)"
        )
    return found[0] if found else None


def depth_topics(bag: Bag) -> dict[Topic, str]:
    """Every topic of measured depth, with the frame of its first message."""
    frames = {}
    for topic in bag.topics.values():
        if topic.type not in (IMAGE, COMPRESSED_IMAGE) or not topic.count or topic.name.startswith(GROUND_TRUTH):
            continue
        message = _first(bag, topic)
        if message.encoding in DEPTH_ENCODINGS if topic.type == IMAGE else is_depth_stream(message):
            frames[topic] = message.header.frame_id
    return frames


def frame_of(bag: Bag, image: Topic) -> str:
    """The frame of a camera's first image, or of its first packet of video."""
    first = _first(bag, image)
    return (packet_of(first, image.type) if image.type in VIDEO else first).header.frame_id


def _size_of_images(bag: Bag, image: Topic) -> tuple[int, int] | None:
    """(H, W) of the first that can be decoded."""
    return next((frame.image_rgb.shape[:2] for frame in bag.frames(image, None) if frame.image_rgb is not None), None)


def _size_of_depth(bag: Bag, topic: Topic) -> tuple[int, int] | None:
    try:
        height, width = measured_metres(_first(bag, topic)).shape
    except ConversionError:
        return None
    return height, width


def _rank(size: tuple[int, int] | None, wanted: tuple[int, int]) -> int:
    """0 for the wanted size, 1 for its shape, 2 for another one."""
    if size is None or abs(size[0] * wanted[1] - size[1] * wanted[0]) > max(wanted):
        return 2
    return int(size != wanted)


def measured_metres(message: Any) -> np.ndarray:
    """(H, W) float32 metres, 0 or NaN where unknown, of a deserialised Image or ``compressedDepth`` CompressedImage.

    Raises:
        ConversionError: it holds no depth.
    """
    if hasattr(message, "encoding"):
        return depth_to_metres(message)
    return decode_compressed_depth(message.format, message.data)


class BagDepth:
    """The depth images of one topic by stamp. Kept as they are in the bag and decoded when asked for.

    Args:
        bag: an open bag.
        topic: of ``find_depth``.
        tolerance_s: that a camera's image and its depth may be apart.
    """

    def __init__(self, bag: Bag, topic: Topic, tolerance_s: float = 0.02) -> None:
        self._bag, self._tolerance_ns = bag, round(tolerance_s * 1e9)
        known: dict[int, BagMessage] = {stamp_ns(bag.deserialize(message)): message for message in bag.messages(topic.name)}
        self._stamps_ns = sorted(known)
        self._messages = known

    def at(self, stamp: int) -> np.ndarray | None:
        """Returns the depth nearest to this stamp (nanoseconds), as ``measured_metres``; None where none is near enough."""
        place = bisect_left(self._stamps_ns, stamp)
        near = self._stamps_ns[max(0, place - 1) : place + 1]
        best = min(near, key=lambda other: abs(other - stamp), default=None)
        if best is None or abs(best - stamp) > self._tolerance_ns:
            return None
        return measured_metres(self._bag.deserialize(self._messages[best]))


def _first(bag: Bag, topic: Topic) -> Any:
    return bag.deserialize(next(bag.messages(topic.name)))

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
from mtl_perception.core.image_messages import depth_to_metres

DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")


def find_depth(bag: Bag, image: Topic, wanted: str | None = None) -> Topic | None:
    """The depth images that are registered to ``image``: ``wanted``, or the only ones in the camera's frame; None where there are none.

    Raises:
        BagError: ``wanted`` is missing, or several can be meant.
    """
    if wanted is not None:
        if wanted not in bag.topics:
            raise BagError(f"bag {bag.path} has no topic {wanted}; it has {', '.join(sorted(bag.topics))}")
        return bag.topics[wanted]
    first = _first(bag, image)
    frame_id = (packet_of(first, image.type) if image.type in VIDEO else first).header.frame_id
    found = []
    for topic in bag.topics.values():
        if (
            topic.type not in (IMAGE, COMPRESSED_IMAGE)
            or not topic.count
            or topic.name == image.name
            or topic.name.startswith(GROUND_TRUTH)
        ):
            continue
        message = _first(bag, topic)
        is_depth = message.encoding in DEPTH_ENCODINGS if topic.type == IMAGE else is_depth_stream(message)
        if is_depth and message.header.frame_id == frame_id:
            found.append(topic)
    if len(found) > 1:
        names = ", ".join(topic.name for topic in found)
        raise BagError(f"bag {bag.path} has several depth topics: choose one out of {names} (import: --set depth=TOPIC)")
    return found[0] if found else None


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

# SPDX-License-Identifier: Apache-2.0
"""The /tf and /tf_static of a bag, without ROS."""

from __future__ import annotations

from collections.abc import Callable

from mtl_perception.bags import Bag, BagMessage
from mtl_perception.transforms import TransformBuffer

_AHEAD_NS = 1_000_000_000


class BagTransforms:
    """What a node would know of the bag's frames a second after a message was recorded.

    Args:
        bag: an open bag, with or without transforms.
        warn: is told of what is no transform.

    Attributes:
        buffer: ask it for a transform at an image's stamp, after ``advance`` to when the image was recorded.
    """

    def __init__(self, bag: Bag, warn: Callable[[str], None]) -> None:
        self.buffer = TransformBuffer()
        self._bag, self._warn = bag, warn
        for message in bag.messages("/tf_static") if "/tf_static" in bag.topics else ():
            self._put(message, is_static=True)
        self._moving = bag.messages("/tf") if "/tf" in bag.topics else iter(())
        self._next = next(self._moving, None)

    def advance(self, time_ns: int) -> None:
        """Read on to what was recorded up to a second after this."""
        while self._next is not None and self._next.time_ns <= time_ns + _AHEAD_NS:
            self._put(self._next, is_static=False)
            self._next = next(self._moving, None)

    def _put(self, message: BagMessage, *, is_static: bool) -> None:
        try:
            self.buffer.put_message(self._bag.deserialize(message), is_static=is_static)
        except ValueError as error:
            self._warn(f"{message.topic}: {error}")

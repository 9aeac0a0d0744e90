# SPDX-License-Identifier: Apache-2.0
"""The /tf and /tf_static of a bag, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mtl_perception.bags import TRANSFORMS, Bag, BagError, BagMessage
from mtl_perception.core.transforms import TF, TF_STATIC, TransformBuffer

_AHEAD_NS = 1_000_000_000


class BagTransforms:
    """Transforms as a node would know them of the bag's frames a second after a message was recorded.

    Args:
        bag: an open bag, with or without transforms.
        warn: is told of what is no transform.

    Attributes:
        buffer: ask it for a transform at an image's stamp, after ``advance`` to when the image was recorded.
    """

    def __init__(self, bag: Bag, warn: Callable[[str], None]) -> None:
        self.buffer = TransformBuffer()
        self._bag, self._warn = bag, warn
        for message in transforms_of(bag, TF_STATIC, warn):
            self._put(message, is_static=True)
        self._moving = transforms_of(bag, TF, warn)
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


def transforms_of(bag: Bag, topic: str, warn: Callable[[str], None]) -> Iterator[BagMessage]:
    """Messages of /tf or /tf_static; none where the topic is missing, or holds something else, which ``warn`` is told."""
    try:
        found = bag.find(topic, TRANSFORMS)
    except BagError as error:
        warn(str(error))
        found = None
    return bag.messages(topic) if found is not None else iter(())

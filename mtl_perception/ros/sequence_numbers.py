# SPDX-License-Identifier: Apache-2.0
"""Lost messages of a topic, found by the sequence numbers that its publisher gives them.

DDS has an event for them, MESSAGE_LOST, but reading it can deadlock in rmw_fastrtps and so stop every callback of the node
(https://github.com/ros2/rmw_fastrtps/pull/890, merged in June 2026): nothing here asks for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

_CERTAIN_AFTER = 10
"""Messages without a step backwards, after which they and what is missing among them count: two publishers of a topic take turns sooner."""


class SequenceNumbers:
    """Follows the sequence numbers of one subscription."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._lost, self._received = 0, 0  # since the last step backwards, not certain yet
        self._certain = (0, 0)

    def follows(self, number: int | None) -> bool:
        """Take note of the next message's number. Returns whether none is missing before it.

        Args:
            number: None where the middleware has no such numbers; then nothing is ever missing.
        """
        last, self._last = self._last, number
        if last is None or number is None:
            return True
        step = number - last
        if step <= 0:
            self._lost, self._received = 0, 0
            return False
        self._lost += step - 1
        self._received += 1
        if self._received == _CERTAIN_AFTER:
            self._certain = (self._certain[0] + self._lost, self._certain[1] + self._received)
            self._lost, self._received = 0, 0
        return step == 1

    def take_certain(self) -> tuple[int, int]:
        """Messages that were lost and received since the last call, as far as they are certain.

        Lost are also those that newer ones replaced in the queue. Those of a topic with several publishers, which number their
        messages independently, are not counted.
        """
        certain, self._certain = self._certain, (0, 0)
        return certain


class WithInfo:
    """A subscription's callback that gets the message and its ``MessageInfo``, whichever executor calls it.

    rclpy sees by the signature that both are wanted. Its EventsExecutor then passes them as one tuple, the other executors as two
    arguments.
    """

    __signature__ = inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in ("message", "info")])

    def __init__(self, callback: Callable[[Any, Mapping[str, Any]], None]) -> None:
        self._callback = callback

    def __call__(self, *arguments: Any) -> None:
        message, info = arguments if len(arguments) == 2 else arguments[0]
        self._callback(message, info)


def number_of(info: Mapping[str, Any]) -> int | None:
    """The number that a message's publisher gave it; None where the middleware has none."""
    return info.get("publication_sequence_number")

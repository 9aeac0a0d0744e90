# SPDX-License-Identifier: Apache-2.0
"""Which messages of a topic never came, by the numbers that its publisher gives them.

DDS has an event for it, MESSAGE_LOST. rmw_fastrtps before July 2026 may stand still for good while it is read
(https://github.com/ros2/rmw_fastrtps/pull/890), and every callback of the node with it, so nothing here asks for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

_CERTAIN_AFTER = 10
"""Messages without a step backwards, after which what is missing among them counts: two publishers of a topic take turns sooner."""


class Sequence:
    """Follows the sequence numbers of one subscription.

    Attributes:
        lost: messages that were sent and not received: they got lost, or newer ones replaced them in the queue. Those of a topic with
            several publishers, which number their messages independently, are not counted.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._last: int | None = None
        self._missing, self._forward = 0, 0

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
            self._missing, self._forward = 0, 0
            return False
        self._missing += step - 1
        self._forward += 1
        if self._forward == _CERTAIN_AFTER:
            self.lost += self._missing
            self._missing, self._forward = 0, 0
        return step == 1


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

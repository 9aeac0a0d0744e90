# SPDX-License-Identifier: Apache-2.0
"""The newest messages of another sensor, by stamp."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 8
"""Messages that are kept: an image waits for the network longer than a measurement for the middleware."""


class NearestByStamp(Generic[T]):
    """The newest messages of one topic. Callbacks and the worker may use it from different threads.

    Args:
        tolerance_ns: largest difference between a message's stamp and the requested one.
        wait_s: longest wait for a late message.

    Attributes:
        received: messages so far.
        tolerance_s: ``tolerance_ns`` in seconds.
    """

    def __init__(self, tolerance_ns: int, wait_s: float = 0.0) -> None:
        self._tolerance_ns, self._wait_s = tolerance_ns, wait_s
        self._messages: OrderedDict[int, T] = OrderedDict()
        self._arrived = threading.Condition()
        self.received = 0

    @property
    def tolerance_s(self) -> float:
        return self._tolerance_ns * 1e-9

    def put(self, stamp_ns: int, message: T) -> None:
        """Keep ``message`` among the newest; it replaces one of the same stamp."""
        with self._arrived:
            self.received += 1
            self._messages[stamp_ns] = message
            self._messages.move_to_end(stamp_ns)
            while len(self._messages) > KEPT:
                self._messages.popitem(last=False)
            self._arrived.notify_all()

    def at(self, stamp_ns: int) -> T | None:
        """The message with the nearest stamp; None if none within the tolerance arrives in time."""
        end_s = time.monotonic() + self._wait_s
        with self._arrived:
            while True:
                nearest = min(self._messages, key=lambda one: abs(one - stamp_ns), default=None)
                if nearest is not None and abs(nearest - stamp_ns) <= self._tolerance_ns:
                    return self._messages[nearest]
                left_s = end_s - time.monotonic()
                if left_s <= 0 or (
                    nearest is not None and max(self._messages) > stamp_ns + self._tolerance_ns
                ):  # newer ones came: it was lost
                    return None
                self._arrived.wait(left_s)

# SPDX-License-Identifier: Apache-2.0
"""The newest messages of other sensors, by the time at which they measured."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 8
"""Messages that wait for their image: it takes longer through the network than a sensor's through the middleware."""


class NearestByStamp(Generic[T]):
    """The newest messages of one topic. Callbacks and the worker may use it from different threads.

    Args:
        tolerance_ns: by which a message's stamp may differ from the one that is asked for.
        wait_s: how long to wait for a message that is on its way.

    Attributes:
        received: messages so far.
        tolerance_s: as above.
    """

    def __init__(self, tolerance_ns: int, wait_s: float = 0.0) -> None:
        self._tolerance_ns, self._wait_s = tolerance_ns, wait_s
        self._messages: OrderedDict[int, T] = OrderedDict()
        self._arrived = threading.Condition()
        self._held_ns: int | None = None
        self.received = 0

    @property
    def tolerance_s(self) -> float:
        return self._tolerance_ns * 1e-9

    def hold(self, stamp_ns: int) -> None:
        """Keep messages within the tolerance of this stamp, however many come after them, until another stamp is held."""
        with self._arrived:
            self._held_ns = stamp_ns

    def put(self, stamp_ns: int, message: T) -> None:
        """Keep ``message`` for as long as few came after it, or it is held; one of the same stamp takes its place."""
        with self._arrived:
            self.received += 1
            self._messages[stamp_ns] = message
            self._messages.move_to_end(stamp_ns)
            while (
                len(self._messages) > KEPT and (oldest := next((one for one in self._messages if not self._is_held(one)), None)) is not None
            ):
                del self._messages[oldest]
            self._arrived.notify_all()

    def at(self, stamp_ns: int) -> T | None:
        """Returns the message whose stamp is nearest; None if it is farther than the tolerance, and none such came while this waited."""
        end_s = time.monotonic() + self._wait_s
        with self._arrived:
            while True:
                nearest = min(self._messages, key=lambda one: abs(one - stamp_ns), default=None)
                if nearest is not None and abs(nearest - stamp_ns) <= self._tolerance_ns:
                    return self._messages[nearest]
                left_s = end_s - time.monotonic()
                if left_s <= 0 or (nearest is not None and max(self._messages) > stamp_ns + self._tolerance_ns):  # it went by
                    return None
                self._arrived.wait(left_s)

    def _is_held(self, stamp_ns: int) -> bool:
        return self._held_ns is not None and abs(stamp_ns - self._held_ns) <= self._tolerance_ns

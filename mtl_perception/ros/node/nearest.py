# SPDX-License-Identifier: Apache-2.0
"""The newest messages of other sensors, by the time at which they measured."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 8
"""Messages that wait for their image: it takes longer through the network than a sensor's through the middleware."""

_SILENT_S = 1.0


class NearestByStamp(Generic[T]):
    """The newest messages of one topic. Callbacks and the worker may use it from different threads.

    Args:
        tolerance_ns: by which a message's stamp may differ from the one that is asked for.
        wait_s: how long to wait for a message that is on its way; of a silent topic, at most once a second, so that a dead sensor does
            not hold up the cameras.

    Attributes:
        received: messages so far.
        tolerance_s: as above.
    """

    def __init__(self, tolerance_ns: int, wait_s: float = 0.0) -> None:
        self._tolerance_ns, self._wait_s = tolerance_ns, wait_s
        self._messages: OrderedDict[int, T] = OrderedDict()
        self._arrived = threading.Condition()
        self._held_ns: int | None = None
        self._heard_s = self._waited_in_vain_s = -math.inf
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
            self._heard_s = time.monotonic()
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
                newest = next(reversed(self._messages), None)  # by arrival: time may have begun anew
                now_s = time.monotonic()
                if (newest is not None and newest > stamp_ns + self._tolerance_ns) or self._is_dead(now_s):  # it went by, or won't come
                    return None
                if now_s >= end_s:
                    self._waited_in_vain_s = now_s
                    return None
                self._arrived.wait(end_s - now_s)

    def _is_dead(self, now_s: float) -> bool:
        return now_s - self._heard_s > _SILENT_S and now_s - self._waited_in_vain_s < _SILENT_S

    def _is_held(self, stamp_ns: int) -> bool:
        return self._held_ns is not None and abs(stamp_ns - self._held_ns) <= self._tolerance_ns

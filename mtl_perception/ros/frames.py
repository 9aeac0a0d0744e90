# SPDX-License-Identifier: Apache-2.0
"""The newest frame, how old it is, and what became of the others."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue


@dataclass(frozen=True)
class Frame:
    """A serialised image message and when it arrived (``time.monotonic()``)."""

    serialised: bytes
    received_s: float


class NewestFrame:
    """One slot between the camera's callback and the worker: a newer frame replaces one that still waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frame: Frame | None = None
        self._closed = False
        self._wake: SimpleQueue[None] = (
            SimpleQueue()
        )  # one entry for every frame that did not replace another

    def put(self, frame: Frame) -> bool:
        """Leave a frame for the worker. True if it replaced another."""
        with self._lock:
            replaced = self._frame is not None
            self._frame = frame
        if not replaced:
            self._wake.put(None)
        return replaced

    def take(self) -> Frame | None:
        """Wait for a frame; None once the slot is closed."""
        self._wake.get()
        with self._lock:
            frame, self._frame = self._frame, None
            return None if self._closed else frame

    def close(self) -> None:
        """Let the worker go; a waiting frame is forgotten."""
        self._closed = True
        self._wake.put(None)


@dataclass
class FrameCounts:
    """What became of the frames since the node was configured."""

    received: int = 0
    processed: int = 0
    dropped: int = 0
    """Replaced by a newer frame before they were processed."""
    rejected: int = 0
    """Bad input."""
    expired: int = 0
    """Older than max_frame_age."""
    failed: int = 0
    """The network raised an exception."""
    unneeded: int = 0
    """Nobody subscribed to a result."""
    lost: int = 0
    """Published by the camera but never arrived."""


class FrameAge:
    """How old frames are, by the clock that stamps them.

    A bag that starts over, or a clock that has not been set, gives stamps from which no age follows. Such frames
    are taken as fresh: discarding them would silence the node.
    """

    def __init__(self) -> None:
        self._previous_ns = 0

    def measure_s(self, stamp_ns: int, now_ns: int) -> float | None:
        """Seconds from the frame's stamp to now; None when the stamp is zero or went back."""
        previous_ns, self._previous_ns = self._previous_ns, stamp_ns
        if stamp_ns == 0 or stamp_ns < previous_ns:
            return None
        return (now_ns - stamp_ns) * 1e-9


class Stopwatch:
    """How long each stage took, in seconds; a stage that comes several times adds up."""

    def __init__(self, started_s: float) -> None:
        self._last_s = started_s
        self.stage_s: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now_s = time.monotonic()
        self.stage_s[stage] = self.stage_s.get(stage, 0.0) + now_s - self._last_s
        self._last_s = now_s

    def take_over(self, stage_s: dict[str, float]) -> None:
        """Stages that somebody else timed since the last lap."""
        self.stage_s.update(stage_s)
        self._last_s = time.monotonic()

# SPDX-License-Identifier: Apache-2.0
"""Slots for the newest frame of each camera, counts of frames, their age and processing times."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

_WINDOW_S = 5.0


@dataclass(frozen=True)
class Frame:
    """A serialised image message and when it arrived (``time.monotonic()``).

    Attributes:
        picture: of video, whose packets are decoded on arrival: the decoded image, or the error of one that can't be decoded.
    """

    serialised: bytes
    received_s: float
    picture: Any = None


class NewestFrames:
    """One slot per camera between the callbacks and the worker: a newer frame replaces a waiting one and keeps its place in the queue.

    The camera that has waited longest is served first and then queues behind the others: however fast one camera
    is, each of the others has its turn before that one's next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Frame] = {}  # in the order in which the slots were filled
        self._closed = False
        self._wake: SimpleQueue[None] = SimpleQueue()  # an entry for every frame that did not replace another

    def put(self, camera: str, frame: Frame) -> bool:
        """Put a frame into the camera's slot. True if it replaced another."""
        with self._lock:
            replaced = camera in self._waiting
            self._waiting[camera] = frame
        if not replaced:
            self._wake.put(None)
        return replaced

    def take(self, most: int = 1) -> list[tuple[str, Frame]]:
        """Wait for a frame, and take the waiting ones of up to ``most`` cameras; empty after ``close``."""
        while True:
            self._wake.get()
            with self._lock:
                if self._closed:
                    return []
                first = list(self._waiting)[:most]
                if first:  # an earlier call may have taken this frame along
                    return [(camera, self._waiting.pop(camera)) for camera in first]

    def close(self) -> None:
        """Unblock the worker and discard waiting frames."""
        self._closed = True
        self._wake.put(None)


@dataclass
class FrameCounts:
    """Counts of the frames since the node was configured: processed, dropped, rejected."""

    received: int = 0
    processed: int = 0
    dropped: int = 0
    """Replaced by a newer frame before they were processed."""
    rejected: int = 0
    """Bad input."""
    damaged: int = 0
    """Damaged JPEGs that were used, see input.corrupt_jpeg."""
    undecodable: int = 0
    """Video packets that depend on one that was not received."""
    expired: int = 0
    """Older than max_frame_age."""
    failed: int = 0
    """The network raised an exception."""
    unneeded: int = 0
    """Nobody subscribed to a result."""
    lost: int = 0
    """Published by the camera but never arrived."""
    followed: int = 0
    """Received, of those among which ``lost`` are missing: some messages fewer than ``received``."""


@dataclass(frozen=True)
class Change:
    """Increase of the counts in ``period_s`` seconds."""

    period_s: float
    counts: FrameCounts


class Recent:
    """Changes of the counts over the last five seconds, long enough for a problem to be read in diagnostics."""

    def __init__(self) -> None:
        self._snapshots: deque[tuple[float, FrameCounts]] = deque()

    def change(self, counts: FrameCounts) -> Change:
        """The change since the oldest snapshot of the window; takes the next snapshot."""
        now_s = time.monotonic()
        self._snapshots.append((now_s, dataclasses.replace(counts)))
        while now_s - self._snapshots[0][0] > _WINDOW_S:
            self._snapshots.popleft()
        then_s, before = self._snapshots[0]
        names = (field.name for field in dataclasses.fields(FrameCounts))
        return Change(
            now_s - then_s,
            FrameCounts(**{name: getattr(counts, name) - getattr(before, name) for name in names}),
        )


class FrameAge:
    """Age of frames by the clock of their stamps.

    With a bag that loops, or a clock that was not set, stamps give no age. Such frames count as fresh: discarding
    them would silence the node.
    """

    def __init__(self) -> None:
        self._previous_ns = 0

    def measure_s(self, stamp_ns: int, now_ns: int) -> float | None:
        """Seconds from the frame's stamp to now; None if the stamp is zero or earlier than the last one."""
        previous_ns, self._previous_ns = self._previous_ns, stamp_ns
        if stamp_ns == 0 or stamp_ns < previous_ns:
            return None
        return (now_ns - stamp_ns) * 1e-9


class Stopwatch:
    """Time of each stage, seconds; a stage that occurs several times is summed."""

    def __init__(self, started_s: float) -> None:
        self._last_s = started_s
        self.stage_s: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now_s = time.monotonic()
        self.stage_s[stage] = self.stage_s.get(stage, 0.0) + now_s - self._last_s
        self._last_s = now_s

    def take_over(self, stage_s: dict[str, float]) -> None:
        """Add stages that were timed elsewhere since the last lap."""
        self.stage_s.update(stage_s)
        self._last_s = time.monotonic()

# SPDX-License-Identifier: Apache-2.0
"""Ending a run on request, between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether somebody has asked the run to end."""

    def __init__(self) -> None:
        self.requested = False

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Notes Ctrl-C and SIGTERM instead of ending at once, also where the process inherited SIGINT as ignored, as those that
    a shell starts in the background do. Outside the main thread, where Python can't, signals stay as they are."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption._request) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt as Ctrl-C does: for a process that has to end others before itself."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def ignore_interruption() -> None:
    """For helper processes: the terminal sends Ctrl-C to them too, and the one that started them ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

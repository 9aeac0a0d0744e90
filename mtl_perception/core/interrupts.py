# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM, from the first moment of a process to its last.

Python raises KeyboardInterrupt wherever it happens to be. Inside an import, libraries make other errors of it, or a line of "Exception
ignored"; before and after what a program can catch, it is a trace. Imports nothing but the standard library, to be there first.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STATUS = 130
"""Of a process that was interrupted, by either signal."""

_LATER_S = 0.02


def end_at_once() -> None:
    """From now on either signal ends the process with one line: for when nothing is at stake, as while its modules load. Also
    where the process was started in the background of a script, which leaves SIGINT ignored."""
    for number in SIGNALS:
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(STATUS)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], numbers: tuple[signal.Signals, ...] = SIGNALS) -> Iterator[None]:
    """Inside, these signals go to ``handler``. Outside the main thread, where Python can't, they stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def raised(is_start: Callable[[FrameType], bool] = lambda frame: False) -> Iterator[None]:
    """Inside, either signal raises KeyboardInterrupt, but not within an import or a finaliser: there it waits for their end. Outside
    the main thread signals stay as they are.

    Args:
        is_start: tells of the code that imports something whether it does nothing else before; then the process ends at once.
    """
    waiting = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal waiting
        importer, is_busy = _importer(frame)
        if importer is not None and is_start(importer):
            _end(number, frame)
        waiting = is_busy
        if not is_busy:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, _LATER_S)

    with _handled(interrupt, (*SIGNALS, signal.SIGALRM)):
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    if waiting:
        raise KeyboardInterrupt


@contextmanager
def interruptions() -> Iterator[None]:
    """An error that Ctrl-C led to leaves as KeyboardInterrupt.

    A pybind11 module (rclpy's, OpenVINO's) that is interrupted while it is loaded makes it an ImportError "initialization
    failed", and who expects a package to be missing would go on without it.
    """
    try:
        yield
    except Exception as error:
        before: BaseException | None = error
        while before is not None and not isinstance(before, KeyboardInterrupt):
            before = before.__cause__ or before.__context__
        if before is not None:
            raise KeyboardInterrupt from error
        raise


def _importer(frame: FrameType | None) -> tuple[FrameType | None, bool]:
    """The code behind the outermost import that is going on, and whether one is, or a finaliser."""
    importer, is_busy = None, False
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            importer, is_busy = frame.f_back, True
        is_busy = is_busy or frame.f_code.co_name == "__del__"
        frame = frame.f_back
    return importer, is_busy


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Processes that are started inside don't see Ctrl-C, which a terminal sends to them too, perhaps while they load modules: they
    end with the process that started them, or call ``heard`` once they are ready for it."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def heard() -> None:
    """In a process that was started under ``kept_from_children``: see Ctrl-C from now on, and one that came meanwhile."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def held_back() -> Iterator[None]:
    """SIGINT and SIGTERM that arrive inside take effect behind it. Python hands them to the main thread alone; in others this
    does nothing."""
    before_int, before_term = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    is_ours = before_int is not None and before_term is not None  # None is another library's, out of Python's sight
    if threading.current_thread() is not threading.main_thread() or not is_ours:
        yield
        return
    arrived: list[int] = []
    try:
        signal.signal(signal.SIGINT, lambda number, _: arrived.append(number))
        signal.signal(signal.SIGTERM, lambda number, _: arrived.append(number))
        yield
    finally:
        try:  # the second is put back too where the first is no sooner back than it arrives
            signal.signal(signal.SIGTERM, before_term)
        finally:
            signal.signal(signal.SIGINT, before_int)
        for number in arrived[:1]:
            signal.raise_signal(number)


class Interruption:
    """Whether somebody has asked the run to end."""

    def __init__(self) -> None:
        self.requested = False

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Notes Ctrl-C and SIGTERM instead of ending at once, also where the process inherited SIGINT as ignored, as those that
    a shell starts in the background do. Outside the main thread signals stay as they are."""
    interruption = Interruption()
    with _handled(interruption._request):
        yield interruption


def noted() -> Interruption:
    """As ``interruptible``, for the rest of the process: it says goodbye to others, and a second signal must not cut that short."""
    interruption = Interruption()
    for number in SIGNALS:
        signal.signal(number, interruption._request)
    return interruption


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt as Ctrl-C does: for a process that has to end others before itself."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt, (signal.SIGTERM,)):
        yield


def leave_to_parent() -> None:
    """For worker processes: the terminal sends Ctrl-C to them too, while the process that started them lets them finish what they
    are at, or ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def end_with_parent() -> None:
    """For worker processes: end when the process that started this one has ended, however early that was, instead of waiting for work for
    ever."""
    threading.Thread(target=_follow_parent, name="parent", daemon=True).start()


def _follow_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

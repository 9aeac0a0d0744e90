# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, where it must not cut a thing in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back() -> Iterator[None]:
    """SIGINT and SIGTERM that arrive inside take effect behind it. Python hands them to the main thread alone; in others this
    does nothing."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    is_ours = all(signal.getsignal(number) is not None for number in numbers)  # None is another library's, out of Python's sight
    if threading.current_thread() is not threading.main_thread() or not is_ours:
        yield
        return
    arrived: list[int] = []
    before = {number: signal.signal(number, lambda number, _: arrived.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in arrived[:1]:
            signal.raise_signal(number)

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

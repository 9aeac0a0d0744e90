# SPDX-License-Identifier: Apache-2.0
"""How much memory a call takes, seen in a process of its own."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from pathlib import Path


def peak_growth_mb(call: Callable[[], object]) -> float:
    """By how much the largest memory of a forked process grows in ``call``."""
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def run() -> None:
        gc.freeze()  # garbage of the parent may hold threads and devices that the child does not have
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew at what is held now
        before_kb = _peak_kb()
        call()
        sender.send(_peak_kb() - before_kb)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    assert process.exitcode == 0
    return receiver.recv() / 1024


def _peak_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

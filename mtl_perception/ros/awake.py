# SPDX-License-Identifier: Apache-2.0
"""Keeps processors awake while messages are timed.

A virtual machine that idles between two messages gives its processors back and gets them again late: a camera at 30 Hz
then loses a third of its frames on an idle machine and none on a busy one. What runs here takes only time that nothing
else wants (SCHED_IDLE).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mtl_perception.core.interrupts import kept_from_children

_SPIN = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile os.getppid() == {parent}: pass"


@contextmanager
def processors_awake() -> Iterator[None]:
    """One idle loop a processor, until the end or until this process is gone; nothing where the system has no such class."""
    count = (os.cpu_count() or 1) if hasattr(os, "SCHED_IDLE") else 0
    with kept_from_children():
        loops = [subprocess.Popen([sys.executable, "-c", _SPIN.format(parent=os.getpid())]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.terminate()
            loop.wait()

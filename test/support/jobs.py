# SPDX-License-Identifier: Apache-2.0
"""Jobs for worker processes, some of which end them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def squared(number: int) -> int:
    """Those that come first take longest."""
    time.sleep(0.02 * max(0, 5 - number))
    return number * number


def refused(number: int) -> int:
    if number == 3:
        raise ValueError(f"{number} is not wanted")
    return number


def killed_once(job: tuple[int, Path]) -> int:
    number, folder = job
    mark = folder / str(number)
    if number % 4 == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def killed(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def noted(job: tuple[int, Path]) -> int:
    """Leaves a file named for the process; slow enough to be interrupted."""
    (job[1] / str(os.getpid())).touch()
    time.sleep(0.5)
    return job[0]


def with_its_process(number: int) -> tuple[int, int]:
    return number, os.getpid()

# SPDX-License-Identifier: Apache-2.0
"""How long another process is waited for: a limit by the clock, which does not run out while it works."""

from __future__ import annotations

import os
import time
from pathlib import Path

_LEAST_WORK_S = 0.3
"""Of processor time within ``_WINDOW_S``: a node that waits takes a few per cent of it."""
_WINDOW_S = 4.0
_LONGEST = 10.0
"""Times the limit; nothing is waited for longer."""


class Patience:
    """Waiting for a process. On a busy machine a limit by the clock alone ends what would have come: one that still takes processor
    time gets up to ten times as long.

    Args:
        pid: of the process.
        limit_s: to wait for it while it does nothing; not less than four seconds.
    """

    def __init__(self, pid: int, limit_s: float) -> None:
        self._pid, self._limit_s = pid, max(limit_s, _WINDOW_S)
        self._began_s = time.monotonic()
        self._mark = self._began_s, _processor_time_s(pid)
        self._works = False

    def is_over(self) -> bool:
        """Whether the process has had its time. To be asked every few seconds at least."""
        now_s, spent_s = time.monotonic(), _processor_time_s(self._pid)
        began_s, before_s = self._mark
        if now_s - began_s >= _WINDOW_S:
            self._works = spent_s - before_s >= _LEAST_WORK_S
            self._mark = now_s, spent_s
        waited_s = now_s - self._began_s
        return waited_s > self._limit_s and (not self._works or waited_s > _LONGEST * self._limit_s)


def _processor_time_s(pid: int) -> float:
    """Seconds that a process has had of all processors; 0 where it can't be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

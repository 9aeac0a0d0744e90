# SPDX-License-Identifier: Apache-2.0
"""A limit for the memory of the process."""

from __future__ import annotations

import resource
from pathlib import Path

_STATUS = Path("/proc/self/status")
_GB = 10**9


class GrowthLimit:
    """Limits a process to its memory when ``set`` is called, plus some headroom.

    A service request of twelve bytes can claim to hold 4 billion strings, and the middleware allocates them before it
    reads on: any ROS process with services then takes all of the machine's memory. With a limit that allocation fails, and
    the request is dropped. Linux only; elsewhere there is no limit.
    """

    def __init__(self) -> None:
        self._before: tuple[int, int] | None = None

    def set(self, headroom_gb: float) -> None:
        """Set the limit; none for a headroom of 0. A lower limit that the process was started with is kept."""
        self.lift()
        if headroom_gb <= 0 or not _STATUS.exists():
            return
        self._before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = _data_bytes() + int(headroom_gb * _GB)
        resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *(one for one in (soft, hard) if one != resource.RLIM_INFINITY)]), hard))

    def lift(self) -> None:
        """Restore the limit that the process was started with, for example to load a network."""
        if self._before is not None:
            resource.setrlimit(resource.RLIMIT_DATA, self._before)
            self._before = None


def _data_bytes() -> int:
    """Private writable memory, touched or not, which RLIMIT_DATA counts."""
    fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(fields["VmData"].split()[0]) * 1024

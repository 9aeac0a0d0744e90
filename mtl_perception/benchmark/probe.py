# SPDX-License-Identifier: Apache-2.0
"""Peak memory of networks in a process of their own.

python -m mtl_perception.benchmark.probe REQUEST    # JSON in, one line of JSON out
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from mtl_perception.benchmark.networks import EngineSpec, OurEngine
from mtl_perception.benchmark.peers import Peer, PeerSpec
from mtl_perception.benchmark.settings import BenchmarkError

_TURNS = 3


class Request(BaseModel):
    """Networks to load at once and to run in turns."""

    engines: list[EngineSpec] = []
    peers: list[PeerSpec] = []
    threads: int


class Peak(BaseModel):
    """Memory of a process: with its libraries alone, and at most."""

    before_mib: float
    peak_mib: float
    facts: dict[str, str]


def measure_memory(specs: Sequence[EngineSpec | PeerSpec], threads: int) -> Peak:
    """Load and run these networks in a new process.

    Raises:
        BenchmarkError: it failed; with its last words.
    """
    request = Request(
        engines=[spec for spec in specs if isinstance(spec, EngineSpec)],
        peers=[spec for spec in specs if isinstance(spec, PeerSpec)],
        threads=threads,
    )
    command = [sys.executable, "-m", "mtl_perception.benchmark.probe", request.model_dump_json()]
    # Settings that let malloc keep what was freed, as a node has them, would hide what is needed at one time.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}, as of a process that ran out of memory"]
        raise BenchmarkError(f"measuring memory failed: {words[-1]}")
    return Peak.model_validate_json(done.stdout.splitlines()[-1])


def main() -> int:
    import torch

    request = Request.model_validate_json(sys.argv[1])
    torch.set_num_threads(request.threads)
    before_mib = _resident_mib("VmRSS")
    subjects = [*map(OurEngine, request.engines), *(Peer(spec, settled=False) for spec in request.peers)]
    for subject in subjects * _TURNS:
        subject()
    if torch.cuda.is_initialized():
        before_mib, peak_mib = 0.0, torch.cuda.max_memory_allocated() / 2**20
    else:
        peak_mib = _resident_mib("VmHWM")
    print(Peak(before_mib=before_mib, peak_mib=peak_mib, facts=subjects[0].facts).model_dump_json())
    return 0


def _resident_mib(entry: str) -> float:
    """VmRSS, what this process has in memory, or VmHWM, the most that it ever had.

    ``getrusage`` would not do: its maximum begins with that of the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        raise BenchmarkError("peak memory is read from /proc, which only Linux has")
    found = re.search(rf"^{entry}:\s+(\d+) kB", status.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())

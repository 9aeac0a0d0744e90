# SPDX-License-Identifier: Apache-2.0
"""The processes that read images for a training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import write_config
from shapes import write_shapes

SUPPORT = Path(__file__).parents[1] / "support"
PATIENCE_S = 300
PROGRAM = """
import multiprocessing, os, signal, sys
import torch
from mtl_perception.training import read_config
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.learner import Learner
from mtl_perception.training.schedule import Schedule
from mtl_perception.training.sources import open_sources
from mtl_perception.training.stream import Stream

if __name__ == "__main__":
    config, ranks = read_config(sys.argv[1]), Ranks()
    sources = open_sources(config)
    learner = Learner(config, sources, torch.device("cpu"), ranks)
    steps = iter(Stream(config, sources.samples, learner.network.tasks, Schedule(config), ranks, pinned=False))
    {before}
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("before", ["iter(steps.gi_frame.f_locals['self']._loader)", "next(steps)"], ids=["is starting", "is reading"])
def test_no_reader_outlives_a_training_that_is_killed(tmp_path: Path, before: str) -> None:
    """Nor one that had hardly been started, and that could not have seen its parent alive."""
    write_shapes(tmp_path / "shapes", 8)
    config = write_config(tmp_path, workers=1)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("{before}", f"kept = {before}"))
    path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])
    said = tmp_path / "said"  # no pipe, which a reader that stays would keep open
    with said.open("w") as out:
        run = subprocess.run(
            [sys.executable, str(program), str(config)], env={**os.environ, "PYTHONPATH": path}, stdout=out, timeout=PATIENCE_S
        )
    assert run.returncode == -signal.SIGKILL
    readers = [Path("/proc") / pid for pid in said.read_text().split()]
    assert len(readers) == 1
    ends = time.monotonic() + PATIENCE_S
    while any(reader.exists() for reader in readers):
        assert time.monotonic() < ends, "a process that reads images waits for work that nobody will give it"
        time.sleep(0.1)

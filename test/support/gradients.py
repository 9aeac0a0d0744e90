# SPDX-License-Identifier: Apache-2.0
"""Run by torchrun, or alone: the gradient of one step over a global batch, written by the first process.

Arguments: the configuration, and the file to write.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from mtl_perception.training import read_config
from mtl_perception.training.distributed import joined
from mtl_perception.training.learner import Learner
from mtl_perception.training.losses import present_tasks
from mtl_perception.training.schedule import Schedule
from mtl_perception.training.sources import open_sources
from mtl_perception.training.step import Step
from mtl_perception.training.stream import Stream
from mtl_perception.training.watch import LossWatch


def main(config_path: Path, out: Path) -> None:
    config = read_config(config_path)
    device = torch.device("cpu")
    with joined(device) as ranks:
        sources = open_sources(config)
        learner = Learner(config, sources, device, ranks)
        watch = LossWatch(every=1)
        step = Step(config, learner, device, ranks, watch)
        _, batches = next(iter(Stream(config, sources.samples, learner.network.tasks, Schedule(config), ranks, pinned=False)))
        tasks = list(config.tasks)
        present = present_tasks(batches, tasks, ranks)
        step(1, 0.0, batches, present, dict.fromkeys(tasks, 1.0))
        # Which tasks this process had no label for, so that the test knows what it tested.
        missing = ranks.sum_numbers([float(not batches[0].labelled[task].any()) for task in tasks])
        if ranks.is_first:
            content = {
                "gradients": {name: p.grad for name, p in learner.network.named_parameters()},
                "buffers": dict(learner.network.named_buffers()),
                "losses": watch.take_means(),
                "missing": dict(zip(tasks, missing, strict=False)),
            }
            torch.save(content, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

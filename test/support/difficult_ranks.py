# SPDX-License-Identifier: Apache-2.0
"""What processes that train together know of images that each of them measured a part of; they import this file by its name."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed
from tiny import tiny_config, tiny_encoder

from mtl_perception.training.difficulty import STEPS_AHEAD, Difficulty
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.sources import open_sources

BATCH = 4
ROUND = STEPS_AHEAD * BATCH


class Part(NamedTuple):
    first: int
    count: int
    images_in_step: int


def measured(root: str, folder: str, ranks: Ranks) -> Difficulty:
    """Two rounds of steps, of which each process sees its share."""
    with tiny_encoder():
        config = tiny_config(Path(root), Path(folder), sampling="loss_rank", tasks=["segmentation", "depth"])
    difficulty = Difficulty(config.sampling, open_sources(config).samples, config, ranks)
    count = BATCH // ranks.size
    for at in range(0, 2 * ROUND, BATCH):
        first = at + ranks.rank * count
        rows = [row for _, row in difficulty.places(first, count)]
        losses = torch.tensor([[1.0 + row, float("nan") if row % 2 else at / ROUND + row / 10] for row in rows])
        difficulty.note(at, [Part(first, count, BATCH)], [losses])
    return difficulty


def rank_of_difficulty(rank: int, root: str, folder: str) -> None:
    """One of two processes."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    difficulty = measured(root, folder, Ranks(rank, 2))
    torch.save({"state": difficulty.state_dict(), "places": difficulty.places(2 * ROUND, ROUND)}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()

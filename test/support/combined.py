# SPDX-License-Identifier: Apache-2.0
"""Steps with everything that can be missing or in parts, in one process or in two."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny import Tiny, batches_of, tiny_config, tiny_encoder
from torch import Tensor

from mtl_perception.training.balancing import METHODS
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.sources import Sources, open_sources

ROOMS = Path(__file__).parents[1] / "rooms"
VALIDATED = {"share": 0.3, "every_steps": 100, "images": 1}
WITHOUT = {"depth": [0, 1, 3], "detection": [2, 6], "segmentation": [4, 5, 6, 7]}
SCHEDULE = {"detection": 1.0, "segmentation": 0.05, "depth": 1.7}


def two_steps(
    folder: Path, method: str, sources: Sources, ranks: Ranks, parts: int, sharing: str = "hard", heads: str = "wide"
) -> tuple[dict[str, Tensor | None], dict[str, float]]:
    """The gradient and the weights of the second of two steps over eight images that lack labels here and there, with small
    heads. Each image goes to the process and the part that a run would send it to."""
    changes = {"small_heads": {"channels": 4}, "gradient_accumulation": parts, "validation": VALIDATED}
    tiny = Tiny(tiny_config(ROOMS, folder, method, sharing, heads, **changes), sources, ranks, batch_norms=False)
    every = batches_of(ROOMS, tiny.learner, 8, parts * ranks.size, WITHOUT)
    held_out = batches_of(ROOMS, tiny.learner, 8, parts * ranks.size, {"depth": [1, 2, 3]})[ranks.rank :: ranks.size]
    batches = every[ranks.rank :: ranks.size]
    tiny.step(batches, 1e-3, SCHEDULE, held_out)
    return tiny.step(batches, 1e-3, SCHEDULE, held_out), tiny.step_of.weights


def rank_of_two(rank: int, folder: Path) -> None:
    """What one of two processes comes to, in a file of its number: each step in two parts."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    with tiny_encoder():
        sources = open_sources(tiny_config(ROOMS, folder, validation=VALIDATED))
        found = {method: two_steps(folder, method, sources, Ranks(rank, 2), parts=2) for method in METHODS}
    torch.save(found, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()

# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from runs import small_config
from shapes import write_shapes

from mtl_perception.training.distributed import Ranks
from mtl_perception.training.learner import Learner
from mtl_perception.training.losses import present_tasks
from mtl_perception.training.schedule import Schedule
from mtl_perception.training.sources import open_sources
from mtl_perception.training.step import Step
from mtl_perception.training.stream import Stream
from mtl_perception.training.watch import LossWatch


def moved(tmp_path: Path, scale: float | None) -> tuple[dict[str, torch.Tensor], torch.amp.GradScaler | None]:
    """Weights after one step, with losses scaled as float16 needs it."""
    config = small_config(tmp_path, precision="float32", warmup_steps=0)
    device, ranks = torch.device("cpu"), Ranks()
    sources = open_sources(config)
    learner = Learner(config, sources, device, ranks)
    if scale is not None:
        learner.precision.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    step = Step(config, learner, device, ranks, LossWatch(1, allow_infinite_gradient=scale is not None))
    _, batches = next(iter(Stream(config, sources.samples, learner.network.tasks, Schedule(config), ranks, pinned=False)))
    step(1, 1e-3, batches, present_tasks(batches, list(config.tasks), ranks), dict.fromkeys(config.tasks, 1.0))
    return dict(learner.network.named_parameters()), learner.precision.scaler


@pytest.mark.slow
def test_scaled_losses_move_the_weights_alike_and_an_overflow_moves_none(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 4)
    plain, _ = moved(tmp_path, None)
    scaled, _ = moved(tmp_path, 1024.0)
    untouched, scaler = moved(tmp_path, 3e38)
    config = small_config(tmp_path, precision="float32")
    begun = dict(Learner(config, open_sources(config), torch.device("cpu"), Ranks()).network.named_parameters())
    assert scaler is not None and scaler.get_scale() == pytest.approx(1.5e38)
    for name, weights in begun.items():
        torch.testing.assert_close(scaled[name], plain[name], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(untouched[name], weights, rtol=0, atol=0)
    assert any(not torch.equal(plain[name], weights) for name, weights in begun.items())

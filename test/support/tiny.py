# SPDX-License-Identifier: Apache-2.0
"""One training step of a network so small that every combination of methods can be tried."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mtl_perception.data.augmentation import crop_and_resize
from mtl_perception.data.batch import Batch, collate
from mtl_perception.data.folder import ImageFolder
from mtl_perception.model.encoders import ENCODERS, Encoder
from mtl_perception.model.sharing import SHARINGS
from mtl_perception.tasks import Sample
from mtl_perception.training import TrainingConfig
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.learner import Learner
from mtl_perception.training.losses import present_tasks
from mtl_perception.training.sources import Sources, open_sources
from mtl_perception.training.step import Step
from mtl_perception.training.watch import LossWatch

TASKS = ("detection", "segmentation", "depth")
GROUPS = [["detection"], ["segmentation", "depth"]]
SHARING_SETTINGS: dict[str, Any] = {**{name: name for name in SHARINGS}, "clustered": {"method": "clustered", "groups": GROUPS}}
SIZE = 64


@contextmanager
def tiny_encoder() -> Iterator[None]:
    """In the block, architectures may name the encoder ``tiny``: four convolutions."""

    def build() -> Encoder:
        widths = (3, 4, 6, 8, 8)
        stages = [
            nn.Sequential(nn.Conv2d(a, b, 3, stride=4 if i == 0 else 2, padding=1), nn.GroupNorm(1, b), nn.SiLU())
            for i, (a, b) in enumerate(itertools.pairwise(widths))
        ]
        return Encoder(stages, widths[1:])

    outer = ENCODERS.get("tiny")  # of a block around this one
    ENCODERS["tiny"] = build
    try:
        yield
    finally:
        del ENCODERS["tiny"]
        if outer is not None:
            ENCODERS["tiny"] = outer


def tiny_config(
    root: Path, folder: Path, balancing: object = "fixed", sharing: str = "hard", heads: str = "wide", **changes: object
) -> TrainingConfig:
    """A run over the data folder ``root`` that writes into ``folder``; only inside of ``tiny_encoder``."""
    parts = int(changes.get("gradient_accumulation", 1))  # type: ignore[call-overload]
    values: dict[str, Any] = {
        "name": "tiny",
        "variant": "lite",
        "architecture": {"encoder": "tiny", "neck": "pan", "neck_channels": 8, "heads": heads, "sharing": SHARING_SETTINGS[sharing]},
        "data": root,
        "output": folder / "tiny.safetensors",
        "steps": 4,
        "stages": [{"until": 1.0, "width": SIZE, "height": SIZE, "batch_size": max(4, 2 * parts)}],
        "balance_classes": False,
        "balancing": balancing,
        "gradient_norm": 1e9,
        "precision": "float32",
        "device": "cpu",
        "workers": 0,
        "tensorboard": False,
        **changes,
    }
    return TrainingConfig.model_validate(values)


class Tiny:
    """A learner and its steps; ``batch_norms`` False takes running statistics, so that images don't see each other."""

    def __init__(
        self, config: TrainingConfig, sources: Sources | None = None, ranks: Ranks | None = None, batch_norms: bool = True
    ) -> None:
        self.config, self.ranks = config, ranks or Ranks()
        self.sources = sources or open_sources(config)
        self.learner = Learner(config, self.sources, torch.device("cpu"), self.ranks)
        if not batch_norms:
            for module in self.learner.trained.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        self.step_of = Step(config, self.learner, torch.device("cpu"), self.ranks, LossWatch(1))

    def step(
        self,
        batches: Sequence[Batch],
        learning_rate: float = 0.0,
        schedule: Mapping[str, float] | None = None,
        held_out: Sequence[Batch] | None = None,
    ) -> dict[str, Tensor | None]:
        """One step over ``batches``, its parts; the gradient, by parameter."""
        if self.learner.balancer.wants_validation:
            unseen = held_out or batches[:1]
            self.step_of.see_validation(unseen, present_tasks(unseen, list(self.config.tasks), self.ranks))
        present = present_tasks(batches, list(self.config.tasks), self.ranks)
        factors = {task: 1.0 if schedule is None else schedule[task] for task in self.config.tasks}
        self.step_of(1, learning_rate, batches, present, factors)
        return {name: None if p.grad is None else p.grad.clone() for name, p in self.learner.trained.named_parameters()}


def batches_of(root: Path, learner: Learner, count: int, parts: int = 1, without: Mapping[str, Sequence[int]] | None = None) -> list[Batch]:
    """The first ``count`` images of a folder, in ``parts``.

    Args:
        without: by task, the images that are not labelled for it.
    """
    samples = []
    for i in range(count):
        sample = _sample(root, tuple(learner.network.tasks), i)
        lacking = {task for task, images in (without or {}).items() if i in images}
        samples.append(dataclasses.replace(sample, labels={task: of for task, of in sample.labels.items() if task not in lacking}))
    size = count // parts
    return [collate(samples[i * size : (i + 1) * size], learner.network.tasks) for i in range(parts)]


@cache
def _sample(root: Path, tasks: tuple[str, ...], i: int) -> Sample:
    """Its arrays are not to be written to: reading and shrinking an image takes longer than a step over it."""
    sample = ImageFolder(root).with_tasks(tasks)[i]
    edge = min(sample.image.shape[:2])
    return crop_and_resize(sample, 0, 0, edge, edge, SIZE, SIZE)

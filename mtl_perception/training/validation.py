# SPDX-License-Identifier: Apache-2.0
"""Scores of a network in training on images that it is not trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from mtl_perception.core.drawing import draw_overlay
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.folder import ImageFolder
from mtl_perception.inference.engine import Engine
from mtl_perception.model.checkpoint import ModelCard, build_network
from mtl_perception.pipeline import published
from mtl_perception.training.config import ValidationSettings


@dataclass(frozen=True)
class Validation:
    """Scores of one validation.

    Attributes:
        score: mean over the tasks of the measure that each is chosen by.
        measures: task → measure → value, plain numbers only.
        pictures: (H, W, 3) uint8 RGB each.
    """

    score: float
    measures: dict[str, dict[str, float]]
    pictures: list[np.ndarray]

    @property
    def of_tasks(self) -> dict[str, float]:
        """The measure that each task is chosen by; 0 where nothing can be said."""
        chosen = {task: values[chosen_by(task)] for task, values in self.measures.items()}
        return {task: value if math.isfinite(value) else 0.0 for task, value in chosen.items()}

    @property
    def text(self) -> str:
        chosen = (f"{task[:3]} {chosen_by(task)} {value:.3f}" for task, value in self.of_tasks.items())
        return f"score {self.score:.4f} ({', '.join(chosen)})"


class Interrupted(Exception):
    """The run was asked to end while it was validating."""


class Validator:
    """Runs a network over held-out images as the node would, and scores what it says.

    Args:
        folders: the held-out samples, in the labels of the card.
        card: what the network is.

    Raises:
        ImportError: a package that scoring needs is not installed; names the pip command.
    """

    def __init__(self, settings: ValidationSettings, folders: Sequence[ImageFolder], card: ModelCard, device: torch.device) -> None:
        # Imported here, because average precision comes from an extra that only this needs.
        from mtl_perception.evaluation.scenes import evaluate_engine

        self._evaluate = evaluate_engine
        samples = [(folder, i) for folder in folders for i in range(len(folder))]
        self.samples = [samples[i] for i in _spread(len(samples), settings.images)]
        self._drawn = set(_spread(len(self.samples), settings.pictures))
        self._card, self._device = card, device

    def __call__(self, network: nn.Module, is_interrupted: Callable[[], bool]) -> Validation:
        """Score ``network``, which is left as it is.

        Raises:
            Interrupted: ``is_interrupted`` said so.
            DataError: an image can't be read.
        """
        with torch.random.fork_rng(devices=[]):  # training goes on as if nobody had looked
            copied = build_network(self._card)
        copied.load_state_dict(network.state_dict())
        engine = Engine.of(copied, self._card, str(self._device), "float32")
        images: list[np.ndarray] = []
        pictures: list[np.ndarray] = []

        def samples() -> Iterator[tuple[np.ndarray, Intrinsics, Any]]:
            from mtl_perception.evaluation.truth import truth_of

            for folder, i in self.samples:
                if is_interrupted():
                    raise Interrupted
                sample = folder[i]
                images[:] = [sample.image]
                yield sample.image, sample.intrinsics, truth_of(sample)

        def draw(scene: Any, scores: Any) -> None:
            if scores.index in self._drawn:
                pictures.append(draw_overlay(images[0], published(scene), self._card))

        try:
            evaluation = self._evaluate(engine, samples(), draw)
        finally:
            engine.close()
        measures = {task: _numbers(values) for task, values in evaluation.scores.items()}
        return Validation(_score(measures), measures, pictures)


def chosen_by(task: str) -> str:
    """The measure that stands for ``task`` in the choice of a checkpoint."""
    from mtl_perception.evaluation.registry import METRICS

    return METRICS[task].chosen_by or METRICS[task].main


def _spread(count: int, limit: int) -> list[int]:
    return np.linspace(0, count - 1, min(limit, count)).round().astype(int).tolist()


def _score(measures: dict[str, dict[str, float]]) -> float:
    values = [values[chosen_by(task)] for task, values in measures.items()]
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else 0.0


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if isinstance(value, (int, float))}

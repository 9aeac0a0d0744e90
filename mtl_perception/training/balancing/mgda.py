# SPDX-License-Identifier: Apache-2.0
"""MGDA: the direction in which every task's loss falls."""

from __future__ import annotations

from typing import Literal

import torch

from mtl_perception.training.balancing._base import Problem
from mtl_perception.training.balancing._gradients import GradientBalancer, GradientSettings
from mtl_perception.training.balancing._shortest import shortest_weights
from mtl_perception.training.balancing._trunks import Trunk
from mtl_perception.training.balancing._weighting import require_positive


class Mgda(GradientSettings):
    """The direction of the shortest convex combination of the tasks' gradients (Désidéri, 2012; Sener and Koltun, NeurIPS
    2018), as a convex combination of them: no loss rises along it.

    The shortest combination is nearly the shortest gradient, so a task whose loss is measured on a small scale, or is small
    in this batch, as detection's is in images without boxes, gets all the weight, and the others stand still. Hence the
    normalisations of Sener and Koltun's code.

    Attributes:
        normalization: what a gradient is divided by before the combination is sought: its task's ``loss``, so that the unit in
            which a loss is measured does not matter; its own length (``l2``); both (``loss+``); or nothing (``none``).
    """

    method: Literal["mgda"] = "mgda"
    normalization: Literal["none", "l2", "loss", "loss+"] = "loss"

    def build(self, problem: Problem) -> ShortestCombination:
        return ShortestCombination(problem, self.normalization)


class ShortestCombination(GradientBalancer):
    """The shortest combination Σ wᵢ gᵢ/nᵢ of normalised gradients, scaled so that the weights wᵢ/nᵢ of the gradients
    themselves have sum 1."""

    def __init__(self, problem: Problem, normalization: str) -> None:
        super().__init__(problem)
        self._by_loss, self._by_length = normalization in ("loss", "loss+"), normalization in ("l2", "loss+")

    def weigh(self, trunk: Trunk) -> dict[str, float]:
        if self._by_loss:
            require_positive("mgda", trunk.values)
        rows = {task: row.double() for task, row in trunk.rows.items()}
        sizes = {task: self._size(trunk, task, float(row.norm())) for task, row in rows.items()}
        matrix = torch.stack([row / sizes[task] for task, row in rows.items()])
        found = shortest_weights((matrix @ matrix.T).cpu().numpy())
        weights = {task: weight / sizes[task] for task, weight in zip(rows, found.tolist(), strict=True)}
        total = sum(weights.values())
        return {task: weight / total for task, weight in weights.items()}

    def _size(self, trunk: Trunk, task: str, length: float) -> float:
        return (float(trunk.values[task]) if self._by_loss else 1.0) * (length if self._by_length else 1.0)

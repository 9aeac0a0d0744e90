# SPDX-License-Identifier: Apache-2.0
"""A mean without the extremes, number by number."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from mtl_perception.training.balancing._base import Problem
from mtl_perception.training.balancing._gradients import GradientBalancer, GradientSettings, nearest_weights
from mtl_perception.training.balancing._trunks import Trunk


class TrimmedMean(GradientSettings):
    """For each number of the gradient the mean without the ``trim_number`` largest and smallest (Yin et al., ICML 2018); the
    plain mean where too few tasks reach it."""

    method: Literal["trimmed_mean"] = "trimmed_mean"
    trim_number: int = Field(1, ge=0)

    def check(self, tasks: Collection[str]) -> None:
        super().check(tasks)
        needed = 2 * self.trim_number + 1
        if len(tasks) < needed:
            raise ValueError(f"trimmed_mean with trim_number {self.trim_number} needs at least {needed} tasks, got {len(tasks)}")

    def acts_on(self, tasks: Collection[str]) -> bool:
        return len(tasks) > 2 * self.trim_number

    def build(self, problem: Problem) -> TrimmedMeans:
        return TrimmedMeans(problem, self.trim_number)


class TrimmedMeans(GradientBalancer):
    """Gradients that are zero don't count: of one task's gradient among two zeros the middle one is zero, and what only that
    task reaches, such as the upper part of a neck, would never be trained."""

    def __init__(self, problem: Problem, trim_number: int) -> None:
        super().__init__(problem)
        self._trimmed = trim_number

    def combine(self, trunk: Trunk, schedule: Mapping[str, float]) -> tuple[Tensor, dict[str, float]]:
        matrix = torch.stack([schedule[task] * row for task, row in trunk.rows.items()])
        combined = self._middle(matrix)
        return combined, dict(zip(trunk.rows, nearest_weights(matrix, combined), strict=True))

    def weigh(self, trunk: Trunk) -> dict[str, float]:
        return self.combine(trunk, dict.fromkeys(trunk.rows, 1.0))[1]

    def _middle(self, matrix: Tensor) -> Tensor:
        """(T, N) gradients → (N,)."""
        counts = (matrix != 0).sum(0)
        trimmed = torch.where(counts > 2 * self._trimmed, self._trimmed, 0)
        # Zeros go to the end, where no number of a column's own is.
        ordered = torch.where(matrix != 0, matrix, torch.inf).sort(0).values
        places = torch.arange(len(matrix), device=matrix.device)[:, None]
        kept = torch.where((places >= trimmed) & (places < counts - trimmed), ordered, 0.0)
        return kept.sum(0) / (counts - 2 * trimmed).clamp(min=1)

# SPDX-License-Identifier: Apache-2.0
"""Losses put together by other means than a sum; in effect weights that depend on the losses of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from mtl_perception.training.balancing._base import Problem, Settings
from mtl_perception.training.balancing._weighting import LossWeighting, require_positive


class Geometric(Settings):
    """The geometric mean of the losses (Chennupati et al., MultiNet++, CVPR workshops 2019): no task's scale matters."""

    method: Literal["geometric"] = "geometric"

    def build(self, problem: Problem) -> GeometricMean:
        return GeometricMean(problem)


class GeometricMean(LossWeighting):
    """∂(Π Lⱼ)^(1/T)/∂Lᵢ = mean / (T Lᵢ), which is the weight of loss i."""

    def weigh(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        require_positive("geometric", values)
        stacked = torch.stack(list(values.values()))
        weights = stacked.log().mean().exp() / (len(values) * stacked)
        return dict(zip(values, weights.unbind(), strict=True))


class Stch(Settings):
    """Smooth Tchebycheff scalarization: nearly the largest loss alone, the more so the smaller ``mu`` (Lin et al., ICML 2024).

    Attributes:
        warmup: steps in which a task's weight is 1/T, while the mean of its loss is taken. Afterwards every loss is divided by its own, so
            that "largest" means the one that has fallen least, and not the one with the largest unit. 0 takes losses as they are.
    """

    method: Literal["stch"] = "stch"
    mu: float = Field(0.1, gt=0)
    warmup: int = Field(0, ge=0)

    @property
    def idle(self) -> tuple[int, str]:
        return self.warmup, "warmup"

    def build(self, problem: Problem) -> SmoothTchebycheff:
        return SmoothTchebycheff(problem, self)


class SmoothTchebycheff(LossWeighting):
    """The gradient of µ log Σ exp(lᵢ / (T µ)), lᵢ = Lᵢ/nᵢ, is a softmax over the lᵢ, divided by T nᵢ; nᵢ is the mean over the steps of the
    warm-up in which the task has labels, and until they are over its weight is 1/T."""

    def __init__(self, problem: Problem, settings: Stch) -> None:
        super().__init__(problem)
        self._mu, self._warmup = settings.mu, settings.warmup
        self._sums = dict.fromkeys(problem.factors, 0.0)
        self._counts = dict.fromkeys(problem.factors, 0)

    def weigh(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        stacked = torch.stack(list(values.values()))
        if any(self._counts[task] < self._warmup for task in values):
            return dict(zip(values, torch.full_like(stacked, 1 / len(values)).unbind(), strict=True))
        units = torch.tensor([self._unit(task) for task in values], dtype=stacked.dtype, device=stacked.device)
        weights = torch.softmax(stacked / units / (len(values) * self._mu), 0) / (len(values) * units)
        return dict(zip(values, weights.unbind(), strict=True))

    def _unit(self, task: str) -> float:
        return self._sums[task] / self._counts[task] if self._warmup else 1.0

    def learn(self, values: dict[str, Tensor]) -> None:
        if any(self._counts[task] < self._warmup for task in values):
            require_positive("stch", values)
        for task, value in values.items():
            if self._counts[task] < self._warmup:
                self._sums[task] += float(value)
                self._counts[task] += 1

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._sums, self._counts = dict(state.get("sums", self._sums)), dict(state.get("counts", self._counts))

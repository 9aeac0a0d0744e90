# SPDX-License-Identifier: Apache-2.0
"""Losses put together by other means than a sum; in effect weights that depend on the losses of the batch."""

from __future__ import annotations

from typing import Literal

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
    """Smooth Tchebycheff scalarization: nearly the largest loss alone, the more so the smaller ``mu`` (Lin et al., ICML 2024)."""

    method: Literal["stch"] = "stch"
    mu: float = Field(0.1, gt=0)

    def build(self, problem: Problem) -> SmoothTchebycheff:
        return SmoothTchebycheff(problem, self.mu)


class SmoothTchebycheff(LossWeighting):
    """The gradient of µ log Σ exp(Lᵢ / (T µ)) is a softmax over the losses, divided by T."""

    def __init__(self, problem: Problem, mu: float) -> None:
        super().__init__(problem)
        self._mu = mu

    def weigh(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        weights = torch.softmax(torch.stack(list(values.values())) / (len(values) * self._mu), 0) / len(values)
        return dict(zip(values, weights.unbind(), strict=True))

# SPDX-License-Identifier: Apache-2.0
"""GradNorm: tasks that train slowly get longer gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from mtl_perception.training.balancing._base import Problem
from mtl_perception.training.balancing._gradients import GradientBalancer, GradientSettings
from mtl_perception.training.balancing._trunks import Trunk
from mtl_perception.training.balancing._weighting import PerTask, require_positive

_LEAST_WEIGHT = 1e-3


class GradNorm(GradientSettings):
    """Learns weights with which the gradients' norms Gᵢ = wᵢ‖∇Lᵢ‖ become mean(G) · rᵢ^alpha, where rᵢ is a task's loss
    relative to its first one, over the mean of these (Chen et al., ICML 2018).

    The norms are those of all parameters of a trunk: a pyramid has no single last shared layer.

    Attributes:
        alpha: 0 makes all norms equal, more pulls harder at tasks that lag behind.
    """

    method: Literal["gradnorm"] = "gradnorm"
    alpha: float = Field(1.5, ge=0)
    learning_rate: float = Field(0.025, gt=0)

    def build(self, problem: Problem) -> GradNormBalancer:
        return GradNormBalancer(problem, self)


class GradNormBalancer(GradientBalancer):
    """Weights from 1, their sum over a trunk constant; those of a batch's absent tasks stay and are no part of the sum."""

    def __init__(self, problem: Problem, settings: GradNorm) -> None:
        super().__init__(problem)
        self._alpha = settings.alpha
        self.weights = PerTask(problem.factors, 1.0, settings.learning_rate)
        self._first: dict[str, float] = {}

    def own_weight(self, task: str) -> float:
        return float(self.weights[task])

    def weigh(self, trunk: Trunk) -> dict[str, float]:
        require_positive("gradnorm", trunk.values)
        weights = {task: self.own_weight(task) for task in trunk.rows}
        for task, value in trunk.values.items():
            self._first.setdefault(task, float(value))
        if len(weights) > 1:
            self._learn({task: float(row.norm()) for task, row in trunk.rows.items()}, trunk.values)
        return weights

    def _learn(self, norms: dict[str, float], values: dict[str, Tensor]) -> None:
        """One step on Σ |Gᵢ − target|, the targets held constant as in the paper."""
        total = sum(self.own_weight(task) for task in norms)
        ratios = {task: float(values[task]) / self._first[task] for task in norms}
        mean_ratio = sum(ratios.values()) / len(ratios)
        lengths = {task: self.own_weight(task) * norm for task, norm in norms.items()}
        mean = sum(lengths.values()) / len(lengths)
        gaps = {task: lengths[task] - mean * (ratios[task] / mean_ratio) ** self._alpha for task in norms}
        self.weights.step({task: norms[task] * ((gap > 0) - (gap < 0)) for task, gap in gaps.items()})
        kept = {task: max(self.own_weight(task), _LEAST_WEIGHT) for task in norms}
        for task, weight in kept.items():
            self.weights.set(task, weight * total / sum(kept.values()))

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "weights": self.weights.state_dict(), "first": dict(self._first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.weights.load_state_dict(state["weights"])
        self._first = dict(state["first"])

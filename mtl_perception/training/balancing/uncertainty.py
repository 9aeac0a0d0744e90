# SPDX-License-Identifier: Apache-2.0
"""Weights learned together with the network, by gradient descent on the loss itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from mtl_perception.training.balancing._base import Problem, Settings
from mtl_perception.training.balancing._weighting import LossWeighting, PerTask


class Uncertainty(Settings):
    """Σ ½ exp(−sᵢ) Lᵢ + ½ sᵢ with a learned log variance sᵢ for each task (Kendall et al., CVPR 2018).

    Where it comes to rest, sᵢ = log Lᵢ: a task weighs one over twice its loss.
    """

    needs_company: ClassVar[bool] = False
    method: Literal["uncertainty"] = "uncertainty"
    learning_rate: float = Field(0.01, gt=0)

    def build(self, problem: Problem) -> LearnedScales:
        return LearnedScales(problem, self.learning_rate, factor=0.5)


class ImtlL(Settings):
    """Σ exp(−sᵢ) Lᵢ + sᵢ, with which every scaled loss comes to the same value, 1 (IMTL-L: Liu et al., ICLR 2021)."""

    needs_company: ClassVar[bool] = False
    method: Literal["imtl_l"] = "imtl_l"
    learning_rate: float = Field(0.01, gt=0)

    def build(self, problem: Problem) -> LearnedScales:
        return LearnedScales(problem, self.learning_rate, factor=1.0)


class LearnedScales(LossWeighting):
    """factor · (exp(−sᵢ) Lᵢ + sᵢ), each sᵢ from 0 with Adam of its own."""

    def __init__(self, problem: Problem, learning_rate: float, factor: float) -> None:
        super().__init__(problem)
        self._factor = factor
        self.log_variances = PerTask(problem.factors, 0.0, learning_rate)

    def weigh(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        return {task: self._factor * (-self.log_variances[task]).exp() for task in values}

    def learn(self, values: dict[str, Tensor]) -> None:
        self.log_variances.step(
            {task: self._factor * (1 - (-self.log_variances[task]).exp() * value.cpu()) for task, value in values.items()}
        )

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "log_variances": self.log_variances.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.log_variances.load_state_dict(state["log_variances"])

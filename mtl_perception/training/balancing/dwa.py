# SPDX-License-Identifier: Apache-2.0
"""Dynamic weight average: whose loss falls slowly, weighs more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from mtl_perception.training.balancing._base import Problem, Settings
from mtl_perception.training.balancing._weighting import LossWeighting


class Dwa(Settings):
    """wᵢ = T · softmax(rᵢ / temperature), rᵢ the ratio of a task's last two mean losses (Liu et al., CVPR 2019).

    Attributes:
        window: steps a mean is taken over; the paper takes epochs. Weights are 1 until there are two means.
    """

    method: Literal["dwa"] = "dwa"
    temperature: float = Field(2.0, gt=0)
    window: int = Field(200, gt=0)

    @property
    def idle(self) -> tuple[int, str]:
        return 2 * self.window, "window"

    def build(self, problem: Problem) -> DynamicWeightAverage:
        return DynamicWeightAverage(problem, self)


class DynamicWeightAverage(LossWeighting):
    """Weight 1 until a task has two means; a task's window holds only steps that it has labels in."""

    def __init__(self, problem: Problem, settings: Dwa) -> None:
        super().__init__(problem)
        self._settings = settings
        self._sums = dict.fromkeys(problem.factors, 0.0)
        self._counts = dict.fromkeys(problem.factors, 0)
        self._means: dict[str, list[float]] = {task: [] for task in problem.factors}

    def weigh(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        # A task without a history counts as one whose loss stands still.
        rates = [self._rate(self._means[task]) for task in values]
        weights = len(rates) * torch.softmax(torch.tensor(rates) / self._settings.temperature, 0)
        return dict(zip(values, weights.unbind(), strict=True))

    @staticmethod
    def _rate(means: list[float]) -> float:
        return means[1] / means[0] if len(means) == 2 and means[0] > 0 else 1.0

    def learn(self, values: dict[str, Tensor]) -> None:
        for task, value in values.items():
            self._sums[task] += float(value)
            self._counts[task] += 1
            if self._counts[task] == self._settings.window:
                self._means[task] = [*self._means[task], self._sums[task] / self._settings.window][-2:]
                self._sums[task], self._counts[task] = 0.0, 0

    def state_dict(self) -> dict[str, Any]:
        own = {"sums": dict(self._sums), "counts": dict(self._counts), "means": {t: list(m) for t, m in self._means.items()}}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])
        self._means = {task: list(means) for task, means in state["means"].items()}

# SPDX-License-Identifier: Apache-2.0
"""Auto-Lambda, to first order (experimental): weights that make the loss on held-out data fall."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from mtl_perception.balancing._base import Problem
from mtl_perception.balancing._gradients import GradientBalancer, GradientSettings, weighted_sum
from mtl_perception.balancing._weighting import PerTask


class AutoLambda(GradientSettings):
    """A task's weight follows −∂L_val/∂wᵢ, which after one small step of the network is ⟨∇L_val, ∇Lᵢ⟩: tasks whose
    gradient points the way of the validation gradient gain weight (Liu et al., TMLR 2022).

    Experimental. The paper takes the validation gradient after a trial step; here it is taken before the step, which
    saves a copy of the network and is the same to first order in the learning rate.

    Attributes:
        primary: tasks whose validation loss counts; None for all of them.
        start: every weight at first.
    """

    needs_validation: ClassVar[bool] = True
    method: Literal["auto_lambda"] = "auto_lambda"
    primary: list[str] | None = None
    start: float = Field(0.1, gt=0)
    learning_rate: float = Field(1e-4, gt=0)

    def check(self, tasks: Collection[str]) -> None:
        super().check(tasks)
        unknown = sorted(set(self.primary or ()) - set(tasks))
        if unknown or self.primary == []:
            raise ValueError(f"auto_lambda: primary is {self.primary}, expected some of: {', '.join(tasks)}")

    def build(self, problem: Problem) -> AutoLambdaBalancer:
        return AutoLambdaBalancer(problem, self)


class AutoLambdaBalancer(GradientBalancer):
    """Weights never fall below 0."""

    wants_validation: ClassVar[bool] = True

    def __init__(self, problem: Problem, settings: AutoLambda) -> None:
        super().__init__(problem)
        self._primary = tuple(settings.primary or problem.factors)
        self.weights = PerTask(problem.factors, settings.start, settings.learning_rate)
        self._validation: Tensor | None = None

    def own_weight(self, task: str) -> float:
        return float(self.weights[task])

    def see_validation(self, losses: Mapping[str, Tensor]) -> None:
        """Take the gradient of the primary tasks' losses; a batch without their labels teaches nothing."""
        known = [self.problem.factors[task] * losses[task] for task in self._primary if task in losses]
        if not known:
            return
        gradients = torch.autograd.grad(torch.stack(known).sum(), self._shared, allow_unused=True)
        zeros = (torch.zeros_like(p) if g is None else g for p, g in zip(self._shared, gradients, strict=True))
        self._validation = torch.cat([g.reshape(-1).float() for g in zeros])
        if self.problem.reduce is not None:
            self.problem.reduce([self._validation])

    def combine(self, rows: dict[str, Tensor], values: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        weights = {task: self.own_weight(task) for task in rows}
        if self._validation is not None and bool(torch.isfinite(self._validation).all()):
            self.weights.step({task: -float(self._validation @ row) for task, row in rows.items()})
            for task in rows:
                self.weights.set(task, max(self.own_weight(task), 0.0))
        self._validation = None
        return weighted_sum(weights, rows), weights

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "weights": self.weights.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.weights.load_state_dict(state["weights"])

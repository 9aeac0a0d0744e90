# SPDX-License-Identifier: Apache-2.0
"""Auto-Lambda, to first order (experimental): weights that make the loss on held-out data fall."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from mtl_perception.training.balancing._base import Problem
from mtl_perception.training.balancing._gradients import GradientBalancer, GradientSettings, scale_factor
from mtl_perception.training.balancing._trunks import Trunk
from mtl_perception.training.balancing._weighting import PerTask


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
        # The gradient of the held-out loss by all shared parameters, and the step that it was taken before.
        self._validation: Tensor | None = None
        self._seen_before = 0

    def own_weight(self, task: str) -> float:
        return float(self.weights[task])

    def see_validation(self, losses: Mapping[str, Tensor], scale: Callable[[Tensor], Tensor] | None = None) -> None:
        """Take the gradient of the primary tasks' losses; a batch without their labels teaches nothing."""
        known = [self.problem.factors[task] * losses[task] for task in self._primary if task in losses]
        if not known:
            return
        total = torch.stack(known).sum()
        gradients = torch.autograd.grad(total if scale is None else scale(total), self._shared, allow_unused=True)
        zeros = (torch.zeros_like(p) if g is None else g for p, g in zip(self._shared, gradients, strict=True))
        flat = torch.cat([g.reshape(-1).float() for g in zeros]) / scale_factor(scale, total.device)
        if self.problem.reduce is not None:
            self.problem.reduce([flat])
        before = self._validation if self._seen_before == self._step else None
        self._validation, self._seen_before = (flat if before is None else before + flat), self._step

    def weigh(self, trunk: Trunk) -> dict[str, float]:
        weights = {task: self.own_weight(task) for task in trunk.rows}
        if self._validation is not None and self._seen_before == self._step:
            pieces = self._validation.split([p.numel() for p in self._shared])
            wanted = torch.cat([pieces[i] for i in trunk.parameters])
            if bool(torch.isfinite(wanted).all()):
                self.weights.step({task: -float(wanted @ row) for task, row in trunk.rows.items()})
                for task in trunk.rows:
                    self.weights.set(task, max(self.own_weight(task), 0.0))
        return weights

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "weights": self.weights.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.weights.load_state_dict(state["weights"])

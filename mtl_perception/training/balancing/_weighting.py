# SPDX-License-Identifier: Apache-2.0
"""Methods that only choose a weight for each loss: one backward pass, whatever the number of tasks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from mtl_perception.training.balancing._base import Balancer, Problem


class LossWeighting(Balancer):
    """The gradient of Σ wᵢ Lᵢ, for shared parameters and heads alike; the weights count as constants."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._weights: dict[str, Tensor] = {}

    @abstractmethod
    def weigh(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """By task, the weight for a step with these (global, detached) losses. Changes no state."""

    def learn(self, values: dict[str, Tensor]) -> None:
        """Learn from the mean losses of a whole step."""

    def _accumulate(
        self,
        losses: dict[str, Tensor],
        values: dict[str, Tensor],
        schedule: Mapping[str, float],
        scale: Callable[[Tensor], Tensor] | None,
    ) -> None:
        self._weights.update(self.weigh(values))
        total = torch.stack([schedule[task] * self._weights[task] * loss for task, loss in losses.items()]).sum()
        (total if scale is None else scale(total)).backward()

    def _finish(
        self, values: dict[str, Tensor], schedule: Mapping[str, float], scale: Callable[[Tensor], Tensor] | None
    ) -> dict[str, float]:
        parameters = list(self.problem.shared)
        for task in values:
            parameters += self.problem.own[task]
        self._reduce_gradients(parameters)
        self.learn(values)
        weights = {task: schedule[task] * float(weight) for task, weight in self._weights.items()}
        self._weights = {}
        return weights


class PerTask:
    """One learned number a task, each with its own optimiser: an absent task's number and momentum stay untouched."""

    def __init__(self, tasks: Mapping[str, Any], start: float, learning_rate: float, weight_decay: float = 0.0) -> None:
        self.numbers = {task: torch.tensor(start, requires_grad=True) for task in tasks}
        self._optimizers = {
            # One number on the CPU: neither worth a fused kernel nor a trip to the device.
            task: torch.optim.Adam([number], lr=learning_rate, weight_decay=weight_decay, foreach=False)
            for task, number in self.numbers.items()
        }

    def __getitem__(self, task: str) -> Tensor:
        return self.numbers[task].detach()

    def step(self, gradients: Mapping[str, Tensor | float]) -> None:
        """One step of Adam for the tasks that have a gradient."""
        for task, gradient in gradients.items():
            self.numbers[task].grad = torch.as_tensor(gradient, dtype=torch.float32).detach().cpu()
            self._optimizers[task].step()

    def set(self, task: str, value: Tensor | float) -> None:
        with torch.no_grad():
            self.numbers[task].copy_(torch.as_tensor(value))

    def state_dict(self) -> dict[str, Any]:
        return {
            "numbers": {task: self[task].clone() for task in self.numbers},
            "optimizers": {task: optimizer.state_dict() for task, optimizer in self._optimizers.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for task, value in state["numbers"].items():
            self.set(task, value)
            self._optimizers[task].load_state_dict(state["optimizers"][task])


def require_positive(method: str, values: Mapping[str, Tensor]) -> None:
    """Raises:
    ValueError: a loss is zero or negative, where the method takes its logarithm or divides by it.
    """
    for task, value in values.items():
        if float(value) <= 0:
            raise ValueError(
                f"balancing method '{method}' needs positive losses, task '{task}' has {float(value):g}; "
                "mark likelihood terms as not balanced, or choose another method"
            )

# SPDX-License-Identifier: Apache-2.0
"""Three small regressions over shared parameters, for balancing methods to work on."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from mtl_perception.training.balancing import Balancer, Balancing, build_balancer

TASKS = ("a", "b", "c")
SETTINGS = {
    # So that a few steps reach what a window or a warm-up changes.
    "dwa": {"window": 2},
    "excess_mtl": {"n_warmup_steps": 1, "robust_step_size": 0.5},
    "auto_lambda": {"learning_rate": 0.01},
}


def settings_of(method: str, **changes: object) -> object:
    return TypeAdapter(Balancing).validate_python({"method": method, **SETTINGS.get(method, {}), **changes})


class Toy:
    """Two shared layers, of which the second descends from the first, and a head for each task.

    Task "a" sees both layers and "c" only the first, as heads on a pyramid do.
    """

    def __init__(self, tasks: Collection[str] = TASKS, samples: int = 8) -> None:
        generator = torch.Generator().manual_seed(3)
        self.x = torch.randn(samples, 4, generator=generator)
        self.y = {task: torch.randn(samples, generator=generator) + 2 * i for i, task in enumerate(TASKS)}
        self.shared = [nn.Parameter(torch.randn(4, 5, generator=generator)), nn.Parameter(torch.randn(5, 5, generator=generator))]
        self.own = {task: [nn.Parameter(torch.randn(5, generator=generator))] for task in TASKS}
        self.own = {task: parameters for task, parameters in self.own.items() if task in tasks}

    def losses(self, tasks: Collection[str], rows: slice = slice(None), count: int | None = None) -> dict[str, Tensor]:
        """By task, squared errors of the samples in ``rows`` over ``count`` (as many as there are if None)."""
        first = (self.x[rows] @ self.shared[0]).tanh()
        second = (first @ self.shared[1]).tanh()
        seen = {"a": first + second, "b": second, "c": first}
        errors = {t: (seen[t] @ self.own[t][0] - self.y[t][rows]).square() for t in self.own if t in tasks}
        return {task: error.sum() / (count or len(error)) for task, error in errors.items()}

    def parameters(self) -> list[nn.Parameter]:
        return [*self.shared, *(p for parameters in self.own.values() for p in parameters)]

    def balancer(self, method: str, reduce: Callable[[list[Tensor]], None] | None = None, **changes: object) -> Balancer:
        factors = {task: 2.0 if task == "b" else 1.0 for task in self.own}
        return build_balancer(settings_of(method, **changes), factors, self.shared, self.own, 7, reduce)

    def gradients(self) -> list[Tensor | None]:
        """Takes the gradients away."""
        found = [p.grad for p in self.parameters()]
        for parameter in self.parameters():
            parameter.grad = None
        return found

    def step(self, balancer: Balancer, tasks: Collection[str] = TASKS, learning_rate: float = 0.05) -> list[Tensor | None]:
        """One whole training step by gradient descent; its gradients."""
        if balancer.wants_validation:
            balancer.see_validation(self.losses(tasks, slice(4)))
        balancer.backward(self.losses(tasks))
        gradients = self.gradients()
        with torch.no_grad():
            for parameter, gradient in zip(self.parameters(), gradients, strict=True):
                if gradient is not None:
                    parameter -= learning_rate * gradient
            if balancer.wants_losses_after_step:
                balancer.after_step(self.losses(tasks))
        return gradients

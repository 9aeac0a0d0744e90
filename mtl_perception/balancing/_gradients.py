# SPDX-License-Identifier: Apache-2.0
"""Methods that look at every task's gradient: one backward pass for each task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from mtl_perception.balancing._base import Balancer, Problem, Settings


class GradientSettings(Settings):
    """Settings of a method that works on the gradients of shared parameters."""

    needs_shared: ClassVar[bool] = True


class GradientBalancer(Balancer):
    """Combines the tasks' gradients of the shared parameters; each head gets the gradient of its own task.

    The gradients are taken with respect to the parameters, one task after the other. Stopping at the neck's outputs
    would be cheaper and wrong: in a pyramid one output descends from another, and what flows between them would be
    counted twice.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._shared = [p for p in problem.shared if p.requires_grad]
        self._sizes = [p.numel() for p in self._shared]
        self._rows: dict[str, Tensor] = {}
        self._reached = [False] * len(self._shared)

    @abstractmethod
    def combine(self, rows: dict[str, Tensor], values: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """The gradient of the shared parameters (N,), and the weights of the tasks in it.

        Args:
            rows: by task (N,) the gradient of its loss, finite, over all processes and batches of the step.
            values: by task its mean loss.
        """

    def own_weight(self, task: str) -> float:
        """What the gradient of a task's head is multiplied by."""
        return 1.0

    def _accumulate(
        self,
        losses: dict[str, Tensor],
        values: dict[str, Tensor],
        shares: dict[str, float],
        scale: Callable[[Tensor], Tensor] | None,
    ) -> None:
        for number, (task, loss) in enumerate(losses.items()):
            loss = shares[task] * loss
            own = [p for p in self.problem.own[task] if p.requires_grad]
            gradients = torch.autograd.grad(
                loss if scale is None else scale(loss),
                self._shared + own,
                retain_graph=number + 1 < len(losses),
                allow_unused=True,
            )
            row = self._flat(gradients[: len(self._shared)])
            self._rows[task] = self._rows[task] + row if task in self._rows else row
            weight = self.own_weight(task)
            for parameter, gradient in zip(own, gradients[len(self._shared) :], strict=True):
                if gradient is not None:
                    gradient = gradient if weight == 1.0 else weight * gradient
                    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def _flat(self, gradients: tuple[Tensor | None, ...]) -> Tensor:
        pieces = []
        for i, gradient in enumerate(gradients):
            self._reached[i] |= gradient is not None
            pieces.append((torch.zeros_like(self._shared[i]) if gradient is None else gradient).reshape(-1).float())
        return torch.cat(pieces) if pieces else torch.zeros(0)

    def _finish(self, values: dict[str, Tensor], scale: Callable[[Tensor], Tensor] | None) -> dict[str, float]:
        rows, self._rows = self._rows, {}
        self._reduce_gradients([p for task in rows for p in self.problem.own[task] if p.requires_grad])
        reached = torch.tensor([float(r) for r in self._reached], device=next(iter(rows.values())).device)
        self._reached = [False] * len(self._shared)
        if self.problem.reduce is not None:
            self.problem.reduce([reached, *rows.values()])
        factor = 1.0 if scale is None else float(scale(torch.ones((), device=reached.device)))
        # Methods are not all indifferent to a common factor, and a GradScaler's changes over time.
        unscaled = {task: row / factor for task, row in rows.items()} if factor != 1.0 else rows
        finite = all(bool(torch.isfinite(row).all()) for row in unscaled.values())
        if finite:
            combined, weights = self.combine(unscaled, values)
        else:
            # Passed on as it is, so that the GradScaler skips the step or the loop reports it; nothing is learned.
            combined, weights = torch.stack(list(unscaled.values())).sum(0), {}
        self._write(combined * factor, reached.tolist())
        return weights

    def _write(self, vector: Tensor, reached: list[float]) -> None:
        for parameter, piece, anywhere in zip(self._shared, vector.split(self._sizes), reached, strict=True):
            if anywhere:
                gradient = torch.empty_like(parameter).copy_(piece.view_as(parameter))
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def weighted_sum(weights: dict[str, float], rows: dict[str, Tensor]) -> Tensor:
    """Σ wᵢ gᵢ."""
    return torch.stack([weights[task] * row for task, row in rows.items()]).sum(0)

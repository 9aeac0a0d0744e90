# SPDX-License-Identifier: Apache-2.0
"""Methods that look at every task's gradient: one backward pass for each task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor

from mtl_perception.training.balancing._base import Balancer, Problem, Settings
from mtl_perception.training.balancing._trunks import Trunk, connected


class GradientSettings(Settings):
    """Settings of a method that works on the gradients of shared parameters."""

    needs_shared: ClassVar[bool] = True


class GradientBalancer(Balancer):
    """Combines the tasks' gradients of the shared parameters; each head gets the gradient of its own task.

    The gradients are taken with respect to the parameters, one task after the other. Stopping at the neck's outputs
    would be cheaper and wrong: in a pyramid one output descends from another, and what flows between them would be
    counted twice.

    Tasks that share nothing have nothing to agree on: each trunk, with the tasks that reach it, is combined by itself. A
    task that reaches none of it, or whose gradient there is zero, would stop it for all others.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._shared = [p for p in problem.shared if p.requires_grad]
        # By task, the gradient of each shared parameter that it reaches, by the parameter's number.
        self._rows: dict[str, dict[int, Tensor]] = {}

    @abstractmethod
    def weigh(self, trunk: Trunk) -> dict[str, float]:
        """The weights of a trunk's tasks in its gradient."""

    def combine(self, trunk: Trunk, schedule: Mapping[str, float]) -> tuple[Tensor, dict[str, float]]:
        """The gradient of a trunk (N,), and the weights of its tasks in it.

        Args:
            schedule: of the task schedule, by task: what its part is multiplied by, however the method weighs it.
        """
        weights = {task: schedule[task] * weight for task, weight in self.weigh(trunk).items()}
        return weighted_sum(weights, trunk.rows), weights

    def own_weight(self, task: str) -> float:
        """Returns the factor of the gradient of a task's head."""
        return 1.0

    def _accumulate(
        self,
        losses: dict[str, Tensor],
        values: dict[str, Tensor],
        schedule: Mapping[str, float],
        scale: Callable[[Tensor], Tensor] | None,
    ) -> None:
        for number, (task, loss) in enumerate(losses.items()):
            own = [p for p in self.problem.own[task] if p.requires_grad]
            gradients = torch.autograd.grad(
                loss if scale is None else scale(loss),
                self._shared + own,
                retain_graph=number + 1 < len(losses),
                allow_unused=True,
            )
            row = self._rows.setdefault(task, {})
            for i, gradient in enumerate(gradients[: len(self._shared)]):
                if gradient is not None:
                    row[i] = row[i] + gradient.float() if i in row else gradient.float()
            weight = self.own_weight(task) * schedule[task]
            for parameter, gradient in zip(own, gradients[len(self._shared) :], strict=True):
                if gradient is not None:
                    gradient = gradient if weight == 1.0 else weight * gradient
                    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def _finish(
        self, values: dict[str, Tensor], schedule: Mapping[str, float], scale: Callable[[Tensor], Tensor] | None
    ) -> dict[str, float]:
        rows, self._rows = self._rows, {}
        self._reduce_gradients([p for task in rows for p in self.problem.own[task] if p.requires_grad])
        weights = {task: schedule[task] * self.own_weight(task) for task in rows}
        device = next(iter(values.values())).device
        factor = scale_factor(scale, device)
        # Methods are not all indifferent to a common factor, and a GradScaler's changes over time.
        trunks = [trunk.divided(factor) for trunk in self._trunks(rows, values)]
        if not all(trunk.is_finite for trunk in trunks):
            # Passed on as it is, so that the GradScaler skips the step or the loop reports it; nothing is learned.
            for trunk in trunks:
                self._write(trunk, torch.stack(list(trunk.rows.values())).sum(0) * factor)
            return weights
        with _exact_products(), self._own_random_numbers(device):
            for trunk in trunks:
                combined, of_trunk = self._combined(trunk, schedule)
                weights |= of_trunk
                self._write(trunk, combined * factor)
        return weights

    def _combined(self, trunk: Trunk, schedule: Mapping[str, float]) -> tuple[Tensor, dict[str, float]]:
        moving = trunk.without_still_tasks()
        if moving is None:
            return torch.zeros_like(next(iter(trunk.rows.values()))), dict.fromkeys(trunk.rows, 0.0)
        combined, weights = self.combine(moving, schedule)
        return combined, dict.fromkeys(trunk.rows, 0.0) | weights

    @contextmanager
    def _own_random_numbers(self, device: torch.device) -> Iterator[None]:
        """Those of seed and step: the same on every process and in a resumed run, and nobody else's are disturbed."""
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            # The generator takes 64 bits, and a run any seed of so many.
            torch.manual_seed(((self.problem.seed << 32) + self._step) % 2**64)
            yield

    def _trunks(self, rows: Mapping[str, dict[int, Tensor]], values: Mapping[str, Tensor]) -> list[Trunk]:
        """Returns the gradients to combine, over all processes."""
        if not self._shared:
            return []
        flags = torch.tensor([[i in row for i in range(len(self._shared))] for row in rows.values()], dtype=torch.float32)
        flags = flags.to(self._shared[0].device)
        if self.problem.reduce is not None:
            self.problem.reduce([flags])
        reached = {task: {i for i, flag in enumerate(own) if flag} for task, own in zip(rows, flags.tolist(), strict=True)}
        trunks = []
        for parameters, tasks in connected(reached):
            flat = {task: torch.cat([self._taken(rows[task], i) for i in parameters]) for task in tasks}
            trunks.append(Trunk(parameters, flat, {task: values[task] for task in tasks}))
        if self.problem.reduce is not None:
            self.problem.reduce([row for trunk in trunks for row in trunk.rows.values()])
        return trunks

    def _taken(self, row: dict[int, Tensor], i: int) -> Tensor:
        return (row.pop(i) if i in row else torch.zeros_like(self._shared[i], dtype=torch.float32)).reshape(-1)

    def _write(self, trunk: Trunk, vector: Tensor) -> None:
        sizes = [self._shared[i].numel() for i in trunk.parameters]
        for i, piece in zip(trunk.parameters, vector.split(sizes), strict=True):
            parameter = self._shared[i]
            gradient = torch.empty_like(parameter).copy_(piece.view_as(parameter))
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def scale_factor(scale: Callable[[Tensor], Tensor] | None, device: torch.device) -> float:
    """The factor of a ``GradScaler``'s ``scale`` at present; 1 without one."""
    return 1.0 if scale is None else float(scale(torch.ones((), device=device)))


def weighted_sum(weights: Mapping[str, float], rows: Mapping[str, Tensor]) -> Tensor:
    """Σ wᵢ gᵢ."""
    return torch.stack([weights[task] * row for task, row in rows.items()]).sum(0)


def nearest_weights(matrix: Tensor, combined: Tensor) -> list[float]:
    """The factors with which the rows of ``matrix`` (T, N) come nearest to a combination (N,) that was made in another way."""
    exact = matrix.double()
    # Rows of very different length would be lost in the inverse, so they get the same.
    lengths = exact.norm(dim=1).clamp(min=1e-300)
    units = exact / lengths[:, None]
    return (torch.linalg.pinv(units @ units.T, hermitian=True) @ (units @ combined.double()) / lengths).tolist()


@contextmanager
def _exact_products() -> Iterator[None]:
    """Inner products of gradients in all 24 bits. A network is trained well with 11 of them, but methods look at differences
    of such products."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before

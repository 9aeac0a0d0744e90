# SPDX-License-Identifier: Apache-2.0
"""The interface of every balancing method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn


@dataclass(frozen=True)
class Problem:
    """The tasks of a run and what they train.

    Attributes:
        factors: by task, what its loss is multiplied by before any method sees it; > 0.
        shared: parameters that more than one task may train.
        own: by task, the parameters that it alone trains.
        seed: of methods that draw; the same on every process.
        reduce: sums tensors over all processes, in place; None for one process.
    """

    factors: Mapping[str, float]
    shared: Sequence[nn.Parameter]
    own: Mapping[str, Sequence[nn.Parameter]]
    seed: int = 0
    reduce: Callable[[list[Tensor]], None] | None = None


class Settings(BaseModel, ABC):
    """The section ``balancing`` of a training configuration: the method's name and its settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    needs_tasks: ClassVar[int] = 2
    """Fewer tasks than this leave nothing to balance."""
    needs_shared: ClassVar[bool] = False
    """Whether it works on the gradients of shared parameters."""
    needs_validation: ClassVar[bool] = False
    """Whether it learns from held-out images."""
    needs_company: ClassVar[bool] = True
    """Whether it has nothing to weigh in a step that trains one task."""

    def check(self, tasks: Collection[str]) -> None:
        """Raises:
        ValueError: this method can't balance these tasks.
        """
        if len(tasks) < self.needs_tasks:
            raise ValueError(
                f"balancing method '{self.method}' needs at least {self.needs_tasks} tasks, got {len(tasks)} "
                f"({', '.join(tasks)}); choose 'fixed' or train more tasks"
            )

    def check_network(self, shared_by: Sequence[Collection[str]]) -> None:
        """Args:
            shared_by: the sets of tasks that train weights together.

        Raises:
            ValueError: this method works on shared parameters, and the network has none, or none that it could act on.
        """
        if self.needs_shared and not shared_by:
            raise ValueError(
                f"balancing method '{self.method}' combines the gradients of shared parameters, and these tasks share none; "
                "choose 'fixed' or another method that weighs losses, or another kind of sharing"
            )

    @property
    def idle(self) -> tuple[int, str]:
        """Steps at the start in which it only looks on, and the setting that says so."""
        return 0, ""

    def acts_on(self, tasks: Collection[str]) -> bool:
        """Whether it does anything but a mean for tasks that share weights."""
        return len(tasks) > 1

    def remarks(self, shared_by: Sequence[Collection[str]], steps: int | None) -> list[str]:
        """Returns what a user should know before a run: where the method can't act, or hardly.

        Args:
            shared_by: the sets of tasks that train weights together.
            steps: of the run; None if nobody knows.
        """
        found = []
        idle, setting = self.idle
        if steps is not None and idle >= steps:
            found.append(
                f"balancing: '{self.method}' never acts in this run: it begins after {idle} steps, the run has {steps}; lower '{setting}'"
            )
        elif steps is not None and 2 * idle > steps:
            found.append(
                f"balancing: '{self.method}' begins to act after {idle} of {steps} steps; lower '{setting}' to give it more of them"
            )
        if self.needs_shared and not any(self.acts_on(tasks) for tasks in shared_by):
            groups = "; ".join(", ".join(tasks) for tasks in shared_by)
            found.append(f"balancing: '{self.method}' is a plain mean here: too few tasks share weights ({groups})")
        return found

    @abstractmethod
    def build(self, problem: Problem) -> Balancer:
        """The method at the start of a run."""


class Balancer(ABC):
    """Turns the losses of several tasks into one gradient.

    A task that a batch has no label for is missing from ``losses``: it gets no gradient, what was learned about it
    stays as it is, and the other tasks are treated as if it did not exist.

    Attributes:
        wants_losses_after_step: ``after_step`` must be called with the step's losses once the optimiser has stepped.
        wants_validation: ``see_validation`` must be called with the losses of held-out images before each step.
    """

    wants_losses_after_step: ClassVar[bool] = False
    wants_validation: ClassVar[bool] = False

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._step = 0
        self._values: dict[str, Tensor] = {}

    def backward(
        self,
        losses: Mapping[str, Tensor],
        values: Mapping[str, Tensor] | None = None,
        whole: Mapping[str, Tensor] | None = None,
        scale: Callable[[Tensor], Tensor] | None = None,
        last: bool = True,
        regulariser: Tensor | None = None,
        schedule: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """Add this batch's gradient to ``.grad`` of every parameter that one of its tasks trains.

        With several processes each passes its part of the global loss (its sum over the global count), all for the
        same tasks; after the last batch of a step ``.grad`` is the same everywhere, the sum of the parts. Under gradient
        accumulation likewise: the losses of a step's batches add up to the step's loss.

        Args:
            losses: by task, a scalar with its graph.
            values: by task, the non-negative scalar that methods look at which weigh tasks by their loss; the losses
                themselves if None. It differs where a loss contains a likelihood, which may be negative.
            whole: under gradient accumulation by task the sum of ``values`` over the step's batches, the same for each of
                them. None: this batch is all of the step; if it is not, methods that weigh losses weigh it by itself.
            scale: a ``GradScaler``'s ``scale``.
            last: False for a batch after which more batches of the same step follow.
            regulariser: added to the loss as it is, once a step.
            schedule: of the task schedule, by task: what its part of the gradient is multiplied by, however the method
                weighs it. The same for all batches of a step; None: 1 for all.

        Returns:
            By task, its weight in the gradient of the shared parameters; for the log.
        """
        unknown = sorted(set(losses) - set(self.problem.factors))
        if unknown:
            raise ValueError(f"losses of tasks {', '.join(unknown)}, which are not among {', '.join(self.problem.factors)}")
        factors = self.problem.factors
        emphasis = dict.fromkeys(factors, 1.0) | dict(schedule or {})
        if losses:
            looked_at = {task: (losses if values is None else values)[task] for task in losses}
            seen = self._of_all_processes(looked_at if whole is None else whole)
            if whole is None:
                for task, value in seen.items():
                    self._values[task] = self._values.get(task, 0.0) + value
            else:
                self._values = seen
            self._accumulate({task: factors[task] * loss for task, loss in losses.items()}, seen, emphasis, scale)
        weights: dict[str, float] = {}
        if last:
            if self._values:
                weights = self._finish(self._values, emphasis, scale)
            self._values = {}
            self._step += 1
        if regulariser is not None and last:
            # After the sum over processes, or it would be counted once for each of them.
            (regulariser if scale is None else scale(regulariser)).backward()
        return weights

    @abstractmethod
    def _accumulate(
        self,
        losses: dict[str, Tensor],
        values: dict[str, Tensor],
        schedule: Mapping[str, float],
        scale: Callable[[Tensor], Tensor] | None,
    ) -> None:
        """One batch of a step. ``values`` are those of all processes together, and of the whole step if it is known."""

    @abstractmethod
    def _finish(
        self, values: dict[str, Tensor], schedule: Mapping[str, float], scale: Callable[[Tensor], Tensor] | None
    ) -> dict[str, float]:
        """After a step's last batch: leave the final gradient in ``.grad``, learn from the step's mean ``values``, and
        return the weights that were used."""

    def after_step(self, losses: Mapping[str, Tensor]) -> None:
        """Returns the losses of the step's batches (their mean losses, or ``values``) with the parameters that the optimiser has just
        made."""

    def see_validation(self, losses: Mapping[str, Tensor], scale: Callable[[Tensor], Tensor] | None = None) -> None:
        """Losses of held-out images, with their graphs, at the parameters of the step that follows. Those of several batches
        before one step add up. ``scale`` as for ``backward``."""

    def state_dict(self) -> dict[str, Any]:
        """Returns what a resumed run needs: tensors, numbers, strings and containers of them."""
        return {"step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where ``state`` was taken."""
        self._step = int(state["step"])

    def _of_all_processes(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Losses of this process, times the tasks' factors, summed over all processes."""
        values = {task: self.problem.factors[task] * value.detach() for task, value in values.items()}
        if self.problem.reduce is None or not values:
            return values
        stacked = torch.stack(list(values.values()))
        self.problem.reduce([stacked])
        return dict(zip(values, stacked.unbind(), strict=True))

    def _reduce_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum ``.grad`` over the processes. One that no process has a gradient for stays None, so that momentum and
        weight decay leave it alone."""
        if self.problem.reduce is None or not parameters:
            return
        reached = torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device)
        self.problem.reduce([reached])
        gradients = []
        for parameter, anywhere in zip(parameters, reached.tolist(), strict=True):
            if anywhere:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
        self.problem.reduce(gradients)

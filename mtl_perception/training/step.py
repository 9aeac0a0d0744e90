# SPDX-License-Identifier: Apache-2.0
"""One optimiser step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mtl_perception.data.batch import Batch
from mtl_perception.training.config import TrainingConfig
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.learner import Learner
from mtl_perception.training.losses import TaskLosses, task_losses
from mtl_perception.training.watch import LossWatch


class Step:
    """Moves a network by the batches of one step: forward, losses, balanced gradient, clipping, optimiser.

    Attributes:
        weights: by task, its weight in the last step's gradient.
    """

    def __init__(
        self,
        config: TrainingConfig,
        learner: Learner,
        device: torch.device,
        ranks: Ranks,
        watch: LossWatch,
    ) -> None:
        self._config, self._device, self._ranks, self._watch = config, device, ranks, watch
        self._network, self._optimizer, self._balancer = learner.network, learner.optimizer, learner.balancer
        self._precision, self._small_heads = learner.precision, learner.small_heads
        self._tasks = {task: learner.network.tasks[task] for task in config.tasks}
        self.weights: dict[str, float] = {}

    def __call__(
        self, number: int, learning_rate: float, batches: Sequence[Batch], present: Sequence[Sequence[str]], factors: Mapping[str, float]
    ) -> None:
        """Train on ``batches``, the parts of one step.

        Args:
            number: of the step, for messages.
            present: for each part the tasks that it has labels for in any process.
            factors: of the task schedule, by task; 0 leaves a task out.

        Raises:
            TrainingDiverged: a loss or a gradient is not finite; on a GPU up to some steps later.
        """
        wanted = [[task for task in tasks if factors[task] > 0] for tasks in present]
        parts = {task: sum(task in tasks for tasks in wanted) for task in self._tasks}
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate * group["rate"]
        self._optimizer.zero_grad(set_to_none=True)
        self.weights = dict.fromkeys(self._tasks, 0.0)
        terms: dict[str, Tensor] = {}
        for i, (batch, tasks) in enumerate(zip(batches, wanted, strict=True)):
            found = self.losses(batch.to(self._device), tasks)
            last = i == len(batches) - 1
            shares = {task: 1 / parts[task] for task in found.losses}
            losses = {task: factors[task] * loss for task, loss in found.losses.items()}
            regulariser = self._network.regulariser() if last else None
            weights = self._balancer.backward(losses, found.values, shares, self._precision.scale, last, regulariser)
            self.weights |= {task: factors[task] * weight for task, weight in weights.items()}
            for name, value in found.terms.items():
                part = value * shares[name.partition("/")[0]]
                terms[name] = terms[name] + part if name in terms else part
        self._move(number, terms, [name for batch in batches for name in batch.names])
        if self._balancer.wants_losses_after_step:
            with torch.no_grad():
                self._balancer.after_step(self.losses(batches[-1].to(self._device), wanted[-1]).values)

    def see_validation(self, batch: Batch, tasks: Sequence[str]) -> None:
        """Show a balancing method that wants it what a held-out batch costs now."""
        self._balancer.see_validation(self.losses(batch.to(self._device), tasks).losses)

    def losses(self, batch: Batch, tasks: Sequence[str]) -> TaskLosses:
        """What ``batch``, already on the device, costs ``tasks``."""
        with self._precision.autocast():
            pyramids = self._network.pyramids(batch.images, tasks)
            raw = {task: self._network.heads[task](features) for task, features in pyramids.items()}
            small = None if self._small_heads is None else self._small_heads(pyramids)
        found = task_losses(raw, batch, self._tasks, tasks, self._ranks)
        if small is None:
            return found
        # Methods that weigh tasks by their loss look at the real heads alone.
        beside, weight = task_losses(small, batch, self._tasks, tasks, self._ranks), self._config.small_heads.weight
        losses = {task: loss + weight * beside.losses[task] for task, loss in found.losses.items()}
        terms = {f"{name} of the small head": value for name, value in beside.terms.items()}
        return TaskLosses(losses, found.values, found.terms | terms)

    def _move(self, number: int, terms: Mapping[str, Tensor], files: Sequence[str]) -> None:
        scaler = self._precision.scaler
        moved = [p for group in self._optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not moved:
            return
        if scaler is not None:
            scaler.unscale_(self._optimizer)
        norm = nn.utils.clip_grad_norm_(moved, self._config.gradient_norm)
        self._watch.add(number, {**terms, LossWatch.GRADIENT: norm}, files)
        if scaler is None:
            self._optimizer.step()
        else:
            scaler.step(self._optimizer)
            scaler.update()

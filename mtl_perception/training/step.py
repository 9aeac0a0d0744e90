# SPDX-License-Identifier: Apache-2.0
"""One optimiser step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mtl_perception.data.batch import Batch
from mtl_perception.training.batch_norm import running_statistics_kept
from mtl_perception.training.cam_targets import CamTeacher
from mtl_perception.training.config import TrainingConfig
from mtl_perception.training.difficulty import image_losses
from mtl_perception.training.distillation import Teacher
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.learner import Learner
from mtl_perception.training.losses import Summed, TaskLosses, added, divided, loss_terms, summed
from mtl_perception.training.randomness import RandomState, drawing_again, random_state
from mtl_perception.training.watch import LossWatch


class Step:
    """Moves a network by the batches of one step: forward, losses, balanced gradient, clipping, optimiser.

    Attributes:
        weights: by task, its weight in the last step's gradient.
        image_losses: of each part of the last step, (B, tasks) the loss of each image; empty unless they are measured.

    Args:
        teacher: adds to the losses what the network is to keep.
        measures_images: whether the loss of each image is wanted.
    """

    def __init__(
        self,
        config: TrainingConfig,
        learner: Learner,
        device: torch.device,
        ranks: Ranks,
        watch: LossWatch,
        teacher: Teacher | None = None,
        measures_images: bool = False,
    ) -> None:
        self._config, self._device, self._ranks, self._watch = config, device, ranks, watch
        self._network, self._optimizer, self._balancer = learner.network, learner.optimizer, learner.balancer
        self._precision, self._small_heads = learner.precision, learner.small_heads
        self._teacher, self._gate = teacher, learner.gate
        self._tasks = {task: learner.network.tasks[task] for task in config.tasks}
        self._cam: CamTeacher | None = None
        if config.cam_targets is not None:
            self._cam = CamTeacher(config.cam_targets, self._tasks, learner.network.heads)
        self._moved = [self._network] if self._small_heads is None else [self._network, self._small_heads]
        self.weights: dict[str, float] = {}
        self._measures_images = measures_images
        self.image_losses: list[Tensor] = []

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
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate * group["rate"]
        self._optimizer.zero_grad(set_to_none=True)
        self.weights = dict.fromkeys(self._tasks, 0.0)
        self.image_losses = []
        draws = random_state(self._device)
        whole = self._look_at(batches, wanted, draws) if len(batches) > 1 else None
        step_values = None if whole is None else divided(whole).values
        terms: dict[str, Tensor] = {}
        for i, (batch, tasks) in enumerate(zip(batches, wanted, strict=True)):
            found = divided(self._sums(batch.to(self._device), tasks, self._measures_images), whole)
            last = i == len(batches) - 1
            regulariser = self._network.regulariser() if last else None
            self.weights |= self._balancer.backward(
                found.losses, found.values, step_values, self._precision.scale, last, regulariser, factors
            )
            for name, value in found.terms.items():
                terms[name] = terms[name] + value if name in terms else value
        self._move(number, terms, [name for batch in batches for name in batch.names])
        if self._balancer.wants_losses_after_step:
            self._balancer.after_step(divided(self._look_at(batches, wanted, draws)).values)

    def see_validation(self, batches: Sequence[Batch], present: Sequence[Sequence[str]]) -> None:
        """Show a balancing method that wants it what held-out ``batches``, the parts of a step, cost now; nothing else is learned
        from them."""
        whole = self._look_at(batches, present, random_state(self._device)) if len(batches) > 1 else None
        with running_statistics_kept(*self._moved):
            for batch, tasks in zip(batches, present, strict=True):
                losses = divided(self._sums(batch.to(self._device), tasks), whole).losses
                self._balancer.see_validation(losses, self._precision.scale)

    def losses(self, batch: Batch, tasks: Sequence[str]) -> TaskLosses:
        """Returns the losses of ``tasks`` on ``batch``, which is on the device already."""
        return divided(self._sums(batch, tasks))

    @torch.no_grad()
    def _look_at(self, batches: Sequence[Batch], wanted: Sequence[Sequence[str]], draws: RandomState) -> dict[str, Summed]:
        """The terms of all ``batches`` together, of the very network that is trained on them: with the same paths dropped."""
        with running_statistics_kept(*self._moved), drawing_again(draws):
            return added(self._sums(batch.to(self._device), tasks) for batch, tasks in zip(batches, wanted, strict=True))

    def _sums(self, batch: Batch, tasks: Sequence[str], measures_images: bool = False) -> dict[str, Summed]:
        with self._precision.autocast():
            taught = [] if self._teacher is None else self._teacher.tasks
            pyramids = seen = self._network.pyramids(batch.images, [task for task in self._tasks if task in tasks or task in taught])
            if self._gate is not None:
                pyramids = {task: self._gate(task, features) for task, features in pyramids.items()}
            raw = {task: self._network.heads[task](features) for task, features in pyramids.items()}
            small = None if self._small_heads is None else self._small_heads(pyramids)
        terms = loss_terms(raw, batch, self._tasks, tasks)
        if measures_images:
            self.image_losses.append(image_losses(raw, batch, self._tasks, tasks))
        if self._teacher is not None:
            with self._precision.autocast():
                terms |= self._teacher.terms(raw, batch, seen)
        if self._cam is not None and all(task in tasks for task in self._cam.needed):
            with self._precision.autocast():
                terms |= self._cam.terms(pyramids[self._cam.needed[0]], raw, batch)
        if small is not None:
            weight = self._config.small_heads.weight
            for name, term in loss_terms(small, batch, self._tasks, tasks).items():
                # Methods that weigh tasks by their loss look at the real heads alone.
                terms[f"{name} of the small head"] = term._replace(weight=weight * term.weight, balanced=False)
        return summed(terms, self._ranks)

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

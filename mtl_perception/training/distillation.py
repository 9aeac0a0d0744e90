# SPDX-License-Identifier: Apache-2.0
"""A frozen network that says of new pictures what it would have said of them, so that its student goes on saying so.

Learning without Forgetting (Li and Hoiem, ECCV 2016), for every kind of head. Where the labels of a picture speak, they are
right; the teacher speaks of the tasks and classes that nobody labelled there, and in replayed pictures of all that it knows.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor

from mtl_perception.core.resources import find_model
from mtl_perception.data.batch import Batch
from mtl_perception.model.checkpoint import load_checkpoint
from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.tasks import LossTerm
from mtl_perception.tasks._likeness import Lesson


class Teacher:
    """The network that a fine-tuning starts from, as it was.

    Attributes:
        tasks: those that it teaches: it knows them, and something of the student's may still change their answers.

    Args:
        start: a checkpoint, or the name of a shipped model.
        student: in training; its frozen parameters are known.
        replay: folders in whose pictures the teacher speaks of everything.
        weight: of its terms in the loss.
    """

    def __init__(self, start: Path, student: MultiTaskNetwork, replay: Collection[Path], weight: float, device: torch.device) -> None:
        network, _ = load_checkpoint(find_model(start))
        self._network = network.to(device, memory_format=torch.channels_last).requires_grad_(False)
        self._student_tasks, self._weight = student.tasks, weight
        self._replay = tuple(f"{path}/" for path in replay)
        trunk_moves = any(p.requires_grad for p in student.shared_parameters())
        known = [name for name, task in student.tasks.items() if name in network.tasks and task.agrees_with(network.tasks[name])]
        self.tasks = [name for name in known if trunk_moves or any(p.requires_grad for p in student.heads[name].parameters())]
        self._columns = {
            name: torch.tensor([student.tasks[name].labels.index(label) for label in network.tasks[name].labels], device=device)
            for name in self.tasks
        }

    def terms(self, raw: dict[str, dict[str, Tensor]], batch: Batch) -> dict[str, LossTerm]:
        """By "task/term", how far what the student said of ``batch``, on the device, is from what the teacher says of it."""
        with torch.no_grad():
            said = self._network(batch.images, self.tasks)
        replayed = torch.tensor([name.startswith(self._replay) for name in batch.names], device=batch.images.device)
        found: dict[str, LossTerm] = {}
        for name in self.tasks:
            task = self._student_tasks[name]
            lesson = Lesson(raw[name], said[name], self._columns[name], batch.labelled[name] & ~replayed, batch.targets[name])
            for term, value in task.likeness(lesson).items():
                found[f"{name}/kept_{term}"] = value._replace(weight=self._weight * value.weight)
        return found

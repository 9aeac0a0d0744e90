# SPDX-License-Identifier: Apache-2.0
"""A frozen network that says of new pictures what it would have said of them, so that its student goes on saying so.

Learning without Forgetting (Li and Hoiem, ECCV 2016), for every kind of head. Where the labels of a picture speak, they are
right; the teacher speaks of the tasks and classes that nobody labelled there, and in replayed pictures of all that it knows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mtl_perception.data.batch import Batch
from mtl_perception.model.checkpoint import CheckpointError, find_checkpoint, load_checkpoint
from mtl_perception.model.network import Features, MultiTaskNetwork
from mtl_perception.tasks import LossTerm
from mtl_perception.tasks._distillation import DistillationBatch


class Teacher:
    """The network that a fine-tuning starts from, as it was.

    Attributes:
        tasks: those that it teaches: it knows them, and something of the student's may still change their answers.

    Args:
        path: a checkpoint, or the name of a shipped model.
        student: in training; its frozen parameters are known.
        replay: folders in whose pictures the teacher speaks of everything.
        weights: of its terms in the loss, by the tasks that it is asked about.

    Raises:
        CheckpointError: there is none, it knows none of these tasks, or a class of one that the student does not have.
    """

    def __init__(
        self, path: Path, student: MultiTaskNetwork, replay: Collection[Path], weights: Mapping[str, float], device: torch.device
    ) -> None:
        network, _ = load_checkpoint(find_checkpoint(path, "finetuning: teacher"))
        self._network = network.to(device, memory_format=torch.channels_last).requires_grad_(False)
        self._student_tasks, self._weights = student.tasks, weights
        self._replay = tuple(f"{path}/" for path in replay)
        trunk_moves = any(p.requires_grad for p in student.shared_parameters())
        known = [name for name in weights if name in network.tasks and student.tasks[name].agrees_with(network.tasks[name])]
        for name in known:
            more = [label for label in network.tasks[name].labels if label not in student.tasks[name].labels]
            if more:
                raise CheckpointError(f"finetuning: the teacher {path} knows the class '{more[0]}' of {name}, which is not trained here")
        if not known:
            raise CheckpointError(
                f"finetuning: the teacher {path} knows {', '.join(network.tasks)}; expected a network that knows one of "
                f"{', '.join(weights)}, with the settings that it has here"
            )
        self.tasks = [name for name in known if trunk_moves or any(p.requires_grad for p in student.heads[name].parameters())]
        # The frozen trunk of a student that began with this one has the same features: no need to find them twice.
        self._sees_the_same = not trunk_moves and _same_trunk(network, student)
        self._columns = {
            name: torch.tensor([student.tasks[name].labels.index(label) for label in network.tasks[name].labels], device=device)
            for name in self.tasks
        }

    def terms(self, raw: dict[str, dict[str, Tensor]], batch: Batch, pyramids: Mapping[str, Features] | None = None) -> dict[str, LossTerm]:
        """By "task/term", how far what the student said of ``batch``, on the device, is from what the teacher says of it.

        Args:
            pyramids: by task, what the student's heads saw; not looked for again where the teacher sees the same.
        """
        with torch.no_grad():
            if self._sees_the_same and pyramids is not None:
                said = {name: self._network.heads[name](pyramids[name]) for name in self.tasks}
            else:
                said = self._network(batch.images, self.tasks)
        replayed = torch.tensor([name.startswith(self._replay) for name in batch.names], device=batch.images.device)
        found: dict[str, LossTerm] = {}
        for name in self.tasks:
            task = self._student_tasks[name]
            answers = DistillationBatch(raw[name], said[name], self._columns[name], batch.labelled[name] & ~replayed, batch.targets[name])
            for term, value in task.distillation_loss(answers).items():
                found[f"{name}/kept_{term}"] = value._replace(weight=self._weights[name] * value.weight)
        return found


def _same_trunk(one: MultiTaskNetwork, other: MultiTaskNetwork) -> bool:
    """Whether what is under the heads is the same, weight by weight."""
    mine, theirs = ({key: value for key, value in n.state_dict().items() if not key.startswith("heads.")} for n in (one, other))
    gains = one.architecture.channel_gains == other.architecture.channel_gains
    return gains and mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)

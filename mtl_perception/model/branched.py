# SPDX-License-Identifier: Apache-2.0
"""A network with a branch: a path of its own to the last classes of one task, beside all that was there before."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor, nn

from mtl_perception.model.encoders import LEVELS, build_encoder
from mtl_perception.model.necks import build_coarse_neck
from mtl_perception.model.network import Architecture, Features, MultiTaskNetwork
from mtl_perception.tasks import Task

PREFIX = "branch_"
"""Before the names of the branch's levels in the pyramid that the head of its task sees."""


class BranchedNetwork(MultiTaskNetwork):
    """``encoder``, ``neck`` and heads are the network as it was. The branch goes on from one of the encoder's stages with stages and a neck of
    its own, ``branch``, to a head of its own, which is a part of its task's.

    Raises:
        ValueError: the task is unknown or can't have a branch, or the classes are not the last ones of it.
    """

    def __init__(self, architecture: Architecture, tasks: Mapping[str, Task]) -> None:
        assert architecture.branch is not None
        task, own = architecture.branch.task, architecture.branch.labels
        if task not in tasks:
            raise ValueError(f"the branch is of task '{task}', expected one of: {', '.join(tasks)}")
        labels = tasks[task].labels
        if labels == own or labels[-len(own) :] != own:
            raise ValueError(f"the branch's classes are {', '.join(own)}; expected the last, and not all, of {', '.join(labels)}")
        super().__init__(architecture, tasks)

    def build_trunk(self) -> None:
        super().build_trunk()
        encoder = build_encoder(self.architecture.encoder)
        encoder.begin_behind(self.architecture.branch.stages)
        neck = build_coarse_neck(self.architecture.neck, encoder.channels, self.architecture.neck_channels)
        self.branch = nn.ModuleDict({"encoder": encoder, "neck": neck})

    def build_head(self, task: str) -> nn.Module:
        architecture = self.architecture
        if task != architecture.branch.task:
            return super().build_head(task)
        return self.tasks[task].build_branched_head(architecture.neck_channels, architecture.heads, len(architecture.branch.labels), PREFIX)

    def features(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        levels = self.encoder.levels(images)
        shared = self.neck(self.encoder.aggregated(levels))
        task = self.architecture.branch.task
        of_branch = self._branched(levels) if task in tasks else {}
        return dict.fromkeys(tasks, shared) | ({task: shared | of_branch} if of_branch else {})

    def _branched(self, levels: Features) -> Features:
        """The branch's pyramid, from what the shared stages gave."""
        common = LEVELS[: self.architecture.branch.stages]
        encoder, neck = self.branch["encoder"], self.branch["neck"]
        own = {level: levels[level] for level in common} | encoder.levels(levels[common[-1]])
        return {f"{PREFIX}{level}": feature for level, feature in neck.coarse(encoder.aggregated(own)).items()}

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """The head, and for the branch's task the branch."""
        own = self.branch.parameters() if task == self.architecture.branch.task else ()
        return [*own, *super().task_parameters(task)]

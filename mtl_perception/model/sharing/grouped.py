# SPDX-License-Identifier: Apache-2.0
"""Networks in which groups of tasks have an encoder and a neck of their own."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection

import torch
from torch import Tensor, nn

from mtl_perception.model.encoders import build_encoder
from mtl_perception.model.network import AxisNames, Features, MultiTaskNetwork


class GroupedNetwork(MultiTaskNetwork):
    """Each group is a small network with hard sharing; a group none of whose tasks is asked for does not run."""

    def build_trunk(self) -> None:
        architecture = self.architecture
        self.groups = {"_".join(group): tuple(group) for group in self.grouping()}
        names = getattr(architecture.sharing, "encoders", None) or [architecture.encoder] * len(self.groups)
        self.encoders = nn.ModuleDict({group: build_encoder(name) for group, name in zip(self.groups, names, strict=True)})
        self.necks = nn.ModuleDict({group: self.build_neck(encoder) for group, encoder in self.encoders.items()})

    def grouping(self) -> list[list[str]]:
        """The tasks of each group, as the settings name them."""
        return self.architecture.sharing.groups

    def features(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        found: dict[str, Features] = {}
        for group, members in self.groups.items():
            wanted = [task for task in members if task in tasks]
            if wanted:
                features = self.necks[group](self.encoders[group](images))
                found |= dict.fromkeys(wanted, features)  # pyright: ignore[reportAssignmentType]
        return found

    def shared_parameters(self) -> list[nn.Parameter]:
        """Encoder and neck of each group that has more than one task."""
        several = [group for group, members in self.groups.items() if len(members) > 1]
        return [p for group in several for p in self._trunk_parameters(group)]

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """The head; encoder and neck too if the task has them for itself."""
        alone = [group for group, members in self.groups.items() if members == (task,)]
        return [*(p for group in alone for p in self._trunk_parameters(group)), *super().task_parameters(task)]

    def _trunk_parameters(self, group: str) -> list[nn.Parameter]:
        return [*self.encoders[group].parameters(), *self.necks[group].parameters()]


class SoftNetwork(GroupedNetwork):
    """A group for each task. All start from the same weights, so that the penalty starts at 0."""

    def build_trunk(self) -> None:
        super().build_trunk()
        _start_alike(self.encoders)
        _start_alike(self.necks)

    def grouping(self) -> list[list[str]]:
        return [[task] for task in self.tasks]

    def regulariser(self) -> Tensor:
        """λ/2 Σ ‖θₜ − mean θ‖² over the tasks' encoders and necks."""
        distances = []
        for same in zip(*(self._trunk_parameters(group) for group in self.groups), strict=True):
            stacked = torch.stack(same)
            distances.append((stacked - stacked.mean(0)).square().sum())
        return self.architecture.sharing.strength / 2 * torch.stack(distances).sum()


class CrossStitchNetwork(GroupedNetwork):
    """A group for each task, whose features are mixed after every stage: channel c of task i becomes Σⱼ αᵢⱼ꜀ xⱼ꜀.

    Whatever is asked for, all encoders run; necks and heads only of the tasks that are. The encoders start from the same
    weights, so that a channel means the same to all.
    """

    def build_trunk(self) -> None:
        super().build_trunk()
        _start_alike(self.encoders)
        count, own = len(self.tasks), self.architecture.sharing.own_share
        start = torch.full((count, count), (1 - own) / (count - 1)).fill_diagonal_(own)
        channels = next(iter(self.encoders.values())).channels
        self.stitches = nn.ParameterList([nn.Parameter(start[:, :, None].repeat(1, 1, c)) for c in channels])  # pyright: ignore[reportGeneralTypeIssues]

    def grouping(self) -> list[list[str]]:
        return [[task] for task in self.tasks]

    def features(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        streams = [images] * len(self.groups)
        levels: list[Features] = [{} for _ in self.groups]
        stages = zip(*(encoder.staged() for encoder in self.encoders.values()), strict=True)
        for mixture, stage in zip(self.stitches, stages, strict=True):
            level = stage[0][0]
            outputs = [module(stream) for (_, module), stream in zip(stage, streams, strict=True)]
            streams = [_mix(row, outputs) for row in mixture.unbind()]
            for found, stream in zip(levels, streams, strict=True):
                found[level] = stream
        return {t: self.necks[t](self.encoders[t].aggregated(found)) for t, found in zip(self.groups, levels, strict=True) if t in tasks}

    def shared_parameters(self) -> list[nn.Parameter]:
        """The encoders and the mixtures: each task's loss depends on all of them."""
        return [*itertools.chain(self.encoders.parameters(), self.stitches.parameters())]

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """Neck and head."""
        return [*self.necks[task].parameters(), *self.heads[task].parameters()]

    def named_axes(self) -> dict[str, AxisNames]:
        """The mixtures too: to which task's stream, from which."""
        tasks = list(self.groups)
        return super().named_axes() | {f"stitches.{i}": (tasks, tasks) for i in range(len(self.stitches))}


def _mix(weights: Tensor, streams: list[Tensor]) -> Tensor:
    """(T, C) weights, T times (B, C, H, W) → (B, C, H, W)."""
    return torch.stack([w[:, None, None].to(x.dtype) * x for w, x in zip(weights.unbind(), streams, strict=True)]).sum(0)


def _start_alike(modules: nn.ModuleDict) -> None:
    first = next(iter(modules.values()))
    for name in list(modules)[1:]:
        modules[name] = copy.deepcopy(first)

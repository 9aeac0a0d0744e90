# SPDX-License-Identifier: Apache-2.0
"""Small heads beside the real ones, in training only."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from mtl_perception.model.network import Features
from mtl_perception.tasks import Task

LEVELS = ("p2", "p3", "p4", "p5")


class SmallHeads(nn.Module):
    """A second head for each task that sees the pyramid through a few channels only.

    A head with too few parameters to make up for poor features leaves the work to the shared part. No checkpoint holds
    them.
    """

    def __init__(self, tasks: Mapping[str, Task], neck_channels: int, channels: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: _SmallHead(task, neck_channels, channels) for name, task in tasks.items()})

    def forward(self, pyramids: Mapping[str, Features]) -> dict[str, dict[str, Tensor]]:
        """For each task the raw tensors of its small head, as those of the real one."""
        return {task: self.heads[task](features) for task, features in pyramids.items()}


class _SmallHead(nn.Module):
    def __init__(self, task: Task, neck_channels: int, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.ModuleDict({level: nn.Conv2d(neck_channels, channels, 1) for level in LEVELS})
        self.head = task.build_head(channels)

    def forward(self, features: Features) -> dict[str, Tensor]:
        return self.head({level: squeeze(features[level]) for level, squeeze in self.squeeze.items()})

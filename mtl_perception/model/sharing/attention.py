# SPDX-License-Identifier: Apache-2.0
"""Attention per task over one shared encoder (MTAN: Liu, Johns, Davison, "End-to-end multi-task learning with attention", CVPR 2019)."""

from __future__ import annotations

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.core.layers import ConvNormAct
from mtl_perception.model.encoders import LEVELS
from mtl_perception.model.network import Features, MultiTaskNetwork


class TaskAttention(nn.Module):
    """Soft masks of one task over the encoder's levels, each from the level and from what the task attended to on the finer one."""

    def __init__(self, channels: tuple[int, ...], reduction: int) -> None:
        super().__init__()
        self.masks = nn.ModuleList()
        self.passed_on = nn.ModuleList()
        before = 0
        for i, count in enumerate(channels):
            inner = max(count // reduction, 8)
            self.masks.append(nn.Sequential(ConvNormAct(count + before, inner, 1), nn.Conv2d(inner, count, 1)))
            if i < len(channels) - 1:
                before = inner
                self.passed_on.append(ConvNormAct(count, before, 1))

    def forward(self, features: Features) -> Features:
        """{"c2" … "c5"} of the encoder → the same, attended to."""
        attended: Features = {}
        before: list[Tensor] = []
        for i, level in enumerate(LEVELS):
            x = features[level]
            attended[level] = torch.sigmoid(self.masks[i](torch.cat([x, *before], 1))) * x
            if i < len(self.passed_on):
                before = [F.max_pool2d(self.passed_on[i](attended[level]), 2)]
        return attended


class AttentionNetwork(MultiTaskNetwork):
    """One encoder, a task's own attention over its levels, and one neck, run once for each task that is asked for.

    The masks are made from the levels after the encoder's stages, not within them, so that any encoder serves.
    """

    def build_trunk(self) -> None:
        super().build_trunk()
        reduction = self.architecture.sharing.reduction
        self.attention = nn.ModuleDict({task: TaskAttention(self.encoder.channels, reduction) for task in self.tasks})

    def features(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        shared = self.encoder(images)
        return {task: self.neck(self.attention[task](shared)) for task in tasks}

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """Attention and head."""
        return [*self.attention[task].parameters(), *super().task_parameters(task)]

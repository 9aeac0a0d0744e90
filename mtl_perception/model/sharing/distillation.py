# SPDX-License-Identifier: Apache-2.0
"""Messages between the tasks' decoders (PAD-Net: Xu et al., "PAD-Net: multi-tasks guided prediction-and-distillation network", CVPR 2018)."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from mtl_perception.core.layers import SeparableConv
from mtl_perception.model.network import Features, MultiTaskNetwork
from mtl_perception.model.sharing.experts import PYRAMID, Expert


class DistillationNetwork(MultiTaskNetwork):
    """Each task has features of its own over one neck, and adds to them what the others send through its gate (the paper's module C):
    Fₜ + σ(Gₜ Fₜ) ⊙ Σₛ Mₛₜ Fₛ.

    The paper supervises predictions made from F too; here the heads' losses alone reach it. All tasks' features run, whatever is
    asked for; heads only of the tasks that are.
    """

    def build_trunk(self) -> None:
        super().build_trunk()
        channels, tasks = self.architecture.neck_channels, list(self.tasks)
        self.own = nn.ModuleDict({task: Expert(channels) for task in tasks})
        self.gates = nn.ModuleDict({task: nn.ModuleDict({level: nn.Conv2d(channels, channels, 1) for level in PYRAMID}) for task in tasks})
        self.messages = nn.ModuleDict({task: nn.ModuleDict({level: SeparableConv(channels) for level in PYRAMID}) for task in tasks})

    def features(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        pyramid = self.neck(self.encoder(images))
        own = {task: expert(pyramid) for task, expert in self.own.items()}
        sent = {task: {level: self.messages[task][level](own[task][level]) for level in PYRAMID} for task in own}
        return {task: {level: self._received(task, level, own, sent) for level in PYRAMID} for task in tasks}

    def _received(self, task: str, level: str, own: dict[str, Features], sent: dict[str, Features]) -> Tensor:
        mine = own[task][level]
        others = torch.stack([sent[other][level] for other in own if other != task]).sum(0)
        return mine + torch.sigmoid(self.gates[task][level](mine)) * others

    def shared_parameters(self) -> list[nn.Parameter]:
        """Encoder, neck, and every task's features and messages, which reach all heads."""
        return [*super().shared_parameters(), *self.own.parameters(), *self.messages.parameters()]

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """Gates and head."""
        return [*self.gates[task].parameters(), *super().task_parameters(task)]

# SPDX-License-Identifier: Apache-2.0
"""Mixtures of experts on the pyramid: small convolutions that every task weighs for itself, image by image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from mtl_perception.core.layers import SeparableConv
from mtl_perception.model.network import Features, MultiTaskNetwork

PYRAMID = ("p2", "p3", "p4", "p5")


class Expert(nn.ModuleDict):
    """A separable convolution a level."""

    def __init__(self, channels: int) -> None:
        super().__init__({level: SeparableConv(channels) for level in PYRAMID})

    def forward(self, pyramid: Features) -> Features:
        """{"p2" … "p5"} → the same shapes."""
        return {level: self[level](pyramid[level]) for level in PYRAMID}


class Gate(nn.Module):
    """Weights of experts from the mean of the coarsest level, the same at every place of the image. They begin equal."""

    def __init__(self, channels: int, experts: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, experts)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, pyramid: Features, answers: Sequence[Features]) -> Features:
        """Mix what the experts made: Σ wᵢ answerᵢ, weights from ``pyramid``."""
        weights = torch.softmax(self.linear(pyramid["p5"].mean((2, 3))), 1).unbind(1)
        return {
            level: torch.stack([w[:, None, None, None].to(a[level].dtype) * a[level] for w, a in zip(weights, answers, strict=True)]).sum(0)
            for level in PYRAMID
        }


class MixtureNetwork(MultiTaskNetwork):
    """MMoE: shared experts over one neck, a gate for each task (Ma et al., "Modeling task relationships in multi-task learning with
    multi-gate mixture-of-experts", KDD 2018; there of dense layers, here of convolutions)."""

    def build_trunk(self) -> None:
        super().build_trunk()
        channels, count = self.architecture.neck_channels, self.architecture.sharing.experts
        self.experts = nn.ModuleList([Expert(channels) for _ in range(count)])
        self.gates = nn.ModuleDict({task: Gate(channels, count) for task in self.tasks})

    def features(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        pyramid = self.neck(self.encoder(images))
        answers = [expert(pyramid) for expert in self.experts]
        return {task: self.gates[task](pyramid, answers) for task in tasks}

    def shared_parameters(self) -> list[nn.Parameter]:
        """Encoder, neck and experts."""
        return [*super().shared_parameters(), *self.experts.parameters()]

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """Gate and head."""
        return [*self.gates[task].parameters(), *super().task_parameters(task)]


class Extraction(nn.Module):
    """One layer of PLE. A task's gate weighs the shared experts and its own; that of the shared path, absent in the last layer,
    weighs all experts."""

    SHARED = "shared"

    def __init__(self, channels: int, tasks: Sequence[str], shared: int, own: int, is_last: bool) -> None:
        super().__init__()
        self.shared = nn.ModuleList([Expert(channels) for _ in range(shared)])
        self.own = nn.ModuleDict({task: nn.ModuleList([Expert(channels) for _ in range(own)]) for task in tasks})
        self.gates = nn.ModuleDict({task: Gate(channels, shared + own) for task in tasks})
        self.shared_gate = None if is_last else Gate(channels, shared + own * len(tasks))

    def forward(self, pyramids: Mapping[str, Features], tasks: Collection[str]) -> dict[str, Features]:
        """Pyramids of each task and of the shared path, before and after. In the last layer experts of tasks that are not among
        ``tasks`` don't run."""
        running = [task for task in self.own if self.shared_gate is not None or task in tasks]
        common = pyramids[self.SHARED]
        shared = [expert(common) for expert in self.shared]
        own = {task: [expert(pyramids[task]) for expert in self.own[task]] for task in running}  # pyright: ignore[reportGeneralTypeIssues]
        found = {task: self.gates[task](pyramids[task], [*shared, *own[task]]) for task in running}
        if self.shared_gate is not None:
            found[self.SHARED] = self.shared_gate(common, [*shared, *(answer for answers in own.values() for answer in answers)])
        return found


class ProgressiveNetwork(MultiTaskNetwork):
    """PLE: layers of shared and of the tasks' own experts over one neck (Tang et al., "Progressive layered extraction", RecSys 2020;
    there of dense layers, here of convolutions)."""

    def build_trunk(self) -> None:
        super().build_trunk()
        sharing, channels = self.architecture.sharing, self.architecture.neck_channels
        self.extraction = nn.ModuleList(
            [
                Extraction(channels, list(self.tasks), sharing.experts, sharing.own_experts, is_last=layer == sharing.layers - 1)
                for layer in range(sharing.layers)
            ]
        )

    def features(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        pyramid = self.neck(self.encoder(images))
        pyramids = dict.fromkeys([*self.tasks, Extraction.SHARED], pyramid)
        for layer in self.extraction:
            pyramids = layer(pyramids, tasks)
        return {task: pyramids[task] for task in tasks}  # pyright: ignore[reportReturnType]

    def shared_parameters(self) -> list[nn.Parameter]:
        """All but what ``task_parameters`` says: experts of one task reach the others by the shared path of the next layer."""
        own = {id(p) for task in self.tasks for p in self.task_parameters(task)}
        return [p for p in self.parameters() if id(p) not in own]

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """Gates of the last two layers, the experts of the last, and the head; what comes before reaches the shared path."""
        gates = [p for layer in self.extraction[-2:] for p in layer.gates[task].parameters()]
        return [*gates, *self.extraction[-1].own[task].parameters(), *super().task_parameters(task)]

# SPDX-License-Identifier: Apache-2.0
"""Classification of the whole image: any number of classes, such as the kind of room or a finding in a scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.core.geometry import View
from mtl_perception.tasks._base import CollectOptions, HeadStyle, Labels, LossTerm, Task, TaskSettings
from mtl_perception.tasks._distillation import DistillationBatch, multi_label_distillation_loss
from mtl_perception.tasks._labels import LabelCodec
from mtl_perception.tasks._metric import Metric
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks.classification.answer import Classification
from mtl_perception.tasks.classification.labels import CODEC
from mtl_perception.tasks.classification.metric import ClassificationMetric


class ClassificationSettings(TaskSettings):
    """Class names in the order of their ids."""

    labels: Labels


class ClassificationHead(nn.Module):
    """Mean and maximum over the coarsest level, then two linear layers: what fills the image, and what stands out in it."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * channels, channels), nn.SiLU(inplace=True), nn.Linear(channels, classes))

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """→ {"logits": (B, classes)}."""
        p5 = features["p5"]
        return {"logits": self.layers(torch.cat([p5.mean((2, 3)), p5.amax((2, 3))], 1))}


def activation_maps(head: nn.Module, features: dict[str, Tensor], columns: Sequence[int]) -> Tensor:
    """(B, len(columns), h, w) at the coarsest level, ≥ 0: where the features speak for each of these classes.

    Grad-CAM (Selvaraju et al., ICCV 2017): the mean gradient of a class's logit is what a channel counts for it, and a map is the
    sum of the channels so weighed.
    """
    with torch.enable_grad():
        p5 = features["p5"].detach().float().requires_grad_()
        logits = head({"p5": p5})["logits"]
        maps = []
        for column in columns:
            (gradient,) = torch.autograd.grad(logits[:, column].sum(), p5, retain_graph=True)
            maps.append((gradient.mean((2, 3), keepdim=True) * p5.detach()).sum(1).relu())
    return torch.stack(maps, 1)


class ClassificationTask(Task[ClassificationSettings]):
    kind: ClassVar[str] = "classification"
    Settings: ClassVar[type[TaskSettings]] = ClassificationSettings
    codec: ClassVar[LabelCodec] = CODEC
    metric: ClassVar[type[Metric]] = ClassificationMetric
    class_layers: ClassVar[tuple[str, ...]] = ("layers.2",)

    def distillation_loss(self, batch: DistillationBatch) -> dict[str, LossTerm]:
        return multi_label_distillation_loss(batch)

    def build_head(self, channels: int, style: HeadStyle = "wide") -> nn.Module:
        return ClassificationHead(channels, len(self.settings.labels))

    def targets(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """{"present": (B, classes) float32, 0 or 1; "known": (B, classes) bool}."""
        present = torch.zeros(len(samples), len(self.settings.labels))
        known = torch.zeros(len(samples), len(self.settings.labels), dtype=torch.bool)
        for i, sample in enumerate(samples):
            if self.kind in sample.labels:
                labels = sample.labels[self.kind]
                present[i] = torch.from_numpy(labels.present)
                known[i] = True if labels.labelled is None else torch.from_numpy(labels.labelled)
        return {"present": present, "known": known}

    def loss(self, raw: dict[str, Tensor], targets: dict[str, Tensor], labelled: Tensor, focal_px: Tensor) -> dict[str, LossTerm]:
        """Binary cross-entropy of each class by itself."""
        known = (targets["known"] & labelled[:, None]).float()
        error = F.binary_cross_entropy_with_logits(raw["logits"].float(), targets["present"], reduction="none")
        return {"cross_entropy": LossTerm((error * known).sum(), known.sum())}

    def class_maps(
        self,
        head: nn.Module,
        features: dict[str, Tensor],
        raw: dict[str, Tensor],
        targets: dict[str, Tensor],
        labelled: Tensor,
        columns: Sequence[int],
        sure: float,
    ) -> Tensor:
        there = (targets["present"] > 0) & targets["known"] & (raw["logits"].float().sigmoid() >= sure) & labelled[:, None]
        maps = activation_maps(head, features, columns)
        peaks = maps.amax((2, 3), keepdim=True)
        return torch.where(there[:, list(columns), None, None] & (peaks > 0), maps / peaks.clamp(min=1e-12), 0.0)

    def decode(self, raw: dict[str, Tensor], view: View, focal_px: Tensor) -> dict[str, Tensor]:
        """→ {"scores": (B, classes)}."""
        return {"scores": raw["logits"].float().sigmoid()}

    def collect(self, decoded: dict[str, np.ndarray], options: CollectOptions) -> Classification:
        return Classification(**decoded)


TASK = ClassificationTask

# SPDX-License-Identifier: Apache-2.0
"""Masks that may overlap, such as the drivable area and the lane lines on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from mtl_perception.core.geometry import View
from mtl_perception.tasks._base import CollectOptions, HeadStyle, Labels, LossTerm, Task, TaskSettings
from mtl_perception.tasks._dense import DenseClassifier, decision_size, to_original, upsample
from mtl_perception.tasks._distillation import DistillationBatch, multi_label_distillation_loss
from mtl_perception.tasks._labels import LabelCodec
from mtl_perception.tasks._metric import Metric
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks.lanes.answer import Lanes
from mtl_perception.tasks.lanes.labels import CODEC
from mtl_perception.tasks.lanes.metric import LanesMetric


class LanesSettings(TaskSettings):
    """Class names in the order of their bits."""

    labels: Annotated[Labels, Field(max_length=8)]


class LanesTask(Task[LanesSettings]):
    kind: ClassVar[str] = "lanes"
    Settings: ClassVar[type[TaskSettings]] = LanesSettings
    codec: ClassVar[LabelCodec] = CODEC
    metric: ClassVar[type[Metric]] = LanesMetric
    class_layers: ClassVar[tuple[str, ...]] = ("classify",)

    def distillation_loss(self, batch: DistillationBatch) -> dict[str, LossTerm]:
        return multi_label_distillation_loss(batch)

    def build_head(self, channels: int, style: HeadStyle = "wide") -> nn.Module:
        return DenseClassifier(channels, len(self.settings.labels), style)

    def targets(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """{"bits": (B, H, W) uint8, bit k is class k; "known": (B, classes) bool}."""
        bits = np.zeros((len(samples), *samples[0].image.shape[:2]), np.uint8)
        known = torch.zeros(len(samples), len(self.settings.labels), dtype=torch.bool)
        for i, sample in enumerate(samples):
            if self.kind in sample.labels:
                labels = sample.labels[self.kind]
                bits[i] = labels.bits
                known[i] = True if labels.labelled is None else torch.from_numpy(labels.labelled)
        return {"bits": torch.from_numpy(bits), "known": known}

    def loss(self, raw: dict[str, Tensor], targets: dict[str, Tensor], labelled: Tensor, focal_px: Tensor) -> dict[str, LossTerm]:
        """At half the input's resolution: binary cross-entropy of each class by itself, and soft Dice (Milletari et al.,
        3DV 2016), without which a line that covers a hundredth of the image would not be worth finding."""
        logits = F.interpolate(raw["logits"].float(), scale_factor=2, mode="bilinear", align_corners=False)
        masks = self._masks(targets["bits"][:, 1::2, 1::2])
        known = (targets["known"] & labelled[:, None]).float()
        error = F.binary_cross_entropy_with_logits(logits, masks, reduction="none").sum((2, 3))
        pixels = masks.shape[2] * masks.shape[3]
        probability = logits.sigmoid()
        shared, both = (probability * masks).sum((2, 3)), probability.sum((2, 3)) + masks.sum((2, 3))
        dice = 1 - (2 * shared + 1) / (both + 1)  # the ones keep it defined where there is nothing
        return {
            "cross_entropy": LossTerm((error * known).sum(), known.sum() * pixels),
            "dice": LossTerm((dice * known).sum(), known.sum(), 0.5),
        }

    def _masks(self, bits: Tensor) -> Tensor:
        """(B, H, W) → (B, classes, H, W) float32."""
        places = torch.arange(len(self.settings.labels), device=bits.device, dtype=torch.uint8)
        return ((bits[:, None] >> places[:, None, None]) & 1).float()

    def decode(self, raw: dict[str, Tensor], view: View, focal_px: Tensor) -> dict[str, Tensor]:
        """→ {"bits": (B, height, width) uint8}."""
        probability = upsample(raw["logits"].float().sigmoid(), view, *decision_size(view))
        places = 2 ** torch.arange(probability.shape[1], device=probability.device)
        bits = ((probability >= 0.5) * places[:, None, None]).sum(1)
        return {"bits": to_original(bits.to(torch.uint8), view)}

    def collect(self, decoded: dict[str, np.ndarray], options: CollectOptions) -> Lanes:
        return Lanes(**decoded)


TASK = LanesTask

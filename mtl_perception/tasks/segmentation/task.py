# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation: one class per pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, FiniteFloat, field_validator, model_validator
from torch import Tensor, nn

from mtl_perception.core.geometry import View
from mtl_perception.core.scene import UNLABELLED, Segmentation
from mtl_perception.tasks._base import CollectOptions, HeadStyle, Labels, LossTerm, Task, TaskSettings
from mtl_perception.tasks._dense import DenseClassifier, to_original
from mtl_perception.tasks._distillation import DistillationBatch
from mtl_perception.tasks._labels import LabelCodec
from mtl_perception.tasks._metric import Metric
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks.segmentation.argmax import upsampled_argmax
from mtl_perception.tasks.segmentation.distillation import distillation_loss
from mtl_perception.tasks.segmentation.labels import CODEC
from mtl_perception.tasks.segmentation.metric import SegmentationMetric
from mtl_perception.tasks.segmentation.panel import panels


class SegmentationSettings(TaskSettings):
    """Class names in the order of their ids, and how much a pixel of each weighs in the loss (None: all alike)."""

    labels: Annotated[Labels, Field(max_length=UNLABELLED)]
    class_weights: list[Annotated[FiniteFloat, Field(ge=0)]] | None = None

    @field_validator("labels")
    @classmethod
    def _two_or_more(cls, labels: list[str]) -> list[str]:
        if len(labels) < 2:
            raise ValueError(
                f"the only class is {labels[0]}, expected two or more: pixels without a class are unlabelled and teach "
                "nothing; give the others one too, such as 'background'"
            )
        return labels

    @model_validator(mode="after")
    def _one_weight_per_class(self) -> SegmentationSettings:
        if self.class_weights is not None and len(self.class_weights) != len(self.labels):
            raise ValueError(f"class_weights has {len(self.class_weights)} values for {len(self.labels)} labels")
        return self


class SegmentationTask(Task[SegmentationSettings]):
    kind: ClassVar[str] = "segmentation"
    scene_field: ClassVar[str] = "segmentation"
    Settings: ClassVar[type[TaskSettings]] = SegmentationSettings
    codec: ClassVar[LabelCodec] = CODEC
    metric: ClassVar[type[Metric]] = SegmentationMetric
    panels = staticmethod(panels)
    class_layers: ClassVar[tuple[str, ...]] = ("classify",)

    @classmethod
    def balancing_settings(cls, samples: Iterable[Sample], classes: int) -> dict[str, Any]:
        """Inverse root of each class's share of pixels, kept within 0.2 and 2.5, before that with a mean of 1 over the classes that
        occur: those that don't would push all others to the floor."""
        counts = np.zeros(256, np.int64)
        for sample in samples:
            if cls.kind in sample.labels:
                counts += np.bincount(sample.labels[cls.kind].ravel(), minlength=256)
        shares = counts[:classes] / max(1, counts[:UNLABELLED].sum())
        weights = 1 / np.sqrt(shares + 1e-4)
        occurring = weights[shares > 0] if shares.any() else weights
        return {"class_weights": [round(float(w), 4) for w in np.clip(weights / occurring.mean(), 0.2, 2.5)]}

    def distillation_loss(self, batch: DistillationBatch) -> dict[str, LossTerm]:
        return distillation_loss(batch)

    def build_head(self, channels: int, style: HeadStyle = "wide") -> nn.Module:
        return DenseClassifier(channels, len(self.settings.labels), style)

    def targets(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """{"mask": (B, H, W) uint8}, unlabelled samples all 255."""
        masks = [s.labels.get(self.kind, np.full(s.image.shape[:2], UNLABELLED, np.uint8)) for s in samples]
        return {"mask": torch.from_numpy(np.stack(masks))}

    def loss(self, raw: dict[str, Tensor], targets: dict[str, Tensor], labelled: Tensor, focal_px: Tensor) -> dict[str, LossTerm]:
        """Cross-entropy at half the input's resolution: finer than the head's stride, so that edges count, and a
        quarter of the memory of the full one."""
        logits = F.interpolate(raw["logits"].float(), scale_factor=2, mode="bilinear", align_corners=False)
        mask = targets["mask"][:, 1::2, 1::2].long()
        mask = torch.where(labelled[:, None, None], mask, UNLABELLED)
        weights = torch.tensor(self.settings.class_weights or [1.0] * len(self.settings.labels), device=logits.device)
        total = F.cross_entropy(logits, mask, weights, ignore_index=UNLABELLED, reduction="sum")
        # Looked up for every pixel: choosing the labelled ones would make the host wait for the GPU.
        count = F.pad(weights, (0, UNLABELLED + 1 - len(weights)))[mask].sum()
        return {"cross_entropy": LossTerm(total, count)}

    def loss_by_class_maps(self, raw: dict[str, Tensor], maps: Tensor, ids: Sequence[int], strong: float) -> LossTerm:
        logits = raw["logits"].float()
        with torch.no_grad():
            maps = F.interpolate(maps.float(), size=logits.shape[-2:], mode="bilinear", align_corners=False)
            strongest, which = maps.max(1)
            mask = torch.where(strongest >= strong, torch.tensor(ids, device=maps.device)[which], UNLABELLED)
        return LossTerm(F.cross_entropy(logits, mask, ignore_index=UNLABELLED, reduction="sum"), (mask != UNLABELLED).sum())

    def decode(self, raw: dict[str, Tensor], view: View, focal_px: Tensor) -> dict[str, Tensor]:
        """→ {"mask", "confidence": (B, height, width) uint8}.

        Probabilities at the head's resolution, then upsampled: a softmax over full-size logits costs ten times more and
        moves borders by less than a pixel.
        """
        mask, confidence = upsampled_argmax(raw["logits"].float().softmax(1), view)
        return {"mask": to_original(mask, view), "confidence": to_original(confidence, view)}

    def collect(self, decoded: dict[str, np.ndarray], options: CollectOptions) -> Segmentation:
        return Segmentation(**decoded)


TASK = SegmentationTask

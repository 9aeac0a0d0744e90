# SPDX-License-Identifier: Apache-2.0
"""Object detection: anchor-free, one prediction per cell of three pyramid levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from mtl_perception.core.geometry import View
from mtl_perception.core.layers import ConvNormAct, SeparableConv
from mtl_perception.core.scene import Detections
from mtl_perception.tasks._base import CollectOptions, HeadStyle, Labels, LossTerm, Task, TaskSettings
from mtl_perception.tasks._distillation import DistillationBatch
from mtl_perception.tasks._labels import LabelCodec
from mtl_perception.tasks._metric import Metric
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks.detection.assignment import assign
from mtl_perception.tasks.detection.branched import BranchedHead
from mtl_perception.tasks.detection.cells import LEVEL_STRIDES, CellHead
from mtl_perception.tasks.detection.distillation import distillation_loss
from mtl_perception.tasks.detection.labels import CODEC
from mtl_perception.tasks.detection.metric import DetectionMetric
from mtl_perception.tasks.detection.nms import nms_mask
from mtl_perception.tasks.detection.panel import panels
from mtl_perception.tasks.detection.yolox import YoloxHead

MAX_CANDIDATES = 300
"""Candidates for NMS: a fixed number, so that exported graphs have static shapes."""
MAX_DETECTIONS = 100
"""Boxes after NMS: as many as COCO's average precision uses."""


class DetectionSettings(TaskSettings):
    """Class names in the order of their ids, and the IoU above which NMS suppresses the weaker of two boxes of a class."""

    labels: Labels
    nms_iou: float = Field(0.6, gt=0, le=1)


class DetectionHead(CellHead):
    """Decoupled towers per level, as in FCOS (Tian et al., ICCV 2019): one for the class, one for the distances to the box's four sides. Slim:
    both share the first convolution, and are separable."""

    def __init__(self, channels: int, classes: int, style: HeadStyle = "wide") -> None:
        super().__init__()

        def tower() -> nn.Module:
            if style == "slim":
                return SeparableConv(channels)
            return nn.Sequential(ConvNormAct(channels, channels), ConvNormAct(channels, channels))

        self.shared = nn.ModuleDict(
            {level: ConvNormAct(channels, channels) if style == "slim" else nn.Identity() for level in LEVEL_STRIDES}
        )
        self.class_towers = nn.ModuleDict({level: tower() for level in LEVEL_STRIDES})
        self.box_towers = nn.ModuleDict({level: tower() for level in LEVEL_STRIDES})
        self.classify = nn.ModuleDict({level: nn.Conv2d(channels, classes, 1) for level in LEVEL_STRIDES})
        self.regress = nn.ModuleDict({level: nn.Conv2d(channels, 4, 1) for level in LEVEL_STRIDES})
        for level in LEVEL_STRIDES:
            # Start from a probability of 1 % for every class, or the many empty cells swamp the first steps
            # (RetinaNet, Lin et al., 2017), and from boxes about four cells wide.
            nn.init.constant_(self.classify[level].bias, -math.log(99))
            nn.init.constant_(self.regress[level].bias, 2.0)

    def at_level(self, level: str, feature: Tensor, centres: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        feature = self.shared[level](feature)
        raw = self.regress[level](self.box_towers[level](feature)).float()
        distances = F.softplus(raw.flatten(2).transpose(1, 2)) * stride
        boxes = torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], -1)
        return self.classify[level](self.class_towers[level](feature)), boxes


class DetectionTask(Task[DetectionSettings]):
    kind: ClassVar[str] = "detection"
    default_weight: ClassVar[float] = 2.0
    scene_field: ClassVar[str] = "detections"
    Settings: ClassVar[type[TaskSettings]] = DetectionSettings
    codec: ClassVar[LabelCodec] = CODEC
    metric: ClassVar[type[Metric]] = DetectionMetric
    panels = staticmethod(panels)
    class_layers: ClassVar[tuple[str, ...]] = ("classify",)
    can_branch: ClassVar[bool] = True

    def distillation_loss(self, batch: DistillationBatch) -> dict[str, LossTerm]:
        return distillation_loss(batch)

    def build_head(self, channels: int, style: HeadStyle = "wide") -> nn.Module:
        return _cell_head(channels, len(self.settings.labels), style)

    def build_branched_head(self, channels: int, style: HeadStyle, own: int, prefix: str) -> nn.Module:
        kept = len(self.settings.labels) - own
        return BranchedHead(_cell_head(channels, kept, style), _cell_head(channels, own, style), (kept, own), prefix)

    def load_pretrained(self, head: nn.Module, stored: Mapping[str, Tensor]) -> list[str]:
        return head.load_pretrained(stored, self.labels) if isinstance(head, YoloxHead) else []

    def raw_of_image(self, raw: Mapping[str, Tensor], i: int) -> dict[str, Tensor]:
        """Points and strides of cells are the same for every image."""
        return {name: value if name in ("points", "strides") else value[i : i + 1] for name, value in raw.items()}

    def targets(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """{"boxes_xyxy": (B, M, 4) float32; "class_ids": (B, M) int64, −1 past the last box of a sample;
        "weights": (B, M) float32; "labelled_classes": (B, classes) bool}."""
        most = max((len(s.labels[self.kind].class_ids) for s in samples if self.kind in s.labels), default=0)
        boxes = torch.zeros(len(samples), most, 4)
        class_ids = torch.full((len(samples), most), -1, dtype=torch.long)
        weights = torch.ones(len(samples), most)
        labelled_classes = torch.ones(len(samples), len(self.settings.labels), dtype=torch.bool)
        for i, sample in enumerate(samples):
            if self.kind in sample.labels:
                labels = sample.labels[self.kind]
                boxes[i, : len(labels.class_ids)] = torch.from_numpy(labels.boxes_xyxy)
                class_ids[i, : len(labels.class_ids)] = torch.from_numpy(labels.class_ids)
                if labels.weights is not None:
                    weights[i, : len(labels.class_ids)] = torch.from_numpy(labels.weights)
                if labels.labelled is not None:
                    labelled_classes[i] = torch.from_numpy(labels.labelled)
        return {"boxes_xyxy": boxes, "class_ids": class_ids, "weights": weights, "labelled_classes": labelled_classes}

    def loss(self, raw: dict[str, Tensor], targets: dict[str, Tensor], labelled: Tensor, focal_px: Tensor) -> dict[str, LossTerm]:
        """Quality focal loss (Li et al., NeurIPS 2020) against the task-aligned quality of each cell (TOOD, Feng et al.,
        ICCV 2021), and generalised IoU (Rezatofighi et al., CVPR 2019) weighted by it. Scores of classes that are not labelled
        in an image add nothing, except in the cells of boxes that a teacher proposed."""
        logits, boxes = raw["class_logits"].float(), raw["boxes_xyxy"]
        quality, owner = assign(logits.detach().sigmoid(), boxes.detach(), raw["points"], targets["boxes_xyxy"], targets["class_ids"])
        probability = logits.sigmoid()
        cross_entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
        focal = (quality - probability).detach().square() * cross_entropy
        # Confidence of the label of a cell's box; a cell without a box is background only for labelled classes.
        certainty = targets["weights"].gather(1, owner) if targets["weights"].shape[1] else torch.ones_like(focal[..., 0])
        known = torch.where(quality > 0, certainty[..., None], targets["labelled_classes"][:, None].float())
        focal = focal * known

        weight = quality.sum(-1) * certainty
        positive = (weight > 0) & labelled[:, None]
        count = torch.where(labelled[:, None], weight, 0.0).sum()
        index = owner[..., None].expand(-1, -1, 4)
        matched = targets["boxes_xyxy"].gather(1, index) if targets["weights"].shape[1] else torch.zeros_like(boxes)
        from torchvision.ops import generalized_box_iou_loss  # as long to import as PyTorch, and for training alone

        giou = generalized_box_iou_loss(boxes[positive], matched[positive], reduction="none")
        return {
            # Images without any box still train the background, hence a least count of one.
            "quality": LossTerm((focal.sum((1, 2)) * labelled).sum(), count, least_count=1.0),
            "giou": LossTerm((giou * weight[positive]).sum(), count, 2.0),
        }

    def decode(self, raw: dict[str, Tensor], view: View, focal_px: Tensor) -> dict[str, Tensor]:
        """→ {"boxes_xyxy": (B, N, 4); "scores": (B, N), best first, 0 past the last; "class_ids": (B, N) int32}, N ≤ 100.

        No threshold is applied: a box is suppressed by better ones only, so a threshold afterwards gives the same result.
        """
        scores, class_ids, boxes = candidates(raw)
        scores = torch.where(nms_mask(boxes, class_ids, self.settings.nms_iou), scores, 0.0)
        scores, best = scores.topk(min(MAX_DETECTIONS, scores.shape[1]))
        boxes = boxes.gather(1, best[..., None].expand(-1, -1, 4))
        # Made on the device: copying a list to the GPU can't be recorded in a CUDA graph.
        is_x = torch.arange(4, device=boxes.device) % 2 == 0
        limit = torch.where(is_x, float(view.width), float(view.height))
        # The two axes are rounded to whole pixels separately, so each has its own factor.
        factor = limit / torch.where(is_x, float(view.content_width), float(view.content_height))
        boxes = torch.minimum((boxes * factor).clamp(min=0), limit)
        return {"boxes_xyxy": boxes, "scores": scores, "class_ids": class_ids.gather(1, best).int()}

    def collect(self, decoded: dict[str, np.ndarray], options: CollectOptions) -> Detections:
        scores = decoded["scores"]
        # Best first, so those above the threshold are the first ones; a score of 0 marks what was suppressed.
        count = int(((scores >= options.score_threshold) & (scores > 0)).sum())
        return Detections(
            boxes_xyxy=decoded["boxes_xyxy"][:count],
            scores=scores[:count],
            class_ids=decoded["class_ids"][:count].astype(np.int64),
        )


def _cell_head(channels: int, classes: int, style: HeadStyle) -> CellHead:
    return YoloxHead(channels, classes) if style == "yolox" else DetectionHead(channels, classes, style)


def candidates(raw: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The best (cell, class) pairs: scores (B, K), class ids (B, K), boxes (B, K, 4) in pixels of the input."""
    logits = raw["class_logits"].float()
    classes = logits.shape[-1]
    best, index = logits.flatten(1).topk(min(MAX_CANDIDATES, logits[0].numel()))
    cell = (index // classes)[..., None].expand(-1, -1, 4)
    return best.sigmoid(), index % classes, raw["boxes_xyxy"].gather(1, cell)


TASK = DetectionTask

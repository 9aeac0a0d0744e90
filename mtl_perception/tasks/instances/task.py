# SPDX-License-Identifier: Apache-2.0
"""Instances: settings, head, targets, loss, decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.core.geometry import View
from mtl_perception.core.instances import LEVEL_LIMITS_CELLS, PLACE_TERMS, MaskPrototypes
from mtl_perception.core.layers import ConvNormAct, Float32BackwardConv2d, SeparableConv
from mtl_perception.tasks._base import CollectOptions, HeadStyle, LossTerm, Task, TaskSettings
from mtl_perception.tasks._dense import upsample
from mtl_perception.tasks._labels import LabelCodec
from mtl_perception.tasks._metric import Metric
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks.instances.labels import CODEC
from mtl_perception.tasks.instances.metric import InstancesMetric
from mtl_perception.tasks.instances.panel import panels

PROTOTYPES = 16
STRIDE = 4
"""Of the prototypes, in pixels of the input."""
LEVELS = ("p3", "p4", "p5")
COARSE_STRIDE = 8
"""Of the map of coefficients; the coarser levels' are repeated to it."""
MOST_OBJECTS = 40
"""Of one image that are learned from in a step, the largest: memory for their masks is set aside."""
SMALLEST_SIDE_PX = 6
"""A smaller object has no cell of its own."""
LEARNED_WITHIN = 1.2
"""Half of the box's side: a mask is cropped to a detected box, which is a little larger or smaller than the true one."""


class InstancesSettings(TaskSettings):
    """Nothing: a mask knows no class, its detection does."""


class InstancesHead(nn.Module):
    """Prototypes at stride 4, and at three levels the coefficients of an object whose box has its middle there.

    Kept small: the levels' features say already what is there, so one depthwise convolution before the coefficients is enough.
    """

    def __init__(self, channels: int, style: HeadStyle = "wide") -> None:
        super().__init__()
        inner = channels // 2 if style == "wide" else channels
        self.tower = ConvNormAct(channels, inner) if style == "wide" else SeparableConv(channels)
        self.prototypes = nn.Conv2d(inner, PROTOTYPES, 1)
        self.coefficients = nn.ModuleDict({level: _Coefficients(channels) for level in LEVELS})

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """→ {"prototypes": (B, K, H/4, W/4); "coefficients": (B, levels · (K + PLACE_TERMS), H/8, W/8)}."""
        coefficients = [self.coefficients[level](features[level]) for level in LEVELS]
        size = coefficients[0].shape[-2:]
        fine = [one if one.shape[-2:] == size else F.interpolate(one, size=size, mode="nearest") for one in coefficients]
        return {"prototypes": self.prototypes(self.tower(features["p2"])), "coefficients": torch.cat(fine, 1)}


class _Coefficients(nn.Sequential):
    """(B, channels, h, w) → (B, K + PLACE_TERMS, h, w)."""

    def __init__(self, channels: int) -> None:
        last = nn.Conv2d(channels, PROTOTYPES + PLACE_TERMS, 1)
        with torch.no_grad():  # begin with a blob in the middle of the box: nearly all of the first steps would go into finding that
            last.bias.copy_(torch.tensor([0.0] * PROTOTYPES + [2.0, 0.0, 0.0, -1.5, -1.5]))
        depthwise = Float32BackwardConv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        super().__init__(depthwise, nn.BatchNorm2d(channels), nn.SiLU(inplace=True), last)


class InstancesTask(Task[InstancesSettings]):
    kind: ClassVar[str] = "instances"
    scene_field: ClassVar[str] = "instances"
    Settings: ClassVar[type[TaskSettings]] = InstancesSettings
    codec: ClassVar[LabelCodec] = CODEC
    metric: ClassVar[type[Metric]] = InstancesMetric
    panels = staticmethod(panels)

    def build_head(self, channels: int, style: HeadStyle = "wide") -> nn.Module:
        return InstancesHead(channels, style)

    def targets(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """{"ids": (B, H, W) int16; "boxes_xyxy": (B, M, 4) float32, tight around the pixels of an object; "numbers": (B, M) int16, its id, 0
        past the last one}."""
        ids = [s.labels[self.kind].ids if self.kind in s.labels else np.zeros(s.image.shape[:2], np.uint16) for s in samples]
        found = [_objects(of_image) for of_image in ids]
        most = max(len(numbers) for _, numbers in found)
        boxes, numbers = torch.zeros(len(samples), most, 4), torch.zeros(len(samples), most, dtype=torch.int16)
        for i, (own_boxes, own_numbers) in enumerate(found):
            boxes[i, : len(own_numbers)] = torch.from_numpy(own_boxes)
            numbers[i, : len(own_numbers)] = torch.from_numpy(own_numbers)
        return {"ids": torch.from_numpy(np.stack(ids).astype(np.int16)), "boxes_xyxy": boxes, "numbers": numbers}

    def loss(self, raw: dict[str, Tensor], targets: dict[str, Tensor], labelled: Tensor, focal_px: Tensor) -> dict[str, LossTerm]:
        """For each object the mean cross-entropy of the pixels in and just around its box, and the Dice loss (Milletari et al., 3DV 2016)
        of them, which is as strict with an object that fills little of its box."""
        boxes, numbers = targets["boxes_xyxy"], targets["numbers"]
        there = (numbers > 0) & labelled[:, None]
        count = there.sum().float()
        prototypes = raw["prototypes"].float()
        height, width = prototypes.shape[-2:]
        x, y = _places(boxes[..., 0::2], width), _places(boxes[..., 1::2], height)
        logits = _mask_logits(prototypes, _at_middles(raw["coefficients"].float(), boxes), x, y)
        shown = _shares(targets["ids"], numbers)
        learned = (x.abs() <= LEARNED_WITHIN)[:, :, None, :] & (y.abs() <= LEARNED_WITHIN)[:, :, :, None] & there[..., None, None]
        entropy = torch.where(learned, F.binary_cross_entropy_with_logits(logits, shown, reduction="none"), 0.0)
        mask = (entropy.sum((2, 3)) / learned.sum((2, 3)).clamp(min=1)).sum()
        probability, shown = torch.where(learned, logits.sigmoid(), 0.0), torch.where(learned, shown, 0.0)
        common = (probability * shown).sum((2, 3))
        together = probability.square().sum((2, 3)) + shown.square().sum((2, 3))
        dice = torch.where(there, 1 - (2 * common + 1) / (together + 1), 0.0).sum()
        return {"mask": LossTerm(mask, count), "dice": LossTerm(dice, count)}

    def decode(self, raw: dict[str, Tensor], view: View, focal_px: Tensor) -> dict[str, Tensor]:
        """→ {"prototypes": (B, K, h, w); "coefficients": (B, levels · (K + PLACE_TERMS), gh, gw)}, each over the original image; of an object
        that is found, ``MaskPrototypes`` makes a mask of them."""
        return {
            name: upsample(raw[name].float(), view, -(-view.content_width // stride), -(-view.content_height // stride))
            for name, stride in (("prototypes", STRIDE), ("coefficients", COARSE_STRIDE))
        }

    def collect(self, decoded: dict[str, np.ndarray], options: CollectOptions) -> MaskPrototypes:
        prototypes, coefficients = decoded["prototypes"], decoded["coefficients"]
        by_level = coefficients.reshape(len(LEVELS), -1, *coefficients.shape[-2:])
        return MaskPrototypes(prototypes, by_level)


def _objects(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M, 4) float32 tight boxes and (M,) int16 ids of the objects that can be learned, the largest first."""
    rows, columns = np.nonzero(ids)
    found, place = np.unique(ids[rows, columns], return_inverse=True)
    low, high = np.full((len(found), 2), np.iinfo(np.int64).max), np.full((len(found), 2), -1)
    for axis, values in enumerate((columns, rows)):
        np.minimum.at(low[:, axis], place, values)
        np.maximum.at(high[:, axis], place, values)
    boxes = np.concatenate([low, high + 1], 1).astype(np.float32)
    sides = boxes[:, 2:] - boxes[:, :2]
    order = np.argsort(-sides.prod(1), kind="stable")
    chosen = order[sides[order].min(1, initial=np.inf) >= SMALLEST_SIDE_PX][:MOST_OBJECTS]
    return boxes[chosen], found[chosen].astype(np.int16)


def _places(sides: Tensor, cells: int) -> Tensor:
    """(B, M, cells): where the middle of each cell lies between two opposite sides of each box, (B, M, 2) pixels, as −1 to 1."""
    centres = (torch.arange(cells, device=sides.device) + 0.5) * STRIDE
    low, high = sides[..., :1], sides[..., 1:]
    return (centres - (low + high) / 2) / ((high - low) / 2).clamp(min=1)


def _at_middles(coefficients: Tensor, boxes: Tensor) -> Tensor:
    """(B, M, K + PLACE_TERMS) at the middles of the boxes, from the level that their size says."""
    height, width = coefficients.shape[-2:]
    levels = coefficients.unflatten(1, (len(LEVELS), -1))
    sides = (boxes[..., 2:] - boxes[..., :2]).prod(-1).sqrt() / STRIDE
    level = sum((sides >= limit).long() for limit in LEVEL_LIMITS_CELLS)
    middle = ((boxes[..., :2] + boxes[..., 2:]) / 2 / COARSE_STRIDE).long()
    column, row = middle[..., 0].clamp(0, width - 1), middle[..., 1].clamp(0, height - 1)
    image = torch.arange(len(boxes), device=boxes.device)[:, None].expand_as(row)
    return levels[image, level, :, row, column]


def _mask_logits(prototypes: Tensor, coefficients: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(B, M, h, w) from (B, K, h, w), (B, M, K + PLACE_TERMS), (B, M, w) and (B, M, h)."""
    count = prototypes.shape[1]
    one, along_x, along_y, along_xx, along_yy = (term[..., None] for term in coefficients[..., count:].unbind(-1))
    of_columns, of_rows = along_x * x + along_xx * x * x, one + along_y * y + along_yy * y * y
    # Outside of what is learned the squares would be huge.
    of_columns, of_rows = of_columns.clamp(-1e3, 1e3), of_rows.clamp(-1e3, 1e3)
    return torch.einsum("bmk,bkhw->bmhw", coefficients[..., :count], prototypes) + of_columns[:, :, None, :] + of_rows[:, :, :, None]


def _shares(ids: Tensor, numbers: Tensor) -> Tensor:
    """(B, M, h, w): how much of each cell shows each object, from four of its pixels around the middle."""
    middle = [ids[:, None, top::STRIDE, left::STRIDE] == numbers[:, :, None, None] for top in (1, 2) for left in (1, 2)]
    return torch.stack(middle).float().mean(0)


TASK = InstancesTask

# SPDX-License-Identifier: Apache-2.0
"""The detection head of YOLOX-nano (Ge et al., YOLOX, 2021), and its published weights for COCO's 80 classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.core.layers import DepthwiseSeparableConv, take_yolox_norm
from mtl_perception.tasks.detection.cells import LEVEL_STRIDES, CellHead

_LARGEST_LOG_SIDE = 6.0
"""Of a box's side in cells: 403, more than any input has; a network that is just beginning must not reach infinity."""


class YoloxHead(CellHead):
    """A tower of two depthwise separable convolutions for the classes; one for the box and for whether there is an object at all."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()

        def tower() -> nn.Module:
            return nn.Sequential(DepthwiseSeparableConv(channels), DepthwiseSeparableConv(channels))

        self.class_towers = nn.ModuleDict({level: tower() for level in LEVEL_STRIDES})
        self.box_towers = nn.ModuleDict({level: tower() for level in LEVEL_STRIDES})
        self.classify = nn.ModuleDict({level: nn.Conv2d(channels, classes, 1) for level in LEVEL_STRIDES})
        self.regress = nn.ModuleDict({level: nn.Conv2d(channels, 4, 1) for level in LEVEL_STRIDES})
        self.objectness = nn.ModuleDict({level: nn.Conv2d(channels, 1, 1) for level in LEVEL_STRIDES})
        for level in LEVEL_STRIDES:
            # As in DetectionHead: 1 % for every class, and boxes about four cells wide.
            nn.init.zeros_(self.classify[level].bias)
            nn.init.constant_(self.objectness[level].bias, -math.log(49))
            self.regress[level].bias.data.copy_(torch.tensor([0.5, 0.5, math.log(4), math.log(4)]))

    def at_level(self, level: str, feature: Tensor, centres: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        """A class's logit is that of the product of both probabilities: that there is an object, and that it is of this class."""
        located = self.box_towers[level](feature)
        raw = self.regress[level](located).float().flatten(2).transpose(1, 2)
        middles = centres + (raw[..., :2] - 0.5) * stride
        halves = raw[..., 2:].clamp(max=_LARGEST_LOG_SIDE).exp() * (stride / 2)
        of_class = self.classify[level](self.class_towers[level](feature)).float()
        logits = _both(of_class, self.objectness[level](located).float())
        return logits, torch.cat([middles - halves, middles + halves], -1)

    def load_pretrained(self, stored: Mapping[str, Tensor], labels: Sequence[str]) -> list[str]:
        """Take the weights of a published network of this head's width.

        Args:
            stored: tensors by their published names, such as ``head.cls_convs.0.0.dconv.conv.weight``.
            labels: the classes of this head. One that COCO has under another name, or as several, takes its row, or their mean.

        Returns:
            The classes whose rows were found; none if ``stored`` has no head that fits.
        """
        towers = {"cls_convs": self.class_towers, "reg_convs": self.box_towers}
        parts: list[tuple[str, nn.Module]] = []
        for i, level in enumerate(LEVEL_STRIDES):
            parts += [(f"head.reg_preds.{i}", self.regress[level]), (f"head.obj_preds.{i}", self.objectness[level])]
            for name, tower in towers.items():
                for j, block in enumerate(tower[level]):  # pyright: ignore[reportArgumentType]
                    for part, at in (("dconv", 0), ("pconv", 3)):
                        prefix = f"head.{name}.{i}.{j}.{part}"
                        parts += [(f"{prefix}.conv", block[at]), (f"{prefix}.bn", block[at + 1])]
        wanted = [f"{prefix}.{key}" for prefix, module in parts for key in module.state_dict()]
        rows = {label: [COCO.index(name) for name in COCO_NAMES.get(label, (label,)) if name in COCO] for label in labels}
        found = [label for label in labels if rows[label]]
        kernels = [stored.get(f"head.cls_preds.{i}.weight") for i in range(len(LEVEL_STRIDES))]
        channels = next(iter(self.classify.values())).in_channels
        if not found or not set(wanted) <= set(stored) or any(k is None or k.shape[:2] != (len(COCO), channels) for k in kernels):
            return []
        for prefix, module in parts:
            if isinstance(module, nn.BatchNorm2d):
                take_yolox_norm(module, stored, prefix)
                continue
            module.load_state_dict({key: stored[f"{prefix}.{key}"] for key in module.state_dict()})
        for i, classify in enumerate(self.classify.values()):
            for label in found:
                for key in ("weight", "bias"):
                    getattr(classify, key).data[labels.index(label)] = stored[f"head.cls_preds.{i}.{key}"][rows[label]].mean(0)
        return found


def _both(first: Tensor, second: Tensor) -> Tensor:
    """The logit of the product of the probabilities that two logits stand for."""
    # −log of the product. Below the least one the product is 1 in float32, and its logit would be infinite.
    surprise = (F.softplus(-first) + F.softplus(-second)).clamp(min=1e-6)
    return -surprise - torch.log1p(-torch.exp(-surprise))


COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light", "fire hydrant", "stop sign",
    "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard",
    "surfboard", "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet", "tv",
    "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase",
    "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
"""Classes of the published head, in the order of its rows."""
COCO_NAMES: dict[str, tuple[str, ...]] = {
    "table": ("dining table",),
    "fruit": ("apple", "orange", "banana"),
    "sofa": ("couch",),
    "screen": ("tv",),
    "plant": ("potted plant",),
}
"""COCO's names of classes of the shipped networks."""

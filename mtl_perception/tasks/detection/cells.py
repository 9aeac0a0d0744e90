# SPDX-License-Identifier: Apache-2.0
"""The cells of three pyramid levels, each of which may answer with a box."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

LEVEL_STRIDES = {"p3": 8, "p4": 16, "p5": 32}


class CellHead(nn.Module):
    """A head whose cells each answer with a box and how likely it is of each class."""

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """→ {"class_logits": (B, A, classes); "boxes_xyxy": (B, A, 4), pixels of the input, float32;
        "points": (A, 2) centres of the cells in pixels; "strides": (A,)}, A over p3, p4, p5 in row-major order."""
        logits, boxes, points, strides = [], [], [], []
        for level, stride in LEVEL_STRIDES.items():
            centres = _cell_centres(features[level], stride)
            of_level, boxes_of_level = self.at_level(level, features[level], centres, stride)
            logits.append(of_level.flatten(2).transpose(1, 2))
            boxes.append(boxes_of_level)
            points.append(centres)
            strides.append(centres.new_full((len(centres),), stride))
        return {
            "class_logits": torch.cat(logits, 1),
            "boxes_xyxy": torch.cat(boxes, 1),
            "points": torch.cat(points),
            "strides": torch.cat(strides),
        }

    @abstractmethod
    def at_level(self, level: str, feature: Tensor, centres: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        """Returns logits (B, classes, h, w) and boxes (B, h·w, 4) of the cells of one level, whose ``centres`` (h·w, 2) are in pixels."""


def _cell_centres(feature: Tensor, stride: int) -> Tensor:
    """(h·w, 2) x, y of the cells' centres in pixels of the input, in row-major order."""
    height, width = feature.shape[-2:]
    y = (torch.arange(height, device=feature.device) + 0.5) * stride
    x = (torch.arange(width, device=feature.device) + 0.5) * stride
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)

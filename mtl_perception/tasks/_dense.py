# SPDX-License-Identifier: Apache-2.0
"""What the tasks with an answer per pixel share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.geometry import View
from mtl_perception.layers import ConvNormAct


class DenseClassifier(nn.Module):
    """Two 3×3 convolutions at stride 4, the second to half the channels, and a logit for each class."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.tower = nn.Sequential(ConvNormAct(channels, channels), ConvNormAct(channels, channels // 2))
        self.classify = nn.Conv2d(channels // 2, classes, 1)

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """→ {"logits": (B, classes, H/4, W/4)}."""
        return {"logits": self.classify(self.tower(features["p2"]))}


def enlarge(dense: Tensor, view: View) -> Tensor:
    """(1, C, H/4, W/4) over the network's input → (1, C, height, width) over the original image, padding cut off."""
    size = (view.height, view.width)
    if (view.content_width, view.content_height) != (view.input_width, view.input_height):
        # The content's edge need not fall between two cells of the coarse grid, so cut it at the input's resolution.
        dense = F.interpolate(dense, size=(view.input_height, view.input_width), mode="bilinear", align_corners=False)
        dense = dense[:, :, : view.content_height, : view.content_width]
    return F.interpolate(dense, size=size, mode="bilinear", align_corners=False)

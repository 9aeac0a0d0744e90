# SPDX-License-Identifier: Apache-2.0
"""Layers and upsampling for tasks with an output per pixel."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.core.geometry import View
from mtl_perception.core.layers import ConvNormAct, SeparableConv
from mtl_perception.tasks._base import HeadStyle


class DenseTower(nn.Sequential):
    """Two 3×3 convolutions at stride 4, the second to half the channels; in other styles one separable convolution.

    Attributes:
        out_channels: channels of the output.
    """

    def __init__(self, channels: int, style: HeadStyle) -> None:
        if style != "wide":
            super().__init__(SeparableConv(channels))
            self.out_channels = channels
        else:
            super().__init__(ConvNormAct(channels, channels), ConvNormAct(channels, channels // 2))
            self.out_channels = channels // 2


class DenseClassifier(nn.Module):
    """A tower at stride 4, and a logit for each class."""

    def __init__(self, channels: int, classes: int, style: HeadStyle = "wide") -> None:
        super().__init__()
        self.tower = DenseTower(channels, style)
        self.classify = nn.Conv2d(self.tower.out_channels, classes, 1)

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """→ {"logits": (B, classes, H/4, W/4)}."""
        return {"logits": self.classify(self.tower(features["p2"]))}


def upsample(dense: Tensor, view: View, width: int, height: int) -> Tensor:
    """(B, C, H/s, W/s) over the network's input → (B, C, height, width) over the original image, padding cut off."""
    stride = view.input_height // dense.shape[-2]
    if view.content_width % stride or view.content_height % stride:
        # The content's edge falls between two cells of the coarse grid, so cut it at the input's resolution.
        dense = F.interpolate(dense, size=(view.input_height, view.input_width), mode="bilinear", align_corners=False)
        stride = 1
    dense = dense[:, :, : view.content_height // stride, : view.content_width // stride]
    if dense.shape[-2:] == (height, width):
        return dense
    return F.interpolate(dense, size=(height, width), mode="bilinear", align_corners=False)


def decision_size(view: View) -> tuple[int, int]:
    """Width and height of the argmax: those of the original image or, if less, of its part of the network's input: there is no
    detail beyond that, and a large image has many pixels."""
    return min(view.width, view.content_width), min(view.height, view.content_height)


def to_original(decided: Tensor, view: View) -> Tensor:
    """(B, h, w) uint8 decisions → (B, height, width) of the original image, each pixel the nearest decision."""
    if decided.shape[-2:] == (view.height, view.width):
        return decided
    return F.interpolate(decided[:, None], size=(view.height, view.width), mode="nearest-exact")[:, 0]

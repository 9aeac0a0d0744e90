# SPDX-License-Identifier: Apache-2.0
"""Encoders: torchvision classification networks cut into a pyramid of four feature maps."""

from __future__ import annotations

from collections.abc import Callable

import torchvision
from torch import Tensor, nn

from mtl_perception.layers import Float32BackwardConv2d

LEVELS = ("c2", "c3", "c4", "c5")
"""Names of the feature maps, at strides 4, 8, 16 and 32."""


class Encoder(nn.Module):
    """Four stages that follow each other, each halving the resolution of the one before (the first ends at stride 4).

    Attributes:
        channels: channels of c2, c3, c4 and c5.
    """

    def __init__(self, stages: list[nn.Module], channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.channels = channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) normalised images → {"c2": (B, C2, H/4, W/4), …, "c5": (B, C5, H/32, W/32)}."""
        features: dict[str, Tensor] = {}
        x = images
        for level, stage in self.staged():
            x = stage(x)
            features[level] = x
        return features

    def staged(self) -> list[tuple[str, nn.Module]]:
        """The stages with the names of the feature maps that come out of them."""
        return list(zip(LEVELS, self.stages, strict=True))


def _mobilenet_v3_large() -> Encoder:
    # The last 1×1 convolution to 960 channels serves classification only, so it is left off.
    blocks = torchvision.models.mobilenet_v3_large(weights=None).features
    for module in blocks.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.__class__ = Float32BackwardConv2d
    return Encoder([blocks[:4], blocks[4:7], blocks[7:13], blocks[13:16]], (24, 40, 112, 160))


def _resnet(name: str, channels: tuple[int, int, int, int]) -> Encoder:
    net = torchvision.models.get_model(name, weights=None)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
    return Encoder([stem, net.layer2, net.layer3, net.layer4], channels)


ENCODERS: dict[str, Callable[[], Encoder]] = {
    "mobilenet_v3_large": _mobilenet_v3_large,
    "resnet18": lambda: _resnet("resnet18", (64, 128, 256, 512)),
    "resnet50": lambda: _resnet("resnet50", (256, 512, 1024, 2048)),
}


def build_encoder(name: str) -> Encoder:
    """A new encoder with random weights.

    Raises:
        ValueError: the name is not in ``ENCODERS``.
    """
    if name not in ENCODERS:
        raise ValueError(f"encoder '{name}' is not known; expected one of: {', '.join(ENCODERS)}")
    return ENCODERS[name]()

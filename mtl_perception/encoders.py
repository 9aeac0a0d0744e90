# SPDX-License-Identifier: Apache-2.0
"""Encoders: torchvision classification networks cut into a pyramid of four feature maps."""

from __future__ import annotations

from collections.abc import Callable

import torchvision
from torch import Tensor, nn
from torchvision.models import SwinTransformer
from torchvision.ops import Permute

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


BATCH_NORM_MOMENTUM = 0.1
"""How much of a batch norm's running statistics each step replaces. torchvision gives MobileNetV3 0.01, for runs of hundreds of
thousands of steps: after 500 steps 0.7 % of the initial variance of 1 is left, which outweighs the variance behind a depthwise
convolution (below 0.001). The same training (config/transfer.yaml, fixed) evaluated worse: RMSE 1.18 m instead of 0.92, mIoU .176
instead of .191."""


def _mobilenet_v3(name: str, ends: tuple[int, int, int, int], channels: tuple[int, int, int, int]) -> Encoder:
    """``ends`` are the numbers of blocks up to each level; the last 1×1 convolution serves classification only, so it is left off."""
    blocks = torchvision.models.get_model(name, weights=None).features
    for module in blocks.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.__class__ = Float32BackwardConv2d
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = BATCH_NORM_MOMENTUM
    return Encoder([blocks[start:end] for start, end in zip((0, *ends), ends)], channels)


def _resnet(name: str, channels: tuple[int, int, int, int]) -> Encoder:
    net = torchvision.models.get_model(name, weights=None)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
    return Encoder([stem, net.layer2, net.layer3, net.layer4], channels)


def swin(network: SwinTransformer) -> Encoder:
    """The encoder of a Swin transformer (Liu et al., ICCV 2021), whose blocks work on (B, H, W, C). A norm at each level's
    output would be one too many: a neck begins with batch norm."""
    blocks = network.features
    channels = network.features[0][0].out_channels
    stages = [[*blocks[:2]], *([Permute([0, 2, 3, 1]), *blocks[i : i + 2]] for i in (2, 4, 6))]
    return Encoder(
        [nn.Sequential(*stage, Permute([0, 3, 1, 2])) for stage in stages], (channels, 2 * channels, 4 * channels, 8 * channels)
    )


ENCODERS: dict[str, Callable[[], Encoder]] = {
    "mobilenet_v3_small": lambda: _mobilenet_v3("mobilenet_v3_small", (2, 4, 9, 12), (16, 24, 48, 96)),
    "mobilenet_v3_large": lambda: _mobilenet_v3("mobilenet_v3_large", (4, 7, 13, 16), (24, 40, 112, 160)),
    "resnet18": lambda: _resnet("resnet18", (64, 128, 256, 512)),
    "resnet50": lambda: _resnet("resnet50", (256, 512, 1024, 2048)),
    "swin_t": lambda: swin(torchvision.models.swin_t(weights=None)),
}

TRANSFORMERS = ("swin_t",)
"""Encoders most of whose weights are in linear layers."""


def build_encoder(name: str) -> Encoder:
    """A new encoder with random weights.

    Raises:
        ValueError: the name is not in ``ENCODERS``.
    """
    if name not in ENCODERS:
        raise ValueError(f"encoder '{name}' is not known; expected one of: {', '.join(ENCODERS)}")
    return ENCODERS[name]()

# SPDX-License-Identifier: Apache-2.0
"""The blocks of EfficientNet-Lite: EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, as Google
published it for phones. A stem and a last stage that do not grow with the depth keep the small variants small.

Here rather than from timm because a robot that runs `lite` then needs no further package. timm's own blocks give the same
feature maps for the same weights, which is tested.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain

from torch import Tensor, nn

from mtl_perception.core.layers import Float32BackwardConv2d

BATCH_NORM_EPS = 1e-3
"""TensorFlow's default, which the published weights were trained with."""


@dataclass(frozen=True)
class _Stage:
    """``blocks`` and ``channels`` are those of the smallest variant; the first block has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STEM_CHANNELS = 32
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_LEVEL_ENDS = (2, 3, 5, 7)
"""Stages up to each feature map, at strides 4, 8, 16 and 32."""


def efficientnet_lite(width: float, depth: float) -> tuple[list[nn.Module], tuple[int, int, int, int]]:
    """The stages of an EfficientNet-Lite up to strides 4, 8, 16 and 32, and the channels of each.

    Args:
        width: factor of the channels.
        depth: factor of the blocks of each stage but the first and the last.
    """
    blocks: list[list[nn.Module]] = [[_conv_norm(3, _STEM_CHANNELS, 3, stride=2, activation=True)]]
    channels, widths = _STEM_CHANNELS, []
    for number, stage in enumerate(_STAGES):
        is_inner = 0 < number < len(_STAGES) - 1
        repeats = math.ceil(stage.blocks * depth) if is_inner else stage.blocks
        out_channels = _rounded(stage.channels * width)
        row: list[nn.Module] = []
        for i in range(repeats):
            row.append(_InvertedResidual(channels, out_channels, stage.kernel, stage.stride if i == 0 else 1, stage.expansion))
            channels = out_channels
        blocks.append(row)
        widths.append(out_channels)
    starts = (0, *(end + 1 for end in _LEVEL_ENDS))  # the stem comes before the first stage
    levels = [nn.Sequential(*chain.from_iterable(blocks[start : end + 1])) for start, end in zip(starts, _LEVEL_ENDS)]
    c2, c3, c4, c5 = (widths[end - 1] for end in _LEVEL_ENDS)
    return levels, (c2, c3, c4, c5)  # pyright: ignore[reportReturnType]


class _InvertedResidual(nn.Sequential):
    """1×1 convolution to more channels, depthwise convolution, 1×1 convolution back, added to the input where it fits
    (Sandler et al., MobileNetV2, CVPR 2018)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        inner = in_channels * expansion
        expand = [_conv_norm(in_channels, inner, 1, activation=True)] if expansion > 1 else []
        super().__init__(
            *expand,
            _conv_norm(inner, inner, kernel, stride, groups=inner, activation=True),
            _conv_norm(inner, out_channels, 1, activation=False),
        )
        self._is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return x + y if self._is_residual else y


def _conv_norm(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1, *, activation: bool) -> nn.Sequential:
    """TensorFlow's SAME padding: of an odd number of rows more go below than above, so at stride 2 the padding is no longer
    symmetric. Sides are even here, because an input's are multiples of 32."""
    layers: list[nn.Module] = []
    padding = kernel // 2
    if stride == 2:
        before = (kernel - 2) // 2
        layers.append(nn.ZeroPad2d((before, kernel - 2 - before, before, kernel - 2 - before)))
        padding = 0
    convolution = Float32BackwardConv2d if groups > 1 else nn.Conv2d
    layers.append(convolution(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False))
    layers.append(nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS))
    if activation:
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)


def _rounded(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of ``divisor``, but no less than nine tenths of ``channels``."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest

# SPDX-License-Identifier: Apache-2.0
"""Backbone and neck of YOLOX-nano (Ge et al., YOLOX, 2021): cross-stage partial blocks (CSPNet, Wang et al., CVPRW 2020) of
depthwise separable convolutions, and a path aggregation over strides 8, 16 and 32.

Its published weights were trained to detect the 80 classes of COCO, so it begins with what photographs of objects look like; an
encoder from ImageNet has to learn that from the few boxes of a small data set. Modules come in the order of the published
tensors, which `encoder_weights` goes by.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.core.layers import YOLOX_NORM_EPS, ConvNormAct

CHANNELS = (32, 64, 128, 256)
"""Of the feature maps at strides 4, 8, 16 and 32."""
POOLING = 5
"""Side of the window; three in a row see what windows of 5, 9 and 13 do."""


def yolox_nano_stages() -> list[nn.Module]:
    """The backbone, cut behind strides 4, 8, 16 and 32."""
    c2, c3, c4, c5 = CHANNELS
    return [
        # The published stem sorts blocks of 2×2 pixels into channels before a 3×3 convolution; this is the same sum.
        nn.Sequential(_conv(3, c2 // 2, 6, stride=2), _separable(c2 // 2, c2, stride=2), _Partial(c2, c2, 1)),
        nn.Sequential(_separable(c2, c3, stride=2), _Partial(c3, c3, 3)),
        nn.Sequential(_separable(c3, c4, stride=2), _Partial(c4, c4, 3)),
        nn.Sequential(_separable(c4, c5, stride=2), _PooledPyramid(c5), _Partial(c5, c5, 1, residual=False)),
    ]


class YoloxNanoNeck(nn.Module):
    """Backbone's feature maps at strides 8, 16 and 32 → the same, each of which has seen the others."""

    def __init__(self) -> None:
        super().__init__()
        _, c3, c4, c5 = CHANNELS
        self.reduce5 = _conv(c5, c4, 1)
        self.up4 = _Partial(2 * c4, c4, 1, residual=False)
        self.reduce4 = _conv(c4, c3, 1)
        self.up3 = _Partial(2 * c3, c3, 1, residual=False)
        self.step3 = _separable(c3, c3, stride=2)
        self.down4 = _Partial(2 * c3, c4, 1, residual=False)
        self.step4 = _separable(c4, c4, stride=2)
        self.down5 = _Partial(2 * c4, c5, 1, residual=False)

    def forward(self, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        top = self.reduce5(c5)
        middle = self.reduce4(self.up4(torch.cat([_twice(top), c4], 1)))
        p3 = self.up3(torch.cat([_twice(middle), c3], 1))
        p4 = self.down4(torch.cat([self.step3(p3), middle], 1))
        p5 = self.down5(torch.cat([self.step4(p4), top], 1))
        return p3, p4, p5


class _Partial(nn.Module):
    """One half of the channels passes ``blocks`` bottlenecks, the other goes around them."""

    def __init__(self, in_channels: int, out_channels: int, blocks: int, residual: bool = True) -> None:
        super().__init__()
        half = out_channels // 2
        self.through = _conv(in_channels, half, 1)
        self.around = _conv(in_channels, half, 1)
        self.join = _conv(2 * half, out_channels, 1)
        self.blocks = nn.Sequential(*(_Bottleneck(half, residual) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.blocks(self.through(x)), self.around(x)], 1))


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, residual: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(_conv(channels, channels, 1), _separable(channels, channels))
        self._is_residual = residual

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self._is_residual else self.layers(x)


class _PooledPyramid(nn.Module):
    """Maxima over growing windows beside each other (spatial pyramid pooling, He et al., ECCV 2014)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = _conv(channels, channels // 2, 1)
        self.join = _conv(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.reduce(x)]
        for _ in range(3):
            levels.append(F.max_pool2d(levels[-1], POOLING, 1, POOLING // 2))
        return self.join(torch.cat(levels, 1))


def _separable(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(in_channels, in_channels, 3, stride, groups=in_channels), _conv(in_channels, out_channels, 1))


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return ConvNormAct(in_channels, out_channels, kernel, stride, groups, YOLOX_NORM_EPS)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")

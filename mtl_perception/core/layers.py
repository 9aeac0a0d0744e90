# SPDX-License-Identifier: Apache-2.0
"""The building blocks that encoders, necks and heads share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

YOLOX_NORM_EPS = 1e-3
"""``eps`` of the batch norms of YOLOX's published weights."""


def take_yolox_norm(norm: nn.BatchNorm2d, stored: Mapping[str, Tensor], prefix: str) -> None:
    """Load a batch norm of YOLOX's published weights into one of another ``eps``, so that it gives the same numbers."""
    norm.load_state_dict({key: stored[f"{prefix}.{key}"] for key in norm.state_dict()})
    norm.running_var.add_(YOLOX_NORM_EPS - norm.eps)  # pyright: ignore[reportOptionalMemberAccess]


class Float32BackwardConv2d(nn.Conv2d):
    """A depthwise convolution that, when trained on a CPU under bfloat16 autocast, runs in float32.

    oneDNN has no fast bfloat16 kernel for the gradient of a depthwise convolution: with it MobileNetV3-L trains 2.3×
    slower than with this (20.4 against 8.7 images/s at 256×192 on one core).
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.device.type == "cpu" and x.dtype == torch.bfloat16:
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.float()).to(x.dtype)
        return super().forward(x)


class ConvNormAct(nn.Sequential):
    """Convolution, batch norm, SiLU; as many pixels as before at stride 1.

    Args:
        groups: as many as channels make it depthwise.
        eps: of the batch norm.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, groups: int = 1, eps: float = 1e-5) -> None:
        convolution = Float32BackwardConv2d if groups > 1 else nn.Conv2d
        super().__init__(
            convolution(in_channels, out_channels, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out_channels, eps=eps),
            nn.SiLU(inplace=True),
        )


class DepthwiseSeparableConv(nn.Sequential):
    """A 3×3 convolution of each channel by itself, then a 1×1 convolution across them; batch norm and SiLU behind both, as MobileNet
    and YOLOX-nano have it."""

    def __init__(self, channels: int) -> None:
        super().__init__(*ConvNormAct(channels, channels, groups=channels), *ConvNormAct(channels, channels, 1))


class SeparableConv(nn.Sequential):
    """As ``DepthwiseSeparableConv``, with batch norm and SiLU at the end alone."""

    def __init__(self, channels: int) -> None:
        convolution = Float32BackwardConv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        super().__init__(convolution, *ConvNormAct(channels, channels, 1))

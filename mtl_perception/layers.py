# SPDX-License-Identifier: Apache-2.0
"""The one building block that necks and heads are made of."""

from __future__ import annotations

from torch import nn


class ConvNormAct(nn.Sequential):
    """Convolution, batch norm, SiLU; ``same`` padding at stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.SiLU(inplace=True),
        )

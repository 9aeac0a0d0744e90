# SPDX-License-Identifier: Apache-2.0
"""Necks: mix the encoder's levels into a pyramid with the same number of channels everywhere."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.encoders import LEVELS
from mtl_perception.layers import ConvNormAct


class PAN(nn.Module):
    """Path aggregation: top-down as in FPN, then bottom-up (Liu et al., CVPR 2018).

    P2 takes part in the top-down path only: it feeds the dense heads, which need its resolution, and every
    convolution at stride 4 costs as much as four at stride 8. Sums that go straight into a head are not smoothed
    here, because every head begins with a 3×3 convolution. The image's mean feature is added at the top, because
    metric depth depends on what kind of room this is and a convolution sees only a part of it.
    """

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleDict({level: ConvNormAct(c, channels, 1) for level, c in zip(LEVELS, in_channels, strict=True)})
        self.context = nn.Linear(in_channels[-1], channels)
        self.top_down = nn.ModuleDict({level: ConvNormAct(channels, channels) for level in ("p4", "p3")})
        self.down = nn.ModuleDict({level: ConvNormAct(channels, channels, stride=2) for level in ("p4", "p5")})

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"c2" … "c5"} → {"p2" … "p5"}, each (B, channels, H/stride, W/stride)."""
        lateral = {level: block(features[level]) for level, block in self.lateral.items()}
        context = self.context(features["c5"].mean((2, 3)))
        p5 = lateral["c5"] + context[:, :, None, None]
        p4 = self.top_down["p4"](lateral["c4"] + _upsample(p5, lateral["c4"]))
        p3 = self.top_down["p3"](lateral["c3"] + _upsample(p4, lateral["c3"]))
        p2 = lateral["c2"] + _upsample(p3, lateral["c2"])
        n4 = p4 + self.down["p4"](p3)
        n5 = p5 + self.down["p5"](n4)
        return {"p2": p2, "p3": p3, "p4": n4, "p5": n5}


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="nearest")


NECKS: dict[str, Callable[[tuple[int, ...], int], nn.Module]] = {"pan": PAN}


def build_neck(name: str, in_channels: tuple[int, ...], channels: int) -> nn.Module:
    """A new neck over an encoder's ``in_channels``.

    Raises:
        ValueError: the name is not in ``NECKS``.
    """
    if name not in NECKS:
        raise ValueError(f"neck '{name}' is not known; expected one of: {', '.join(NECKS)}")
    return NECKS[name](in_channels, channels)

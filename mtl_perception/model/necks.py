# SPDX-License-Identifier: Apache-2.0
"""Necks: mix the encoder's levels into a pyramid with the same number of channels everywhere.

Sums that go straight into a head are not smoothed here, because every head begins with a 3×3 convolution.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.core.layers import ConvNormAct, SeparableConv, take_yolox_norm
from mtl_perception.model.encoders import LEVELS


class Neck(nn.Module):
    """Brings every level to the same channels and adds the image's mean feature at the top, because metric depth depends
    on what kind of room this is and a convolution sees only a part of it."""

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.stem: nn.Module = nn.Identity()
        self.lateral = nn.ModuleDict({level: ConvNormAct(c, channels, 1) for level, c in zip(LEVELS, in_channels, strict=True)})
        self.context = nn.Linear(in_channels[-1], channels)

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"c2" … "c5"} → {"p2" … "p5"}, each (B, channels, H/stride, W/stride)."""
        c2, c3, c4 = (self.lateral[level](features[level]) for level in LEVELS[:3])
        pyramid = self.mix(c2, c3, c4, self.top(features["c5"]))
        return pyramid | {"p2": self.stem(pyramid["p2"])}

    def top(self, c5: Tensor) -> Tensor:
        """The coarsest level with the image's mean feature."""
        return self.lateral["c5"](c5) + self.context(c5.mean((2, 3)))[:, :, None, None]

    def coarse(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"c2" … "c5"} → {"p3", "p4", "p5"}, for heads that see no others."""
        return {level: feature for level, feature in self(features).items() if level != "p2"}

    def without_p2(self) -> None:
        """Drop what serves P2 alone; ``coarse`` is then all that works."""
        self.stem = nn.Identity()

    def add_stem(self, channels: int) -> None:
        """Smooth P2 once, for all dense heads together: what each of them did for itself costs most of a wide head."""
        self.stem = nn.Sequential(SeparableConv(channels), SeparableConv(channels))

    @abstractmethod
    def mix(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> dict[str, Tensor]:
        """Levels of equal channels → {"p2" … "p5"}."""


class FPN(Neck):
    """Feature pyramid: coarse levels are added to finer ones (Lin et al., CVPR 2017)."""

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__(in_channels, channels)
        self.top_down = nn.ModuleDict({level: ConvNormAct(channels, channels) for level in ("p4", "p3")})

    def mix(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> dict[str, Tensor]:
        p2, p3, p4 = _top_down(self.top_down, c2, c3, c4, c5)
        return {"p2": p2, "p3": p3, "p4": p4, "p5": c5}


class DenseFPN(Neck):
    """For encoders that mix their levels themselves: P3 to P5 are the encoder's, brought to equal channels, and a feature pyramid on
    top of them makes P2 alone. So boxes are found in what the encoder was trained to find them in, and the dense tasks have
    convolutions at stride 8 to themselves, where they cost a quarter."""

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__(in_channels, channels)
        wide = channels * 3 // 2
        p3 = nn.Sequential(ConvNormAct(channels, wide), ConvNormAct(wide, channels))
        self.top_down = nn.ModuleDict({"p4": ConvNormAct(channels, channels), "p3": p3})

    def load_pretrained(self, stored: Mapping[str, Tensor]) -> None:
        """Take the first convolutions of YOLOX's published head, ``head.stems``, where these have as many channels; of the image's
        mean feature they know nothing, so that begins with no weight."""
        for i, level in enumerate(("c3", "c4", "c5")):
            convolution, norm, _ = self.lateral[level]  # pyright: ignore[reportGeneralTypeIssues]
            parts = {f"head.stems.{i}.conv": convolution, f"head.stems.{i}.bn": norm}
            if all(
                f"{prefix}.{key}" in stored and stored[f"{prefix}.{key}"].shape == value.shape
                for prefix, module in parts.items()
                for key, value in module.state_dict().items()
            ):
                convolution.load_state_dict({"weight": stored[f"head.stems.{i}.conv.weight"]})
                take_yolox_norm(norm, stored, f"head.stems.{i}.bn")
                nn.init.zeros_(self.context.weight)
                nn.init.zeros_(self.context.bias)

    def mix(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> dict[str, Tensor]:
        p2, _, _ = _top_down(self.top_down, c2, c3, c4, c5)
        return {"p2": p2, "p3": c3, "p4": c4, "p5": c5}

    def coarse(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"p3": self.lateral["c3"](features["c3"]), "p4": self.lateral["c4"](features["c4"]), "p5": self.top(features["c5"])}

    def without_p2(self) -> None:
        super().without_p2()
        del self.lateral["c2"], self.top_down


class PAN(FPN):
    """Path aggregation: top-down as in FPN, then bottom-up (Liu et al., CVPR 2018).

    P2 takes part in the top-down path only: it feeds the dense heads, which need its resolution, and every
    convolution at stride 4 costs as much as four at stride 8.
    """

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__(in_channels, channels)
        self.down = nn.ModuleDict({level: ConvNormAct(channels, channels, stride=2) for level in ("p4", "p5")})

    def mix(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> dict[str, Tensor]:
        p = super().mix(c2, c3, c4, c5)
        n4 = p["p4"] + self.down["p4"](p["p3"])
        n5 = p["p5"] + self.down["p5"](n4)
        return {"p2": p["p2"], "p3": p["p3"], "p4": n4, "p5": n5}


class UNet(Neck):
    """Coarse levels are set beside finer ones rather than added to them (Ronneberger et al., MICCAI 2015); one
    convolution a level, also at stride 4."""

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__(in_channels, channels)
        self.merge = nn.ModuleDict({level: ConvNormAct(2 * channels, channels) for level in ("p4", "p3", "p2")})

    def mix(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> dict[str, Tensor]:
        p4 = self.merge["p4"](torch.cat([c4, _upsample(c5, c4)], 1))
        p3 = self.merge["p3"](torch.cat([c3, _upsample(p4, c3)], 1))
        p2 = self.merge["p2"](torch.cat([c2, _upsample(p3, c2)], 1))
        return {"p2": p2, "p3": p3, "p4": p4, "p5": c5}


class BiFPN(Neck):
    """Two rounds of top-down and bottom-up over all four levels with learned weights of what comes together and
    depthwise separable convolutions (Tan et al., EfficientDet, CVPR 2020)."""

    def __init__(self, in_channels: tuple[int, ...], channels: int, rounds: int = 2) -> None:
        super().__init__(in_channels, channels)
        self.rounds = nn.ModuleList([_BiFPNRound(channels) for _ in range(rounds)])

    def mix(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> dict[str, Tensor]:
        levels = [c2, c3, c4, c5]
        for round_ in self.rounds:
            levels = round_(levels)
        return dict(zip(("p2", "p3", "p4", "p5"), levels, strict=True))


class PFPN(Neck):
    """Parallel feature pyramid: every level is made of a pool of all of them in one step, none from a level made before
    (Kim et al.: Parallel Feature Pyramid Network for Object Detection, ECCV 2018).

    There the pool comes from the encoder's last level by spatial pyramid pooling; here from the four levels that every
    encoder has, which hold more detail. As there, one bottleneck transforms each member of the pool, the levels' own
    answers keep their width, what comes from other levels is squeezed, resized and set beside them, and one convolution
    makes the level. Levels are averaged on the way down, so that nothing is skipped.
    """

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__(in_channels, channels)
        squeezed = max(channels // 4, 1)
        names = ("p2", "p3", "p4", "p5")
        self.squeeze = nn.ModuleDict({name: ConvNormAct(channels, squeezed, 1) for name in names})
        self.transform = nn.ModuleDict({name: ConvNormAct(squeezed, squeezed) for name in names})
        self.merge = nn.ModuleDict({name: ConvNormAct(channels + 3 * squeezed, channels, 1) for name in names})

    def mix(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> dict[str, Tensor]:
        levels = dict(zip(("p2", "p3", "p4", "p5"), (c2, c3, c4, c5), strict=True))
        pool = {name: self.transform[name](self.squeeze[name](level)) for name, level in levels.items()}
        return {
            name: self.merge[name](torch.cat([level, *(_resize(other, level) for key, other in pool.items() if key != name)], 1))
            for name, level in levels.items()
        }


class TRN(Neck):
    """Top-down refinement: a coarse level is refined by a finer one in modules of two convolutions (Pinheiro et al.:
    Learning to Refine Object Segments, ECCV 2016).

    No article that names a neck TRN could be found; this is the closest that is described. As there, a module first
    transforms the finer level by itself, sets it beside what comes from above, merges both, and the result is what the next
    module upsamples. Convolutions are separable, for the finest level is the most expensive.
    """

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        super().__init__(in_channels, channels)
        half = max(channels // 2, 1)
        self.skip = nn.ModuleDict({level: SeparableConv(channels) for level in ("p4", "p3", "p2")})
        self.above = nn.ModuleDict({level: ConvNormAct(channels, half, 1) for level in ("p4", "p3", "p2")})
        self.merge = nn.ModuleDict({level: ConvNormAct(channels + half, channels, 1) for level in ("p4", "p3", "p2")})
        self.refine = nn.ModuleDict({level: SeparableConv(channels) for level in ("p4", "p3", "p2")})

    def mix(self, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> dict[str, Tensor]:
        p4 = self._refined("p4", c4, c5)
        p3 = self._refined("p3", c3, p4)
        return {"p2": self._refined("p2", c2, p3), "p3": p3, "p4": p4, "p5": c5}

    def _refined(self, name: str, fine: Tensor, coarse: Tensor) -> Tensor:
        beside = torch.cat([self.skip[name](fine), _upsample(self.above[name](coarse), fine)], 1)
        return self.refine[name](self.merge[name](beside))


class _BiFPNRound(nn.Module):
    """Fine levels come first in every list."""

    def __init__(self, channels: int, levels: int = 4) -> None:
        super().__init__()
        self.top_down = nn.ModuleList([_Fusion(channels, 2) for _ in range(levels - 1)])
        # What lies between the finest and the coarsest level sees its input, its top-down value and the level below.
        self.bottom_up = nn.ModuleList([_Fusion(channels, 3 if i < levels - 2 else 2) for i in range(levels - 1)])

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        down = [*levels]
        for i in reversed(range(len(levels) - 1)):
            down[i] = self.top_down[i]([levels[i], _upsample(down[i + 1], levels[i])])
        up = [down[0]]
        for i in range(1, len(levels)):
            below = F.max_pool2d(up[-1], 3, 2, 1)
            inner = [levels[i], down[i], below] if i < len(levels) - 1 else [levels[i], below]
            up.append(self.bottom_up[i - 1](inner))
        return up


class _Fusion(nn.Module):
    """Fast normalised fusion: Σ wᵢ xᵢ / (ε + Σ wⱼ) with w ≥ 0, then a convolution."""

    def __init__(self, channels: int, inputs: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(inputs))
        self.convolution = SeparableConv(channels)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        weights = self.weights.relu()
        weights = weights / (weights.sum() + 1e-4)
        total = sum(weight.to(x.dtype) * x for weight, x in zip(weights.unbind(), inputs, strict=True))
        return self.convolution(total)


def _top_down(smooth: nn.ModuleDict, c2: Tensor, c3: Tensor, c4: Tensor, c5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """P2, P3 and P4: each level plus the upsampled coarser one, smoothed at P3 and P4."""
    p4 = smooth["p4"](c4 + _upsample(c5, c4))
    p3 = smooth["p3"](c3 + _upsample(p4, c3))
    return c2 + _upsample(p3, c2), p3, p4


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="nearest")


def _resize(x: Tensor, like: Tensor) -> Tensor:
    """Levels lie powers of two apart: means on the way down, as every input's size is a multiple of the coarsest stride."""
    factor = x.shape[-1] // like.shape[-1]
    return F.avg_pool2d(x, factor) if factor > 1 else _upsample(x, like)


NECKS: dict[str, Callable[[tuple[int, ...], int], Neck]] = {
    "pan": PAN,
    "fpn": FPN,
    "dense_fpn": DenseFPN,
    "bifpn": BiFPN,
    "unet": UNet,
    "pfpn": PFPN,
    "trn": TRN,
}


def build_neck(name: str, in_channels: tuple[int, ...], channels: int, stem: bool = False) -> Neck:
    """A new neck over an encoder's ``in_channels``.

    Args:
        stem: whether P2 passes a stem that the dense heads share.

    Raises:
        ValueError: the name is not in ``NECKS``.
    """
    if name not in NECKS:
        raise ValueError(f"neck '{name}' is not known; expected one of: {', '.join(NECKS)}")
    neck = NECKS[name](in_channels, channels)
    if stem:
        neck.add_stem(channels)
    return neck


def build_coarse_neck(name: str, in_channels: tuple[int, ...], channels: int) -> Neck:
    """A new neck of which ``coarse`` alone is wanted.

    Raises:
        ValueError: as ``build_neck``.
    """
    neck = build_neck(name, in_channels, channels)
    neck.without_p2()
    return neck

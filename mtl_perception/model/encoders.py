# SPDX-License-Identifier: Apache-2.0
"""Encoders: classification networks cut into a pyramid of four feature maps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from mtl_perception.core.layers import Float32BackwardConv2d
from mtl_perception.core.validation_text import did_you_mean, shown
from mtl_perception.model.efficientnet_lite import efficientnet_lite
from mtl_perception.model.yolox_nano import CHANNELS as YOLOX_NANO_CHANNELS
from mtl_perception.model.yolox_nano import YoloxNanoNeck, yolox_nano_stages

if TYPE_CHECKING:
    from torchvision.models import SwinTransformer

LEVELS = ("c2", "c3", "c4", "c5")
"""Names of the feature maps, at strides 4, 8, 16 and 32."""


class Normalization(NamedTuple):
    """Mean and standard deviation by which RGB values of 0 to 255 are normalised."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
SYMMETRIC = Normalization((127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
"""Google's for EfficientNet-Lite."""


class Encoder(nn.Module):
    """Four stages that follow each other, each halving the resolution of the one before (the first ends at stride 4).

    Attributes:
        channels: channels of c2, c3, c4 and c5.
        normalization: of the images, as the published weights of this encoder expect it.
    """

    def __init__(self, stages: list[nn.Module], channels: tuple[int, int, int, int], normalization: Normalization = IMAGENET) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.channels = channels
        self.normalization = normalization

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) normalised images → {"c2": (B, C2, H/4, W/4), …, "c5": (B, C5, H/32, W/32)}."""
        return self.aggregated(self.levels(images))

    def levels(self, x: Tensor) -> dict[str, Tensor]:
        """The feature map that comes out of each stage, by its name; ``x`` is what the first one sees."""
        found: dict[str, Tensor] = {}
        for level, stage in self.staged():
            x = found[level] = stage(x)
        return found

    def staged(self) -> list[tuple[str, nn.Module]]:
        """The stages with the names of the feature maps that come out of them."""
        return list(zip(LEVELS[-len(self.stages) :] if self.stages else (), self.stages, strict=True))

    def begin_behind(self, stages: int) -> None:
        """Leave out the first ``stages``: what they give is then another encoder's."""
        self.stages = self.stages[stages:]

    def aggregated(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Returns the encoder's feature maps, from those of all its stages; most encoders give these as they are."""
        return features


BATCH_NORM_MOMENTUM = 0.1
"""How much of a batch norm's running statistics each step replaces. torchvision gives MobileNetV3 0.01, for runs of hundreds of
thousands of steps: after 500 steps 0.7 % of the initial variance of 1 is left, which outweighs the variance behind a depthwise
convolution (below 0.001). The same training (config/transfer.yaml, fixed) evaluated worse: RMSE 1.18 m instead of 0.92, mIoU .176
instead of .191."""


class _MeanOfImage(nn.Module):
    """Computes the same as ``AdaptiveAvgPool2d(1)``, in the operation that PyTorch computes it by: exporters of PyTorch 2.7 to 2.9 make a loop
    over sequences of the pooling, which not every runtime has."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((-1, -2), keepdim=True)


def _of_torchvision(name: str) -> Any:
    import torchvision  # takes as long as PyTorch: for networks that are its own alone

    return torchvision.models.get_model(name, weights=None)


def _mobilenet_v3(name: str, ends: tuple[int, int, int, int], channels: tuple[int, int, int, int]) -> Encoder:
    """``ends`` are the numbers of blocks up to each level; the last 1×1 convolution serves classification only, so it is left off."""
    blocks = _of_torchvision(name).features
    for module in blocks.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.__class__ = Float32BackwardConv2d
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = BATCH_NORM_MOMENTUM
        elif isinstance(getattr(module, "avgpool", None), nn.AdaptiveAvgPool2d):
            module.avgpool = _MeanOfImage()
    return Encoder([blocks[start:end] for start, end in zip((0, *ends), ends)], channels)


def _resnet(name: str, channels: tuple[int, int, int, int]) -> Encoder:
    net = _of_torchvision(name)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
    return Encoder([stem, net.layer2, net.layer3, net.layer4], channels)


def swin(network: SwinTransformer) -> Encoder:
    """The encoder of a Swin transformer (Liu et al., ICCV 2021), whose blocks work on (B, H, W, C). A norm at each level's
    output would be one too many: a neck begins with batch norm."""
    from torchvision.ops import Permute

    blocks = network.features
    channels = network.features[0][0].out_channels
    stages = [[*blocks[:2]], *([Permute([0, 2, 3, 1]), *blocks[i : i + 2]] for i in (2, 4, 6))]
    return Encoder([nn.Sequential(*stage, Permute([0, 3, 1, 2])) for stage in stages], (channels, 2 * channels, 4 * channels, 8 * channels))


class TimmEncoder(Encoder):
    """Any network of timm that gives feature maps at strides 4, 8, 16 and 32, with timm's normalisation for it."""

    def __init__(self, name: str) -> None:
        try:
            import timm
        except ImportError:
            raise ValueError(f"encoder '{TIMM}{name}' needs timm: pip install 'mtl-perception[timm]'") from None
        try:
            network = timm.create_model(name, pretrained=False, features_only=True)
        except (RuntimeError, AttributeError, TypeError) as error:
            raise ValueError(f"timm has no features of '{name}' ({error}); timm.list_models() has the names") from None
        strides = network.feature_info.reduction()
        missing = [stride for stride in (4, 8, 16, 32) if stride not in strides]
        if missing:
            raise ValueError(f"timm's '{name}' has features at strides {strides}, expected 4, 8, 16 and 32 among them")
        rows = [len(strides) - 1 - strides[::-1].index(stride) for stride in (4, 8, 16, 32)]
        c2, c3, c4, c5 = (network.feature_info.channels()[row] for row in rows)
        config: dict[str, Any] = network.pretrained_cfg if hasattr(network, "pretrained_cfg") else network.default_cfg  # pyright: ignore[reportAssignmentType]
        mean, std = (tuple(255.0 * value for value in config[key]) for key in ("mean", "std"))
        super().__init__([], (c2, c3, c4, c5), Normalization(mean, std))
        self.network = network
        self._rows = rows

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        found = self.network(images)
        return {level: found[row] for level, row in zip(LEVELS, self._rows, strict=True)}

    def staged(self) -> list[tuple[str, nn.Module]]:
        raise ValueError("an encoder of timm can't be mixed stage by stage; choose another kind of sharing or another encoder")


class YoloxNanoEncoder(Encoder):
    """The backbone of a detector together with its neck, so that all which its published weights know is there to begin with."""

    def __init__(self) -> None:
        super().__init__(yolox_nano_stages(), YOLOX_NANO_CHANNELS)
        self.aggregation = YoloxNanoNeck()

    def aggregated(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        c2, *coarser = (features[level] for level in LEVELS)
        return dict(zip(LEVELS, (c2, *self.aggregation(*coarser)), strict=True))


class CompositeEncoder(Encoder):
    """Two encoders side by side, whose feature maps are concatenated.

    One that was pretrained on boxes and one that was pretrained on whole images know different things. CBNet (Liu et al., AAAI 2020) adds the
    maps of an assisting backbone to those of the lead; beside them, they change no answer of a network that had the lead alone
    before training gives them weight (training/composing.py).

    Attributes:
        lead_channels: how many of ``channels``, the first of each level, are the lead's.
    """

    def __init__(self, lead: YoloxNanoEncoder, second: Encoder) -> None:
        pairs = zip(lead.stages, second.stages, (0, *lead.channels), strict=False)
        stages: list[nn.Module] = [_StageOfTwo(first, other, width) for first, other, width in pairs]
        stages[0].second = nn.Sequential(_Renormalize(lead.normalization, second.normalization), stages[0].second)  # pyright: ignore[reportArgumentType]
        c2, c3, c4, c5 = (one + other for one, other in zip(lead.channels, second.channels, strict=True))
        super().__init__(stages, (c2, c3, c4, c5), lead.normalization)
        self.aggregation = lead.aggregation
        self.lead_channels = lead.channels

    def lead(self) -> list[nn.Module]:
        """The modules of the first encoder."""
        return [*(stage.first for stage in self.stages), self.aggregation]  # pyright: ignore[reportReturnType]

    def aggregated(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        own = {level: features[level][:, :width] for level, width in zip(LEVELS, self.lead_channels, strict=True)}
        mixed = dict(zip(LEVELS, (own["c2"], *self.aggregation(own["c3"], own["c4"], own["c5"])), strict=True))
        return {level: torch.cat([mixed[level], features[level][:, own[level].shape[1] :]], 1) for level in LEVELS}


class _StageOfTwo(nn.Module):
    """One stage of each, on their parts of what the stages before gave; both see the image."""

    def __init__(self, first: nn.Module, second: nn.Module, first_channels: int) -> None:
        super().__init__()
        self.first, self.second = first, second
        self._first_channels = first_channels

    def forward(self, x: Tensor) -> Tensor:
        split = self._first_channels
        one, other = (x[:, :split], x[:, split:]) if split else (x, x)
        return torch.cat([self.first(one), self.second(other)], 1)


class _Renormalize(nn.Module):
    """Images that were normalised for one encoder as another expects them."""

    scale: Tensor
    shift: Tensor

    def __init__(self, before: Normalization, after: Normalization) -> None:
        super().__init__()
        mean, std, new_mean, new_std = (torch.tensor(part).view(1, 3, 1, 1) for part in (*before, *after))
        self.register_buffer("scale", std / new_std, persistent=False)
        self.register_buffer("shift", (mean - new_mean) / new_std, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return images * self.scale + self.shift


def _efficientnet_lite(width: float, depth: float) -> Encoder:
    stages, channels = efficientnet_lite(width, depth)
    return Encoder(stages, channels, SYMMETRIC)


TIMM = "timm/"
"""Names that begin so are timm's, such as timm/convnext_tiny."""

ENCODERS: dict[str, Callable[[], Encoder]] = {
    "efficientnet_lite0": lambda: _efficientnet_lite(1.0, 1.0),
    "efficientnet_lite1": lambda: _efficientnet_lite(1.0, 1.1),
    "efficientnet_lite2": lambda: _efficientnet_lite(1.1, 1.2),
    "mobilenet_v3_small": lambda: _mobilenet_v3("mobilenet_v3_small", (2, 4, 9, 12), (16, 24, 48, 96)),
    "mobilenet_v3_large": lambda: _mobilenet_v3("mobilenet_v3_large", (4, 7, 13, 16), (24, 40, 112, 160)),
    "resnet18": lambda: _resnet("resnet18", (64, 128, 256, 512)),
    "resnet50": lambda: _resnet("resnet50", (256, 512, 1024, 2048)),
    "yolox_nano": YoloxNanoEncoder,
    "yolox_nano+efficientnet_lite0": lambda: CompositeEncoder(YoloxNanoEncoder(), _efficientnet_lite(1.0, 1.0)),
    "swin_t": lambda: swin(_of_torchvision("swin_t")),
}

COMPOSITES = {"yolox_nano": ("efficientnet_lite0", "yolox_nano+efficientnet_lite0")}
"""For an encoder, the second one that can stand beside it, and the name of both."""

TRANSFORMERS = ("swin_t",)
"""Encoders most of whose weights are in linear layers."""


def is_known_encoder(name: str) -> bool:
    """Whether ``name`` is one of ``ENCODERS`` or asks for one of timm's own: its names with a colon lead to files and hubs, where
    no checkpoint shall send anybody."""
    return name in ENCODERS or re.fullmatch(rf"{TIMM}[A-Za-z0-9_.]{{1,100}}", name) is not None


def build_encoder(name: str) -> Encoder:
    """A new encoder with random weights.

    Raises:
        ValueError: the name is neither in ``ENCODERS`` nor ``timm/`` and a network of timm with the four strides.
    """
    if name in ENCODERS:
        return ENCODERS[name]()
    if is_known_encoder(name):
        return TimmEncoder(name.removeprefix(TIMM))
    raise ValueError(
        f"encoder {shown(name)} is not known; expected {TIMM}NAME or one of: {', '.join(ENCODERS)}{did_you_mean(name, ENCODERS)}"
    )

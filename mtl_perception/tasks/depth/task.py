# SPDX-License-Identifier: Apache-2.0
"""Metric depth from one image, for any calibrated lens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from mtl_perception.core.geometry import View
from mtl_perception.core.scene import Depth
from mtl_perception.tasks._base import CollectOptions, HeadStyle, LossTerm, Task, TaskSettings
from mtl_perception.tasks._dense import DenseTower, upsample
from mtl_perception.tasks._distillation import DistillationBatch
from mtl_perception.tasks._labels import LabelCodec
from mtl_perception.tasks._metric import Metric
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks.depth.distillation import distillation_loss
from mtl_perception.tasks.depth.labels import CODEC
from mtl_perception.tasks.depth.metric import DepthMetric
from mtl_perception.tasks.depth.panel import panels

_LOG_SCALES = -6.0, 3.0
"""Range of the learned log uncertainty; outside, its exponential is of no use."""


class DepthSettings(TaskSettings):
    """Range of the canonical depth, and the focal length that it is measured at.

    A camera with twice the focal length shows an object twice as large, as if it stood at half the distance. So the
    network learns the depth that a camera of ``canonical_focal_px`` would see, and the real focal length scales it back
    (the camera-space transformation of Yin et al., Metric3D, ICCV 2023).
    """

    min_m: float = Field(0.1, ge=1e-4, le=1e5)
    max_m: float = Field(30.0, ge=1e-4, le=1e5)
    canonical_focal_px: float = Field(300.0, ge=1, le=1e6)

    @model_validator(mode="after")
    def _ordered(self) -> DepthSettings:
        if self.max_m <= self.min_m:
            raise ValueError(f"max_m is {self.max_m}, expected more than min_m ({self.min_m})")
        return self


class DepthHead(nn.Module):
    """A tower at stride 4, and two numbers for each cell."""

    def __init__(self, channels: int, style: HeadStyle = "wide") -> None:
        super().__init__()
        self.tower = DenseTower(channels, style)
        self.regress = nn.Conv2d(self.tower.out_channels, 2, 1)

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """→ {"z": (B, 1, H/4, W/4), place between the smallest and the largest log depth, before the sigmoid;
        "log_scale": (B, 1, H/4, W/4), log of the expected absolute error of log depth}."""
        z, log_scale = self.regress(self.tower(features["p2"])).chunk(2, 1)
        return {"z": z, "log_scale": log_scale}


class DepthTask(Task[DepthSettings]):
    kind: ClassVar[str] = "depth"
    default_weight: ClassVar[float] = 0.6
    scene_field: ClassVar[str] = "depth"
    Settings: ClassVar[type[TaskSettings]] = DepthSettings
    codec: ClassVar[LabelCodec] = CODEC
    metric: ClassVar[type[Metric]] = DepthMetric
    panels = staticmethod(panels)

    def agrees_with(self, other: Task) -> bool:
        """The head answers with a place between the two ends of the range, at the canonical focal length."""
        return super().agrees_with(other) and self.settings == other.settings

    def distillation_loss(self, batch: DistillationBatch) -> dict[str, LossTerm]:
        return distillation_loss(batch, self.settings.min_m, self.settings.max_m)

    def build_head(self, channels: int, style: HeadStyle = "wide") -> nn.Module:
        return DepthHead(channels, style)

    def targets(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """{"depth_m": (B, H, W) float32, 0 where unknown; "is_metric": (B,) bool}."""
        depths = [s.labels.get(self.kind, np.zeros(s.image.shape[:2], np.float32)) for s in samples]
        return {"depth_m": torch.from_numpy(np.stack(depths)), "is_metric": torch.tensor([s.depth_is_metric for s in samples])}

    def _log_canonical(self, z: Tensor) -> Tensor:
        low, high = math.log(self.settings.min_m), math.log(self.settings.max_m)
        return low + (high - low) * z.float().sigmoid()

    def loss(self, raw: dict[str, Tensor], targets: dict[str, Tensor], labelled: Tensor, focal_px: Tensor) -> dict[str, LossTerm]:
        """On log depth at half the input's resolution: scale-invariant error (Eigen et al., 2014, λ = 0.85), absolute
        error, error of gradients at three scales (MegaDepth, Li and Snavely, 2018), and the likelihood of a Laplace
        distribution that trains the uncertainty alone. Of an image whose depth is right up to one factor only, the factor that fits
        best is taken off first, so that it teaches shape and nothing of scale."""
        depth_m = targets["depth_m"][:, None, 1::2, 1::2]
        known = (depth_m > 0) & labelled[:, None, None, None]
        to_canonical = (self.settings.canonical_focal_px / focal_px)[:, None, None, None]
        truth = torch.log(torch.where(known, depth_m * to_canonical, 1.0))
        predicted = F.interpolate(self._log_canonical(raw["z"]), scale_factor=2, mode="bilinear", align_corners=False)
        log_scale = F.interpolate(raw["log_scale"].float(), scale_factor=2, mode="bilinear", align_corners=False).clamp(*_LOG_SCALES)
        error = torch.where(known, predicted - truth, 0.0)

        pixels = known.sum((1, 2, 3))
        images = (pixels > 0).float()
        mean = error.sum((1, 2, 3)) / pixels.clamp(min=1)
        factor = torch.where(targets["is_metric"], 0.0, mean)
        error = torch.where(known, error - factor[:, None, None, None], 0.0)
        mean = mean - factor
        mean_square = error.square().sum((1, 2, 3)) / pixels.clamp(min=1)
        # The small constant keeps the root's gradient finite where an image is predicted perfectly.
        silog = (mean_square - 0.85 * mean.square() + 1e-4).sqrt() * images
        likelihood = torch.where(known, error.detach().abs() * torch.exp(-log_scale) + log_scale, 0.0)
        gradient, gradient_count = _gradient_error(error, known)
        count = pixels.sum().float()
        return {
            "silog": LossTerm(silog.sum(), images.sum()),
            "log_l1": LossTerm(error.abs().sum(), count),
            "gradient": LossTerm(gradient, gradient_count, 0.5),
            "uncertainty": LossTerm(likelihood.sum(), count, 0.1, balanced=False),
        }

    def decode(self, raw: dict[str, Tensor], view: View, focal_px: Tensor) -> dict[str, Tensor]:
        """→ {"depth_m": (B, height, width); "relative_std": (B, height/4, width/4), rounded up}; for a camera whose
        focal length is not known, as if it were the canonical one.

        The log depth is enlarged, as in the loss. The uncertainty is smooth: a quarter of the resolution says all of it.
        """
        zoom = focal_px * view.scale / self.settings.canonical_focal_px
        log_zoom = torch.log(torch.where(zoom > 0, zoom, 1.0))[:, None, None, None]
        log_depth = upsample(self._log_canonical(raw["z"]) + log_zoom, view, view.width, view.height)
        # A Laplace distribution of scale b has the standard deviation √2·b.
        relative_std = math.sqrt(2.0) * torch.exp(raw["log_scale"].float().clamp(*_LOG_SCALES))
        coarse = upsample(relative_std, view, math.ceil(view.width / 4), math.ceil(view.height / 4))
        return {"depth_m": torch.exp(log_depth)[:, 0], "relative_std": coarse[:, 0]}

    def collect(self, decoded: dict[str, np.ndarray], options: CollectOptions) -> Depth:
        return Depth(**decoded)


def _gradient_error(error: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    total, count = error.new_zeros(()), error.new_zeros(())
    for step in (1, 2, 4):
        for dim in (2, 3):
            length = error.shape[dim] - step
            both = known.narrow(dim, step, length) & known.narrow(dim, 0, length)
            difference = error.narrow(dim, step, length) - error.narrow(dim, 0, length)
            total = total + torch.where(both, difference.abs(), 0.0).sum()
            count = count + both.sum()
    return total, count


TASK = DepthTask

# SPDX-License-Identifier: Apache-2.0
"""Surface normals: settings, head, targets, loss, decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.core.geometry import View
from mtl_perception.tasks._base import CollectOptions, HeadStyle, LossTerm, Task, TaskSettings
from mtl_perception.tasks._dense import DenseTower, upsample
from mtl_perception.tasks._labels import LabelCodec
from mtl_perception.tasks._metric import Metric
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks.normals.answer import Normals
from mtl_perception.tasks.normals.labels import CODEC
from mtl_perception.tasks.normals.metric import NormalsMetric
from mtl_perception.tasks.normals.panel import panels


class NormalsSettings(TaskSettings):
    """Nothing: a unit vector has neither classes nor a range."""


class NormalsHead(nn.Module):
    """A tower at stride 4, and a vector for each cell."""

    def __init__(self, channels: int, style: HeadStyle = "wide") -> None:
        super().__init__()
        self.tower = DenseTower(channels, style)
        self.regress = nn.Conv2d(self.tower.out_channels, 3, 1)
        with torch.no_grad():  # begin with surfaces that face the camera, so that no vector begins near 0
            self.regress.bias.copy_(torch.tensor([0.0, 0.0, -1.0]))

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """→ {"vectors": (B, 3, H/4, W/4), of any length}."""
        return {"vectors": self.regress(self.tower(features["p2"]))}


class NormalsTask(Task[NormalsSettings]):
    kind: ClassVar[str] = "normals"
    Settings: ClassVar[type[TaskSettings]] = NormalsSettings
    codec: ClassVar[LabelCodec] = CODEC
    metric: ClassVar[type[Metric]] = NormalsMetric
    panels = staticmethod(panels)

    def build_head(self, channels: int, style: HeadStyle = "wide") -> nn.Module:
        return NormalsHead(channels, style)

    def targets(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """{"vectors": (B, 3, H, W) float32, 0 where unknown}."""
        vectors = [s.labels.get(self.kind, np.zeros((*s.image.shape[:2], 3), np.float32)) for s in samples]
        return {"vectors": torch.from_numpy(np.stack(vectors)).permute(0, 3, 1, 2).contiguous()}

    def loss(self, raw: dict[str, Tensor], targets: dict[str, Tensor], labelled: Tensor, focal_px: Tensor) -> dict[str, LossTerm]:
        """Mean angle between found and true normals at half the input's resolution, in units of 90°, so that it is about as large as
        the losses of other dense tasks."""
        true = targets["vectors"][:, :, 1::2, 1::2]
        known = true.square().sum(1).gt(0) & labelled[:, None, None]
        found = F.interpolate(raw["vectors"].float(), scale_factor=2, mode="bilinear", align_corners=False)
        # The small constant keeps the root's gradient finite where a vector is predicted perfectly.
        sine = (torch.linalg.cross(found, true, dim=1).square().sum(1) + 1e-6).sqrt()
        angle_deg = torch.rad2deg(torch.atan2(sine, (found * true).sum(1)))
        return {"angle": LossTerm(torch.where(known, angle_deg / 90, 0.0).sum(), known.sum().float())}

    def decode(self, raw: dict[str, Tensor], view: View, focal_px: Tensor) -> dict[str, Tensor]:
        """→ {"vectors": (B, height, width, 3), of length 1}."""
        vectors = upsample(F.normalize(raw["vectors"].float(), dim=1), view, view.width, view.height)
        return {"vectors": F.normalize(vectors, dim=1).permute(0, 2, 3, 1)}

    def collect(self, decoded: dict[str, np.ndarray], options: CollectOptions) -> Normals:
        return Normals(np.ascontiguousarray(decoded["vectors"]))


TASK = NormalsTask

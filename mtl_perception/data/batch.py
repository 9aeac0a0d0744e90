# SPDX-License-Identifier: Apache-2.0
"""Samples to tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtl_perception.data.sample import Sample
from mtl_perception.tasks import Task


@dataclass(frozen=True)
class Batch:
    """B images of one size.

    Attributes:
        images: (B, 3, H, W) uint8 RGB.
        focal_px: (B,) float32.
        targets: for each task what its ``targets`` returned.
        labelled: for each task (B,) bool.
    """

    images: Tensor
    focal_px: Tensor
    targets: dict[str, dict[str, Tensor]]
    labelled: dict[str, Tensor]


def collate(samples: Sequence[Sample], tasks: Mapping[str, Task]) -> Batch:
    """A batch of ``samples`` for ``tasks``, whichever of them each sample is labelled for."""
    return Batch(
        images=torch.from_numpy(np.stack([s.image for s in samples])).permute(0, 3, 1, 2),
        focal_px=torch.tensor([s.intrinsics.fx for s in samples], dtype=torch.float32),
        targets={name: task.targets(samples) for name, task in tasks.items()},
        labelled={name: torch.tensor([task.kind in s.labels for s in samples]) for name, task in tasks.items()},
    )

# SPDX-License-Identifier: Apache-2.0
"""Samples to tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtl_perception.tasks import Sample, Task


@dataclass(frozen=True)
class Batch:
    """B images of one size.

    Attributes:
        images: (B, 3, H, W) uint8 RGB.
        focal_px: (B,) float32.
        targets: for each task what its ``targets`` returned.
        labelled: for each task (B,) bool.
        names: (B) what error messages call the samples, usually their files.
    """

    images: Tensor
    focal_px: Tensor
    targets: dict[str, dict[str, Tensor]]
    labelled: dict[str, Tensor]
    names: list[str]

    def __len__(self) -> int:
        return len(self.images)

    def pin_memory(self) -> Batch:
        """The same batch in memory that a GPU can copy from by itself; called by torch's DataLoader."""
        return self._map(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``; a copy from pinned memory goes on while the caller does."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(
            images=change(self.images),
            focal_px=change(self.focal_px),
            targets={task: {key: change(value) for key, value in targets.items()} for task, targets in self.targets.items()},
            labelled={task: change(value) for task, value in self.labelled.items()},
            names=self.names,
        )


def collate(samples: Sequence[Sample], tasks: Mapping[str, Task]) -> Batch:
    """A batch of ``samples`` for ``tasks``, whichever of them each sample is labelled for."""
    return Batch(
        images=torch.from_numpy(np.stack([s.image for s in samples])).permute(0, 3, 1, 2),
        focal_px=torch.tensor([s.intrinsics.fx for s in samples], dtype=torch.float32),
        targets={name: task.targets(samples) for name, task in tasks.items()},
        labelled={name: torch.tensor([task.is_labelled(s) for s in samples]) for name, task in tasks.items()},
        names=[s.name for s in samples],
    )

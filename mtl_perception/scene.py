# SPDX-License-Identifier: Apache-2.0
"""What one frame means: plain arrays, free of torch and of ROS."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

UNLABELLED = 255
"""Segmentation id of a pixel that belongs to no class."""


@dataclass(frozen=True)
class Detections:
    """N boxes, best score first.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels of the original image, right and bottom edges exclusive.
        scores: (N,) float32 in [0, 1].
        class_ids: (N,) int64, index into the model's detection labels.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Segmentation:
    """One class per pixel.

    Attributes:
        mask: (H, W) uint8 class ids; 255 is unlabelled.
        confidence: (H, W) uint8, probability of the chosen class times 255.
    """

    mask: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True)
class Depth:
    """Distance along the optical axis (REP 118).

    Attributes:
        depth_m: (H, W) float32 metres; NaN where unknown.
    """

    depth_m: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Everything the network said of one image of ``width`` × ``height``; a task that was not asked for is None."""

    width: int
    height: int
    detections: Detections | None = None
    segmentation: Segmentation | None = None
    depth: Depth | None = None
    stage_s: dict[str, float] = field(default_factory=dict)

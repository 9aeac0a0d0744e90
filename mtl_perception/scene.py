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

    def first(self, count: int) -> Detections:
        """The ``count`` best."""
        return Detections(self.boxes_xyxy[:count], self.scores[:count], self.class_ids[:count])


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
        relative_std: (H, W) float32, standard deviation of the depth's natural logarithm, about its relative error;
            None where the source of the depth doesn't say.
    """

    depth_m: np.ndarray
    relative_std: np.ndarray | None = None


@dataclass(frozen=True)
class Boxes3D:
    """Where the N detections of a scene are, in the same order, in the camera's optical frame.

    Where gravity is known a box's own z axis points up: turned into a level frame, such as base_link, its orientation
    is a pure yaw and the third size its height. Otherwise the orientation is the identity.

    Attributes:
        centers_m: (N, 3) float64 metres; NaN where not valid.
        sizes_m: (N, 3) float64 metres along the box's own axes, > 0; 0 where not valid.
        quaternions_xyzw: (N, 4) float64, from the box's own frame to the optical frame; the identity where not valid.
        center_covariances_m2: (N, 3, 3) float64 square metres; NaN where not valid.
        valid: (N,) bool; False for a detection without enough known depth.
    """

    centers_m: np.ndarray
    sizes_m: np.ndarray
    quaternions_xyzw: np.ndarray
    center_covariances_m2: np.ndarray
    valid: np.ndarray

    def __len__(self) -> int:
        return len(self.valid)

    def first(self, count: int) -> Boxes3D:
        """Those of the ``count`` best detections."""
        return Boxes3D(
            self.centers_m[:count],
            self.sizes_m[:count],
            self.quaternions_xyzw[:count],
            self.center_covariances_m2[:count],
            self.valid[:count],
        )


@dataclass(frozen=True)
class Classification:
    """What the image as a whole is; several classes may apply.

    Attributes:
        scores: (C,) float32 in [0, 1], one for each of the model's classification labels.
    """

    scores: np.ndarray


@dataclass(frozen=True)
class Lanes:
    """Masks that may overlap.

    Attributes:
        bits: (H, W) uint8, bit k is set where class k of the model's lanes labels is.
    """

    bits: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Everything the network said of one image of ``width`` × ``height``; a task that was not asked for is None."""

    width: int
    height: int
    detections: Detections | None = None
    segmentation: Segmentation | None = None
    depth: Depth | None = None
    stage_s: dict[str, float] = field(default_factory=dict)
    classification: Classification | None = None
    lanes: Lanes | None = None

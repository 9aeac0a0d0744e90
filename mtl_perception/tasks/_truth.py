# SPDX-License-Identifier: Apache-2.0
"""The ground truth of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Boxes3D


@dataclass(frozen=True)
class Truth:
    """The ground truth of one image, in the labels of the model that is scored; a task that is not labelled is None.

    Attributes:
        boxes_xyxy: (M, 4) pixels of the original image.
        class_ids: (M,) index into the detection labels.
        labelled_ids: detection classes that were looked for in this image; None for all of them. Boxes found of
            other classes are neither right nor wrong.
        mask: (H, W) uint8 segmentation ids, 255 unlabelled.
        mask_ids: classes that the mask could name; None for all of them. Others are not scored, but are wrong where it names one.
        depth_m: (H, W) float32 metres; NaN or 0 where unknown.
        boxes_3d: parallel to ``boxes_xyxy``, in the camera's optical frame.
        track_ids: (M,) int64, who the boxes show: the same number in every frame of a drive.
        stamp_s: when the image was taken, seconds.
        camera_pose: (4, 4) from the optical frame to one that does not move and whose z points up.
        intrinsics: of the camera.
        image_rgb: (H, W, 3) uint8, the image itself.
        labels: those of a sample, by kind.
    """

    boxes_xyxy: np.ndarray | None = None
    class_ids: np.ndarray | None = None
    labelled_ids: np.ndarray | None = None
    mask: np.ndarray | None = None
    mask_ids: np.ndarray | None = None
    depth_m: np.ndarray | None = None
    boxes_3d: Boxes3D | None = None
    track_ids: np.ndarray | None = None
    stamp_s: float | None = None
    camera_pose: np.ndarray | None = None
    intrinsics: Intrinsics | None = None
    image_rgb: np.ndarray | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)

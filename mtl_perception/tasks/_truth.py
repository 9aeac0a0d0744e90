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
    """The ground truth of one image, with the class ids of the evaluated model; None for tasks that are not labelled.

    Attributes:
        boxes_xyxy: (M, 4) pixels of the original image.
        class_ids: (M,) index into the detection labels.
        labelled_ids: detection classes that are labelled in this image; None: all. Detections of other classes are ignored.
        mask: (H, W) uint8 segmentation ids, 255 unlabelled.
        mask_ids: classes that the data set has a name for; None: all. Others have no score, but are wrong on a labelled pixel.
        depth_m: (H, W) float32 metres along the optical axis; NaN or 0 where unknown.
        boxes_3d: parallel to ``boxes_xyxy``, in the camera's optical frame.
        track_ids: (M,) int64 identities of the boxes, constant over a drive.
        stamp_s: time of the image, seconds.
        camera_pose: (4, 4) from the optical frame to a fixed frame whose z points up.
        intrinsics: of the camera.
        image_rgb: (H, W, 3) uint8, the image itself.
        labels: ``Sample.labels``.
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

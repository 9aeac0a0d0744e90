# SPDX-License-Identifier: Apache-2.0
"""The ground truth of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Boxes3D
from mtl_perception.data.sample import BoxLabels, ClassLabels, LaneLabels


@dataclass(frozen=True)
class Truth:
    """The ground truth of one image, in the labels of the model that is scored; a task that is not labelled is None.

    Attributes:
        boxes_xyxy: (M, 4) pixels of the original image.
        class_ids: (M,) index into the detection labels.
        labelled_ids: detection classes that were looked for in this image; None for all of them. Boxes found of
            other classes are neither right nor wrong.
        mask: (H, W) uint8 segmentation ids, 255 unlabelled.
        depth_m: (H, W) float32 metres; NaN or 0 where unknown.
        boxes_3d: parallel to ``boxes_xyxy``, in the camera's optical frame.
        classification: which of the model's classification labels apply.
        lanes: masks of the model's lanes labels, which may overlap.
        track_ids: (M,) int64, who the boxes show: the same number in every frame of a drive.
        stamp_s: when the image was taken, seconds.
        camera_pose: (4, 4) from the optical frame to one that does not move and whose z points up.
        intrinsics: of the camera.
    """

    boxes_xyxy: np.ndarray | None = None
    class_ids: np.ndarray | None = None
    labelled_ids: np.ndarray | None = None
    mask: np.ndarray | None = None
    depth_m: np.ndarray | None = None
    boxes_3d: Boxes3D | None = None
    classification: ClassLabels | None = None
    lanes: LaneLabels | None = None
    track_ids: np.ndarray | None = None
    stamp_s: float | None = None
    camera_pose: np.ndarray | None = None
    intrinsics: Intrinsics | None = None

    @classmethod
    def of_sample(cls, sample: Any) -> Truth:
        """The labels of a ``data.Sample``."""
        boxes = sample.labels.get("detection")
        labelled = None if boxes is None else boxes.labelled
        if boxes is not None and boxes.weights is not None:
            boxes = _drawn(boxes)
        return cls(
            boxes_xyxy=None if boxes is None else boxes.boxes_xyxy,
            class_ids=None if boxes is None else boxes.class_ids,
            labelled_ids=None if labelled is None else np.flatnonzero(labelled),
            mask=sample.labels.get("segmentation"),
            depth_m=sample.labels.get("depth"),
            classification=sample.labels.get("classification"),
            lanes=sample.labels.get("lanes"),
            boxes_3d=None if boxes is None else boxes.boxes_3d,
            intrinsics=sample.intrinsics,
        )


def _drawn(boxes: BoxLabels) -> BoxLabels:
    """Those of classes that are labelled: what a network proposed of others is no truth to score by."""
    if boxes.labelled is None:
        return boxes
    kept = boxes.labelled[boxes.class_ids]
    boxes_3d = None if boxes.boxes_3d is None else boxes.boxes_3d[kept]
    return BoxLabels(boxes.boxes_xyxy[kept], boxes.class_ids[kept], boxes.labelled, boxes_3d)

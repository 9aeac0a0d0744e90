# SPDX-License-Identifier: Apache-2.0
"""Labels of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mtl_perception.core.scene import Boxes3D
from mtl_perception.tasks._labels import BoxesCodec, Tile, Window


class BoxLabels(NamedTuple):
    """Boxes of one image.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels, right and bottom edges exclusive.
        class_ids: (N,) int64.
        labelled: (C,) bool, the classes that are labelled exhaustively; None: all. Of the others only boxes that a teacher
            proposed are known, and detections of them are ignored in evaluation.
        boxes_3d: in the camera's optical frame; None without such annotations. They are not used in training, so
            augmented samples do not have them.
        weights: (N,) float32 in (0, 1], confidence of proposed boxes; None: all are 1.
    """

    boxes_xyxy: np.ndarray
    class_ids: np.ndarray
    labelled: np.ndarray | None = None
    boxes_3d: Boxes3D | None = None
    weights: np.ndarray | None = None

    @property
    def teaches(self) -> bool:
        """Whether there is anything to train on: a labelled class, or a box."""
        return self.labelled is None or bool(self.labelled.any()) or len(self.class_ids) > 0


SMALLEST_BOX_SIDE_PX = 3.0
SMALLEST_VISIBLE_SHARE = 0.2
"""A box with a smaller visible share after a crop is dropped: what is left could not be recognised."""


class DetectionCodec(BoxesCodec):
    can_be_tiled: ClassVar[bool] = True

    def of_boxes(
        self,
        boxes_xyxy: np.ndarray,
        class_ids: np.ndarray,
        labelled: np.ndarray | None,
        boxes_3d: Boxes3D | None,
        weights: np.ndarray | None,
    ) -> BoxLabels:
        return BoxLabels(boxes_xyxy, class_ids, labelled, boxes_3d, weights)

    def teaches(self, label: BoxLabels) -> bool:
        return label.teaches

    def cropped(self, label: BoxLabels, window: Window) -> BoxLabels:
        """Boxes with a sufficient visible share, clipped to the window."""
        left, top, (sx, sy), width, height = window.left, window.top, window.scale, window.width, window.height
        boxes = (label.boxes_xyxy - [left, top, left, top]) * [sx, sy, sx, sy]
        clipped = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
        sides = clipped[:, 2:] - clipped[:, :2]
        whole = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        kept = (sides.min(1, initial=np.inf) >= SMALLEST_BOX_SIDE_PX) & (sides.prod(1) >= SMALLEST_VISIBLE_SHARE * whole)
        weights = None if label.weights is None else label.weights[kept]
        return BoxLabels(clipped[kept], label.class_ids[kept], label.labelled, weights=weights)

    def mirrored(self, label: BoxLabels, width: int) -> BoxLabels:
        boxes = label.boxes_xyxy.copy()
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
        return BoxLabels(boxes, label.class_ids, label.labelled, weights=label.weights)

    def padded(self, label: BoxLabels, width: int, height: int) -> BoxLabels:
        return label

    def tiled(self, labels: Sequence[BoxLabels], tiles: Sequence[Tile]) -> BoxLabels:
        """All boxes; a class counts as labelled where it is in every tile."""
        moved = [label.boxes_xyxy + np.float32([t.left, t.top, t.left, t.top]) for label, t in zip(labels, tiles, strict=True)]
        known = [label.labelled for label in labels if label.labelled is not None]
        weights = [np.ones(len(label.class_ids), np.float32) if label.weights is None else label.weights for label in labels]
        return BoxLabels(
            np.concatenate(moved),
            np.concatenate([label.class_ids for label in labels]),
            np.logical_and.reduce(known) if known else None,
            weights=np.concatenate(weights) if any(label.weights is not None for label in labels) else None,
        )

    def truth(self, label: BoxLabels) -> dict[str, Any]:
        labelled = label.labelled
        if label.weights is not None:
            label = _of_labelled_classes(label)
        return {
            "boxes_xyxy": label.boxes_xyxy,
            "class_ids": label.class_ids,
            "labelled_ids": None if labelled is None else np.flatnonzero(labelled),
            "boxes_3d": label.boxes_3d,
        }


def _of_labelled_classes(boxes: BoxLabels) -> BoxLabels:
    """Boxes of labelled classes: what a network proposed of others is no ground truth."""
    if boxes.labelled is None:
        return boxes
    kept = boxes.labelled[boxes.class_ids]
    boxes_3d = None if boxes.boxes_3d is None else boxes.boxes_3d.where(kept)
    return BoxLabels(boxes.boxes_xyxy[kept], boxes.class_ids[kept], boxes.labelled, boxes_3d)


CODEC = DetectionCodec()

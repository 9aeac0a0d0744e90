# SPDX-License-Identifier: Apache-2.0
"""How well 3D boxes sit that were made of 2D boxes, mask and metric depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.rotation import rotation_matrix
from mtl_perception.core.scene import Boxes3D, Scene
from mtl_perception.evaluation.iou_3d import upright_iou
from mtl_perception.pipeline import PipelineOptions, published
from mtl_perception.spatial.boxes_3d import BoxEstimator
from mtl_perception.tasks import Metric, Truth
from mtl_perception.tasks._matching import match_boxes

LEAST_IOU = 0.25

_COLUMNS = ("class", "center_m", "center_relative", "size", "iou")


class Boxes3DMetric(Metric):
    """Errors of the boxes whose detection is right in 2D, and the share of all true objects that a box sits on.

    Of the detections that the node publishes by default. The boxes are made with gravity known, as on a robot that publishes its transforms.

    Args:
        detection_labels, segmentation_labels: the model's.
    """

    task = "boxes_3d"
    directions = {"recall25": "higher", "center_m": "lower", "center_relative": "lower", "size_error": "lower"}
    names = {
        "recall25": "recall at 3D IoU .25",
        "center_m": "centre error, m",
        "center_relative": "centre error / distance",
        "size_error": "size error",
    }
    main = "recall25"
    rank = "center_relative"

    def __init__(self, detection_labels: Sequence[str], segmentation_labels: Sequence[str]) -> None:
        self._labels = list(detection_labels)
        self._estimate = BoxEstimator(detection_labels, segmentation_labels, PipelineOptions().flat_labels)
        self._rows = np.zeros((0, len(_COLUMNS)))
        self._true = np.zeros(len(self._labels), np.int64)

    @classmethod
    def for_model(cls, card: Any) -> Boxes3DMetric:
        return cls(card.detection_labels, card.segmentation_labels)

    @staticmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        if scene.detections is None or scene.depth is None or truth.boxes_3d is None or truth.intrinsics is None:
            return None
        up = _up(truth)
        return None if up is None else (scene, truth.intrinsics, truth, up)

    def update(self, scene: Scene, intrinsics: Intrinsics, truth: Truth, up: np.ndarray) -> dict[str, float]:
        """Add one frame; its own recall and relative centre error.

        Args:
            scene: with detections and depth; the best detections first.
            intrinsics: of the camera.
            truth: with boxes in 2D and 3D.
            up: (3,) against gravity, in the camera's optical frame.
        """
        scene = published(scene)
        found, boxes = scene.detections, self._estimate(scene, intrinsics, up)
        is_true = truth.boxes_3d.valid
        taken = match_boxes(found.boxes_xyxy, found.scores, found.class_ids, truth.boxes_xyxy, truth.class_ids)
        matched = np.flatnonzero((taken >= 0) & boxes.valid)
        matched = matched[is_true[taken[matched]]]
        partners = taken[matched]
        rows = _errors(boxes.where(matched), truth.boxes_3d.where(partners), up)
        self._rows = np.concatenate([self._rows, np.column_stack([found.class_ids[matched], rows])])
        self._true += np.bincount(truth.class_ids[is_true], minlength=len(self._labels))
        own = _measures(rows, int(is_true.sum()))
        return {name: own[name] for name in ("recall25", "center_relative") if own[name] == own[name]}

    def compute(self) -> dict[str, Any]:
        """Recall at 3D IoU .25; medians of the centre's error in metres and as a share of its distance, and of the
        mean relative error of the three sizes, over ``matched`` boxes. ``per_class`` has the same."""
        whole = _measures(self._rows[:, 1:], int(self._true.sum()))
        per_class = {
            name: _measures(self._rows[self._rows[:, 0] == class_id, 1:], int(self._true[class_id]))
            for class_id, name in enumerate(self._labels)
            if self._true[class_id]
        }
        return whole | {"per_class": per_class}


def _measures(rows: np.ndarray, true_boxes: int) -> dict[str, Any]:
    """Of rows (K, 4) in the order of ``_COLUMNS`` without the class."""
    medians = np.median(rows, axis=0) if len(rows) else np.full(4, np.nan)
    return {
        "recall25": float((rows[:, 3] >= LEAST_IOU).sum() / true_boxes) if true_boxes else float("nan"),
        "center_m": float(medians[0]),
        "center_relative": float(medians[1]),
        "size_error": float(medians[2]),
        "matched": len(rows),
        "boxes": true_boxes,
    }


def _errors(boxes: Boxes3D, true: Boxes3D, up: np.ndarray) -> np.ndarray:
    """(K, 4): distance of the centres in metres, the same over the distance from the camera, mean relative error of the
    sizes, 3D IoU. Length and width are compared by rank, for which of the two is which says nothing."""
    center_m = np.linalg.norm(boxes.centers_m - true.centers_m, axis=1)
    sizes, true_sizes = (np.column_stack([np.sort(each.sizes_m[:, :2], axis=1), each.sizes_m[:, 2]]) for each in (boxes, true))
    size = (np.abs(sizes - true_sizes) / np.maximum(true_sizes, 1e-6)).mean(1)
    relative = center_m / np.linalg.norm(true.centers_m, axis=1)
    return np.column_stack([center_m, relative, size, upright_iou(boxes, true, up)]).reshape(-1, 4)


def _up(truth: Truth) -> np.ndarray | None:
    """From the camera's pose, else from the true boxes, which stand upright; None without either."""
    if truth.camera_pose is not None:
        return truth.camera_pose[2, :3]
    upright = np.flatnonzero(truth.boxes_3d.valid)
    return rotation_matrix(truth.boxes_3d.quaternions_xyzw[upright[0]])[:, 2] if len(upright) else None

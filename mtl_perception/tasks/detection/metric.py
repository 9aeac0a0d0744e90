# SPDX-License-Identifier: Apache-2.0
"""COCO average precision of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mtl_perception.core.scene import Detections, Scene
from mtl_perception.tasks._coco import coco_arrays, require_coco
from mtl_perception.tasks._matching import average_precision, match_boxes, mean_precision
from mtl_perception.tasks._metric import Metric, TitledChart
from mtl_perception.tasks._truth import Truth

SMALL_OBJECTS = ("can", "bottle", "cup", "bowl", "fruit", "book")
"""Classes of the shipped models that a hand can hold; their AP50 is told apart from that of furniture."""

SCORE_BINS = 20


class Curves(NamedTuple):
    """Precision of one class over recall 0, .01 … 1 at IoU .50 and .75."""

    precision_50: np.ndarray
    precision_75: np.ndarray


class DetectionMetric(Metric):
    """COCO average precision over a data set: 101 recall points, at most 100 boxes an image, IoU .50 to .95.

    Keeps the boxes of every image, some 5 kB each: average precision ranks them over the whole set.

    Args:
        labels: class names in the order of the class ids.

    Raises:
        ImportError: faster-coco-eval is not installed; names the pip command.

    Attributes:
        calibration: (20, 3) boxes by score: how many, how many of them right at IoU .50, sum of their scores.
    """

    task = "detection"
    directions = dict.fromkeys(("mAP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AP50_small_things"), "higher")
    names = {
        "mAP": "mAP, IoU .50 to .95",
        "AP50": "AP at IoU .50",
        "AP75": "AP at IoU .75",
        "AP_small": "mAP, boxes below 32² px",
        "AP_medium": "mAP, boxes 32² to 96² px",
        "AP_large": "mAP, boxes over 96² px",
        "AP50_small_things": "AP at IoU .50, small objects",
    }
    headline = {"AP50": "AP50", "AP50_small_things": "AP50, small objects"}
    main = "mAP"
    chosen_by = "AP50"
    rank = "AP50"

    def __init__(self, labels: Sequence[str]) -> None:
        require_coco()
        self.labels = list(labels)
        # Per image: found boxes (xywh), scores, class ids, true boxes (xywh), true class ids.
        self._images: list[tuple[np.ndarray, ...]] = []
        self.calibration = np.zeros((SCORE_BINS, 3))
        self._at_threshold = np.zeros((len(self.labels), 3), np.int64)  # true, found, right
        self._accumulated: dict[str, np.ndarray] | None = None

    @classmethod
    def for_model(cls, card: Any) -> DetectionMetric:
        return cls(card.detection_labels)

    @staticmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        if scene.detections is None or truth.boxes_xyxy is None:
            return None
        found = scene.detections
        return (
            found.boxes_xyxy,
            found.scores,
            found.class_ids,
            truth.boxes_xyxy,
            truth.class_ids,
            truth.labelled_ids,
        )

    def update(
        self,
        boxes_xyxy: np.ndarray,
        scores: np.ndarray,
        class_ids: np.ndarray,
        true_boxes_xyxy: np.ndarray,
        true_class_ids: np.ndarray,
        labelled_ids: np.ndarray | None = None,
    ) -> dict[str, float]:
        """Add one image.

        Args:
            boxes_xyxy: (N, 4) found boxes, pixels.
            scores: (N,) their scores.
            class_ids: (N,) their classes.
            true_boxes_xyxy: (M, 4) true boxes in the same pixels.
            true_class_ids: (M,) their classes.
            labelled_ids: the classes that were looked for in this image; None for all. Boxes found of others are
                not counted.

        Returns:
            The image's own AP50, unless nothing is true in it.

        Raises:
            ValueError: arrays of one image differ in length, or a class id has no label.
        """
        if len(scores) != len(boxes_xyxy):
            raise ValueError(f"{len(boxes_xyxy)} boxes with {len(scores)} scores, expected as many of each")
        boxes_xyxy, class_ids = self._checked(boxes_xyxy, class_ids)
        true_boxes_xyxy, true_class_ids = self._checked(true_boxes_xyxy, true_class_ids)
        scores = np.asarray(scores)
        if labelled_ids is not None:
            looked_for = np.isin(class_ids, labelled_ids)
            boxes_xyxy, scores, class_ids = boxes_xyxy[looked_for], scores[looked_for], class_ids[looked_for]
        is_right = match_boxes(boxes_xyxy, scores, class_ids, true_boxes_xyxy, true_class_ids) >= 0
        self._count(boxes_xyxy, scores, class_ids, true_boxes_xyxy, true_class_ids, is_right)
        self._images.append((_xywh(boxes_xyxy), scores, class_ids, _xywh(true_boxes_xyxy), true_class_ids))
        self._accumulated = None
        classes, true_counts = np.unique(true_class_ids, return_counts=True)
        own = [
            average_precision(scores[class_ids == class_id], is_right[class_ids == class_id], int(count))
            for class_id, count in zip(classes, true_counts)
        ]
        return {"AP50": float(np.mean(own))} if own else {}

    def compute(self) -> dict[str, Any]:
        """mAP over IoU .50:.95, AP50, AP75, mAP of small (< 32² px), medium, large (> 96² px) boxes, AP50 of the
        classes in ``SMALL_OBJECTS``.

        Average precision is of what the network gives. ``per_class`` holds AP, AP50, AP75; precision and recall at IoU .50 of what the
        node publishes of it, above the score threshold and after class-agnostic NMS; the score at which F1 is best, and the number of
        true boxes. What no true box speaks of is NaN.
        """
        precision = self._evaluated()["precision"]
        per_class = {name: self._of_class(index) for index, name in enumerate(self.labels)}
        small = [row["AP50"] for name, row in per_class.items() if name in SMALL_OBJECTS and row["boxes"]]
        return {
            "mAP": mean_precision(precision[..., 0]),
            "AP50": mean_precision(precision[0, ..., 0]),
            "AP75": mean_precision(precision[5, ..., 0]),
            "AP_small": mean_precision(precision[..., 1]),
            "AP_medium": mean_precision(precision[..., 2]),
            "AP_large": mean_precision(precision[..., 3]),
            "AP50_small_things": float(np.mean(small)) if small else float("nan"),
            "per_class": per_class,
            "images": len(self._images),
            "boxes": int(self._at_threshold[:, 0].sum()),
        }

    def curves(self) -> dict[str, Curves]:
        """Precision over recall of each class that has a true box."""
        precision = self._evaluated()["precision"][..., 0]
        return {
            name: Curves(precision[0, :, index], precision[5, :, index])
            for index, name in enumerate(self.labels)
            if self._at_threshold[index, 0]
        }

    def _of_class(self, index: int) -> dict[str, float]:
        precision = self._evaluated()["precision"][:, :, index, 0]
        true, found, right = self._at_threshold[index].tolist()
        nan = float("nan")
        return {
            "AP": mean_precision(precision),
            "AP50": mean_precision(precision[0]),
            "AP75": mean_precision(precision[5]),
            "precision": right / found if found else nan,
            "recall": right / true if true else nan,
            "best_threshold": self._best_threshold(index) if true else nan,
            "boxes": true,
        }

    def _best_threshold(self, index: int) -> float:
        """The score at which the harmonic mean of precision and recall is highest."""
        found = self._evaluated()
        precision, recall = found["precision"][0, :, index, 0], np.linspace(0, 1, 101)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        best = int(np.argmax(f1))
        return float(found["scores"][0, best, index, 0]) if f1[best] > 0 else float("nan")

    def _count(
        self,
        boxes_xyxy: np.ndarray,
        scores: np.ndarray,
        class_ids: np.ndarray,
        true_boxes_xyxy: np.ndarray,
        true_class_ids: np.ndarray,
        is_right: np.ndarray,
    ) -> None:
        place = np.clip((scores * SCORE_BINS).astype(int), 0, SCORE_BINS - 1)
        for column, values in enumerate((None, is_right, scores)):
            self.calibration[:, column] += np.bincount(place, values, SCORE_BINS)
        order = np.argsort(-scores, kind="stable")
        shown = Detections(boxes_xyxy[order], scores[order], class_ids[order]).by_default()
        right = match_boxes(shown.boxes_xyxy, shown.scores, shown.class_ids, true_boxes_xyxy, true_class_ids) >= 0
        for column, ids in enumerate((true_class_ids, shown.class_ids, shown.class_ids[right])):
            self._at_threshold[:, column] += np.bincount(ids, minlength=len(self.labels))

    def _checked(self, boxes_xyxy: np.ndarray, class_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes_xyxy = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
        class_ids = np.asarray(class_ids, np.int64)
        if len(boxes_xyxy) != len(class_ids):
            raise ValueError(f"{len(boxes_xyxy)} boxes with {len(class_ids)} class ids, expected as many of each")
        unknown = class_ids[(class_ids < 0) | (class_ids >= len(self.labels))]
        if len(unknown):
            raise ValueError(f"class id {unknown[0]}, expected 0 to {len(self.labels) - 1}")
        return boxes_xyxy, class_ids

    def _evaluated(self) -> dict[str, np.ndarray]:
        if self._accumulated is None:
            self._accumulated = coco_arrays(self.labels, self._images)
        return self._accumulated

    def charts(self) -> list[TitledChart]:
        from mtl_perception.tasks.detection.charts import charts  # needs matplotlib

        return charts(self)


def _xywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    return np.hstack([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]])


METRIC = DetectionMetric

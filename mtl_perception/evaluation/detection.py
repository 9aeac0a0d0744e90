# SPDX-License-Identifier: Apache-2.0
"""COCO average precision of boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster


class DetectionMetric:
    """COCO average precision over a data set: 101 recall points, at most 100 boxes an image, IoU .50 to .95.

    Args:
        labels: class names in the order of the class ids.
    """

    directions = dict.fromkeys(("mAP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"), "higher")

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        # Per image: found boxes (xywh), scores, class ids, true boxes (xywh), true class ids.
        self._images: list[tuple[np.ndarray, ...]] = []

    def update(
        self,
        boxes_xyxy: np.ndarray,
        scores: np.ndarray,
        class_ids: np.ndarray,
        true_boxes_xyxy: np.ndarray,
        true_class_ids: np.ndarray,
    ) -> None:
        """Add one image.

        Args:
            boxes_xyxy: (N, 4) found boxes, pixels.
            scores: (N,) their scores.
            class_ids: (N,) their classes.
            true_boxes_xyxy: (M, 4) true boxes in the same pixels.
            true_class_ids: (M,) their classes.

        Raises:
            ValueError: arrays of one image differ in length, or a class id has no label.
        """
        if len(scores) != len(boxes_xyxy):
            raise ValueError(f"{len(boxes_xyxy)} boxes with {len(scores)} scores, expected as many of each")
        found = self._checked(boxes_xyxy, class_ids)
        true = self._checked(true_boxes_xyxy, true_class_ids)
        self._images.append((found[0], np.asarray(scores), found[1], *true))

    def merge(self, other: DetectionMetric) -> None:
        """Add everything that ``other`` has seen."""
        self._images += other._images

    def compute(self) -> dict:
        """mAP over IoU .50:.95, AP50, AP75, mAP of small (< 32² px), medium, large (> 96² px) boxes.

        What no true box speaks of is NaN.
        """
        precision = self._precision()
        scores = {
            "mAP": _mean(precision[..., 0]),
            "AP50": _mean(precision[0, ..., 0]),
            "AP75": _mean(precision[5, ..., 0]),
            "AP_small": _mean(precision[..., 1]),
            "AP_medium": _mean(precision[..., 2]),
            "AP_large": _mean(precision[..., 3]),
        }
        per_class = {name: _mean(precision[:, :, index, 0]) for index, name in enumerate(self.labels)}
        return scores | {"per_class": per_class, "images": len(self._images)}

    def _checked(self, boxes_xyxy: np.ndarray, class_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes_xyxy = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
        class_ids = np.asarray(class_ids, np.int64)
        if len(boxes_xyxy) != len(class_ids):
            raise ValueError(
                f"{len(boxes_xyxy)} boxes with {len(class_ids)} class ids, expected as many of each"
            )
        unknown = class_ids[(class_ids < 0) | (class_ids >= len(self.labels))]
        if len(unknown):
            raise ValueError(f"class id {unknown[0]}, expected 0 to {len(self.labels) - 1}")
        return np.hstack([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]]), class_ids

    def _precision(self) -> np.ndarray:
        """(10 IoUs, 101 recalls, K classes, 4 areas: all small medium large); -1 where there is no truth."""
        annotations: list[dict] = []
        results: list[dict] = []
        for image_id, (boxes, scores, class_ids, true_boxes, true_class_ids) in enumerate(
            self._images, start=1
        ):
            for box, class_id in zip(true_boxes.tolist(), true_class_ids.tolist()):
                true = {"id": len(annotations) + 1, "area": box[2] * box[3], "iscrowd": 0}
                annotations.append(true | {"image_id": image_id, "category_id": class_id + 1, "bbox": box})
            for box, score, class_id in zip(boxes.tolist(), scores.tolist(), class_ids.tolist()):
                results.append(
                    {"image_id": image_id, "category_id": class_id + 1, "bbox": box, "score": score}
                )
        truth = COCO(
            {
                "images": [{"id": image_id} for image_id in range(1, len(self._images) + 1)],
                "annotations": annotations,
                "categories": [
                    {"id": index, "name": name} for index, name in enumerate(self.labels, start=1)
                ],
            }
        )
        evaluation = COCOeval_faster(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        return np.asarray(evaluation.eval["precision"])[..., -1]


def _mean(precision: np.ndarray) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else float("nan")

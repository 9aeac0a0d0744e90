# SPDX-License-Identifier: Apache-2.0
"""Mean intersection over union of masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl_perception.core.scene import UNLABELLED, Scene
from mtl_perception.tasks._metric import Metric, TitledChart
from mtl_perception.tasks._truth import Truth


class SegmentationMetric(Metric):
    """Intersection over union from one confusion matrix over the whole data set.

    Args:
        labels: class names in the order of the class ids.

    Attributes:
        confusion: (K, K + 1) int64 pixels by true class and found class; the last column is "no class".
    """

    task = "segmentation"
    directions = {"mIoU": "higher", "pixel_accuracy": "higher"}
    names = {"mIoU": "mean IoU", "pixel_accuracy": "pixel accuracy"}
    headline = {"mIoU": "mean IoU"}
    main = "mIoU"
    rank = "mIoU"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self.confusion = np.zeros((len(self.labels), len(self.labels) + 1), np.int64)
        self.named = np.zeros(len(self.labels), bool)

    @classmethod
    def for_model(cls, card: Any) -> SegmentationMetric:
        return cls(card.segmentation_labels)

    @staticmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        if scene.segmentation is None or truth.mask is None:
            return None
        return scene.segmentation.mask, truth.mask, truth.mask_ids

    def update(self, mask: np.ndarray, true_mask: np.ndarray, mask_ids: np.ndarray | None = None) -> dict[str, float]:
        """Add one image.

        Args:
            mask: (H, W) uint8 found class ids; 255 is no class, which is a miss where the truth has one.
            true_mask: (H, W) uint8 true class ids; 255 is unlabelled and not counted.
            mask_ids: classes that the data set has a name for; None for all. One that it can't name has no score of its own:
                where it is found on a labelled pixel it is wrong, and counts against the class of that pixel.

        Returns:
            The image's own mIoU.

        Raises:
            ValueError: the masks differ in size, or an id has no label.
        """
        if mask.shape != true_mask.shape:
            raise ValueError(f"mask of {mask.shape}, truth of {true_mask.shape}: expected both in the image's size")
        # One count over pairs of ids costs a fraction of picking the labelled pixels first.
        pairs = true_mask.astype(np.uint16) * 256 + mask
        counts = np.bincount(pairs.ravel(), minlength=65536).reshape(256, 256)
        classes = len(self.labels)
        for what, present in (("true mask", counts.any(axis=1)), ("mask", counts.any(axis=0))):
            unknown = np.flatnonzero(present[classes:UNLABELLED])
            if unknown.size:
                raise ValueError(f"{what} has class id {unknown[0] + classes}, expected 0 to {classes - 1} or {UNLABELLED}")
        confusion = np.hstack([counts[:classes, :classes], counts[:classes, UNLABELLED:]])
        self.confusion += confusion
        named = np.ones(classes, bool) if mask_ids is None else np.isin(np.arange(classes), mask_ids)
        self.named |= named
        own = _mean_iou(confusion, named)
        return {"mIoU": own} if own == own else {}

    def compute(self) -> dict[str, Any]:
        """mIoU over the classes that the data name and that occur in truth or result, pixel accuracy, pixels.

        ``per_class`` holds IoU, precision and recall of pixels, and the share of labelled pixels; NaN where a class
        occurs neither in truth nor in result, or has no name in the data.
        """
        hits, true, found = (np.where(self.named, values, 0) for values in _hits(self.confusion))
        pixels = int(self.confusion.sum())
        with np.errstate(invalid="ignore"):
            columns = {
                "IoU": hits / (true + found - hits),
                "precision": hits / found,
                "recall": hits / true,
                "share": true / pixels,
            }
        per_class = {name: {column: float(values[index]) for column, values in columns.items()} for index, name in enumerate(self.labels)}
        return {
            "mIoU": _mean_iou(self.confusion, self.named),
            "pixel_accuracy": float(hits.sum() / pixels) if pixels else float("nan"),
            "per_class": per_class,
            "pixels": pixels,
        }

    def charts(self) -> list[TitledChart]:
        from mtl_perception.tasks.segmentation.charts import charts  # needs matplotlib

        return charts(self)


def _hits(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of each class that are right, that are true, and that were found on labelled ground."""
    return np.diag(confusion), confusion.sum(axis=1), confusion[:, :-1].sum(axis=0)


def _mean_iou(confusion: np.ndarray, named: np.ndarray) -> float:
    hits, true, found = _hits(confusion)
    union = np.where(named, true + found - hits, 0)
    return float(np.mean(hits[union > 0] / union[union > 0])) if union.any() else float("nan")


METRIC = SegmentationMetric

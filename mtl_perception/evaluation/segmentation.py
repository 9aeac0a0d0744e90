# SPDX-License-Identifier: Apache-2.0
"""Mean intersection over union of masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtl_perception.scene import UNLABELLED


class SegmentationMetric:
    """Intersection over union from one confusion matrix over the whole data set.

    Args:
        labels: class names in the order of the class ids.
    """

    directions = {"mIoU": "higher", "pixel_accuracy": "higher"}

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        # One column more than classes: pixels for which the network named no class.
        self.confusion = np.zeros((len(self.labels), len(self.labels) + 1), np.int64)

    def update(self, mask: np.ndarray, true_mask: np.ndarray) -> None:
        """Add one image.

        Args:
            mask: (H, W) uint8 found class ids; 255 is no class, which is a miss where the truth has one.
            true_mask: (H, W) uint8 true class ids; 255 is unlabelled and not counted.

        Raises:
            ValueError: the masks differ in size, or an id has no label.
        """
        if mask.shape != true_mask.shape:
            raise ValueError(
                f"mask of {mask.shape}, truth of {true_mask.shape}: expected both in the image's size"
            )
        classes = len(self.labels)
        for what, ids in (("true mask", true_mask), ("mask", mask)):
            unknown = ids[(ids >= classes) & (ids != UNLABELLED)]
            if unknown.size:
                raise ValueError(
                    f"{what} has class id {unknown[0]}, expected 0 to {classes - 1} or {UNLABELLED}"
                )
        labelled = true_mask != UNLABELLED
        true, found = true_mask[labelled].astype(np.int64), np.minimum(mask[labelled], classes)
        counts = np.bincount(true * (classes + 1) + found, minlength=self.confusion.size)
        self.confusion += counts.reshape(self.confusion.shape)

    def merge(self, other: SegmentationMetric) -> None:
        """Add everything that ``other`` has seen."""
        self.confusion += other.confusion

    def compute(self) -> dict:
        """mIoU over the classes that occur in truth or result, pixel accuracy, IoU per class (NaN: none)."""
        hits = np.diag(self.confusion)
        union = self.confusion.sum(axis=1) + self.confusion[:, :-1].sum(axis=0) - hits
        pixels = int(self.confusion.sum())
        per_class = {
            name: float(hit / all_) if all_ else float("nan")
            for name, hit, all_ in zip(self.labels, hits, union)
        }
        occurring = union > 0
        return {
            "mIoU": float(np.mean(hits[occurring] / union[occurring])) if occurring.any() else float("nan"),
            "pixel_accuracy": float(hits.sum() / pixels) if pixels else float("nan"),
            "per_class": per_class,
            "pixels": pixels,
        }

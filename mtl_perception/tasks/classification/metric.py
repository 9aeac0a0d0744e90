# SPDX-License-Identifier: Apache-2.0
"""Metrics of image classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl_perception.core.scene import Scene
from mtl_perception.tasks._metric import Metric, answer_and_label, mean_of_known
from mtl_perception.tasks._truth import Truth
from mtl_perception.tasks.classification.answer import Classification
from mtl_perception.tasks.classification.labels import ClassLabels


class ClassificationMetric(Metric):
    """Area under the ROC curve, and F1 at a score of one half; means over the classes that occur.

    Args:
        labels: class names in the order of the ids.
    """

    task = "classification"
    directions = {"AUC": "higher", "F1": "higher"}
    names = {"AUC": "area under ROC"}
    main = "AUC"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self._images: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    @classmethod
    def for_model(cls, card: Any) -> ClassificationMetric:
        return cls(card.labels_of("classification"))

    @staticmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        return answer_and_label("classification", scene, truth)

    def update(self, found: Classification, true: ClassLabels) -> dict[str, float]:
        """Add one image.

        Raises:
            ValueError: result or truth has another number of classes than there are labels.
        """
        for what, values in (("result", found.scores), ("truth", true.present)):
            if len(values) != len(self.labels):
                raise ValueError(f"classification: {what} of {len(values)} classes, expected {len(self.labels)}")
        known = np.ones(len(self.labels), bool) if true.labelled is None else true.labelled
        self._images.append((np.asarray(found.scores, np.float64), np.asarray(true.present, bool), known))
        return {}

    def compute(self) -> dict[str, Any]:
        per_class = {}
        for index, name in enumerate(self.labels):
            rows = [(scores[index], present[index]) for scores, present, known in self._images if known[index]]
            scores = np.array([score for score, _ in rows])
            present = np.array([is_present for _, is_present in rows], bool)
            per_class[name] = {"AUC": roc_auc(scores, present), "F1": _f1(scores >= 0.5, present), "images": int(present.sum())}
        return {measure: mean_of_known([values[measure] for values in per_class.values()]) for measure in self.directions} | {
            "per_class": per_class,
            "images": len(self._images),
        }


def roc_auc(scores: np.ndarray, present: np.ndarray) -> float:
    """Probability that an image with the class scores higher than one without (Mann and Whitney, 1947); ties count half.

    NaN unless there are images of both kinds.
    """
    positives, negatives = int(present.sum()), int((~present).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # equal scores share the mean of their ranks
    return float((ranks[inverse][present].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _f1(found: np.ndarray, true: np.ndarray) -> float:
    """F1; NaN without any positive in ground truth and prediction."""
    total = int(found.sum()) + int(true.sum())
    return 2 * int((found & true).sum()) / total if total else float("nan")


METRIC = ClassificationMetric

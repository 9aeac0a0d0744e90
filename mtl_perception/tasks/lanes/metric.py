# SPDX-License-Identifier: Apache-2.0
"""IoU and F1 of masks that may overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl_perception.core.scene import Scene
from mtl_perception.tasks._metric import Metric, answer_and_label, mean_of_known
from mtl_perception.tasks._truth import Truth
from mtl_perception.tasks.lanes.answer import Lanes
from mtl_perception.tasks.lanes.labels import LaneLabels


class LanesMetric(Metric):
    """Intersection over union and F1 of each class's pixels over the whole data set; means over classes.

    Args:
        labels: class names in the order of their bits.
    """

    task = "lanes"
    directions = {"IoU": "higher", "F1": "higher"}
    names = {"IoU": "mean IoU", "F1": "mean F1 of pixels"}
    main = "IoU"
    rank = "IoU"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self._counts = np.zeros((3, len(self.labels)), np.int64)  # pixels both found and true, found, true

    @classmethod
    def for_model(cls, card: Any) -> LanesMetric:
        return cls(card.labels_of("lanes"))

    @staticmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        return answer_and_label("lanes", scene, truth)

    def update(self, found: Lanes, true: LaneLabels) -> dict[str, float]:
        """Add one image.

        Raises:
            ValueError: the masks differ in size.
        """
        if found.bits.shape != true.bits.shape:
            raise ValueError(f"lanes of {found.bits.shape}, truth of {true.bits.shape}: expected both in the image's size")
        counts = np.zeros_like(self._counts)
        for index in range(len(self.labels)):
            if true.labelled is None or true.labelled[index]:
                is_found, is_true = (found.bits >> index) & 1 == 1, (true.bits >> index) & 1 == 1
                counts[:, index] = np.count_nonzero(is_found & is_true), np.count_nonzero(is_found), np.count_nonzero(is_true)
        self._counts += counts
        own = _measures(counts)["IoU"]
        return {"IoU": mean_of_known(own)} if not np.isnan(own).all() else {}

    def compute(self) -> dict[str, Any]:
        values = _measures(self._counts)
        per_class = {name: {measure: float(column[index]) for measure, column in values.items()} for index, name in enumerate(self.labels)}
        return {measure: mean_of_known(column) for measure, column in values.items()} | {"per_class": per_class}


def _measures(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Measure → (C,), NaN for a class that is neither found nor true."""
    both, found, true = counts.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return {"IoU": both / (found + true - both), "F1": 2 * both / (found + true)}


METRIC = LanesMetric

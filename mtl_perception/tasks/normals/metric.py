# SPDX-License-Identifier: Apache-2.0
"""Errors of surface normals, as angles."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtl_perception.core.scene import Scene
from mtl_perception.tasks._metric import Metric, answer_and_label
from mtl_perception.tasks._truth import Truth
from mtl_perception.tasks.normals.answer import Normals

_LIMITS_DEG = {"within_11": 11.25, "within_22": 22.5, "within_30": 30.0}
_BIN_DEG = 0.05
_BINS = round(180 / _BIN_DEG)


class NormalsMetric(Metric):
    """Angles between found and true normals over all known pixels of the data set: mean and median in degrees, and shares below 11.25°,
    22.5° and 30° (Fouhey et al., ICCV 2013)."""

    task = "normals"
    directions = {"mean_deg": "lower", "median_deg": "lower", "within_11": "higher", "within_22": "higher", "within_30": "higher"}
    names = {
        "mean_deg": "mean angle, °",
        "median_deg": "median angle, °",
        "within_11": "share within 11.25°",
        "within_22": "share within 22.5°",
        "within_30": "share within 30°",
    }
    main = "mean_deg"
    chosen_by = "within_22"
    rank = "mean_deg"

    def __init__(self) -> None:
        self._sum_deg, self._pixels = 0.0, 0
        self._within = np.zeros(len(_LIMITS_DEG), np.int64)
        self._histogram = np.zeros(_BINS, np.int64)

    @classmethod
    def for_model(cls, card: Any) -> NormalsMetric:
        return cls()

    @staticmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        return answer_and_label("normals", scene, truth)

    def update(self, found: Normals, true: np.ndarray) -> dict[str, float]:
        """Add one image.

        Args:
            found: what the network says.
            true: (H, W, 3) unit vectors; 0 where unknown, and not counted.

        Returns:
            The image's own mean angle.

        Raises:
            ValueError: they differ in size.
        """
        if found.vectors.shape != true.shape:
            raise ValueError(f"normals of {found.vectors.shape}, truth of {true.shape}: expected both in the image's size")
        known = true.any(-1)
        angles_deg = angle_deg(found.vectors[known], true[known])
        self._sum_deg += float(angles_deg.sum())
        self._pixels += len(angles_deg)
        self._within += [np.count_nonzero(angles_deg < limit) for limit in _LIMITS_DEG.values()]
        self._histogram += np.bincount(np.minimum((angles_deg / _BIN_DEG).astype(int), _BINS - 1), minlength=_BINS)
        return {"mean_deg": float(angles_deg.mean())} if len(angles_deg) else {}

    def compute(self) -> dict[str, Any]:
        """All of ``directions``, and the number of pixels; the median to a twentieth of a degree. NaN when there was no pixel."""
        if not self._pixels:
            return dict.fromkeys(self.directions, float("nan")) | {"pixels": 0}
        middle = int(np.searchsorted(np.cumsum(self._histogram), self._pixels / 2))
        shares = dict(zip(_LIMITS_DEG, (self._within / self._pixels).tolist(), strict=True))
        return {"mean_deg": self._sum_deg / self._pixels, "median_deg": (middle + 0.5) * _BIN_DEG, **shares, "pixels": self._pixels}


def angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) degrees between (N, 3) vectors of any length > 0; exact for small angles too, unlike the arc cosine."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))


METRIC = NormalsMetric

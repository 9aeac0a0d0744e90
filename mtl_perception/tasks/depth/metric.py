# SPDX-License-Identifier: Apache-2.0
"""Errors of metric depth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl_perception.core.scene import Scene
from mtl_perception.tasks._metric import Metric, TitledChart
from mtl_perception.tasks._truth import Truth

DISTANCES_M = (1.0, 2.0, 4.0, 8.0)
"""Where one range of true depth ends and the next begins."""

_SUMS = ("relative", "square", "error")


class DepthMetric(Metric):
    """Errors over all valid pixels of the data set together, in metres as they come: no median scaling.

    Args:
        labels: segmentation classes by which the errors are told apart; none: they are not.
    """

    task = "depth"
    directions = {
        "AbsRel": "lower",
        "RMSE": "lower",
        "RMSElog": "lower",
        "SILog": "lower",
        "delta1": "higher",
        "delta2": "higher",
        "delta3": "higher",
    }
    names = {
        "RMSE": "RMSE, m",
        "RMSElog": "RMSE of log",
        "SILog": "SILog × 100",
        "delta1": "δ < 1.25",
        "delta2": "δ < 1.25²",
        "delta3": "δ < 1.25³",
    }
    headline = {"AbsRel": "depth AbsRel", "delta1": "depth δ < 1.25"}
    main = "RMSE"
    chosen_by = "delta1"
    rank = "AbsRel"

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self.labels = list(labels)
        # Everything by class (the last one: none) and range; pixels also by how many powers of 1.25 they are off.
        shape = len(self.labels) + 1, len(DISTANCES_M) + 1
        self._pixels = np.zeros((*shape, 4), np.int64)
        self._sums = np.zeros((len(_SUMS), *shape))
        self._logs = np.zeros(2)  # of the ratio found / true, and of its square
        self._true_pixels = 0

    @classmethod
    def for_model(cls, card: Any) -> DepthMetric:
        return cls(card.segmentation_labels)

    @staticmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        if scene.depth is None or truth.depth_m is None:
            return None
        return scene.depth.depth_m, truth.depth_m, truth.mask

    def update(self, depth_m: np.ndarray, true_depth_m: np.ndarray, true_mask: np.ndarray | None = None) -> dict[str, float]:
        """Add one image.

        Args:
            depth_m: (H, W) found depth, metres; NaN or ≤ 0 where the network gives none.
            true_depth_m: (H, W) true depth, metres; NaN or ≤ 0 where it is unknown, and not counted.
            true_mask: (H, W) uint8 true class ids, to tell the errors of classes apart; 255 is no class.

        Returns:
            The image's own AbsRel and δ1.

        Raises:
            ValueError: they differ in size.
        """
        for what, array in (("depth", depth_m), ("mask", true_mask)):
            if array is not None and array.shape != true_depth_m.shape:
                raise ValueError(f"{what} of {array.shape}, true depth of {true_depth_m.shape}: expected both in the image's size")
        known = (true_depth_m > 0) & np.isfinite(true_depth_m)
        self._true_pixels += int(np.count_nonzero(known))
        known &= (depth_m > 0) & np.isfinite(depth_m)
        # Ratios in single precision, which costs a quarter; squares and sums in double.
        found, true = depth_m[known].astype(np.float32), true_depth_m[known].astype(np.float32)
        error, log_ratio = found - true, np.log(found / true)
        classes, ranges = self._sums.shape[1:]
        cell = _count_above(true, DISTANCES_M).astype(np.int64)
        class_ids = classes - 1 if true_mask is None else np.minimum(true_mask[known], classes - 1)
        cell += np.multiply(class_ids, ranges, dtype=np.int64)
        size = classes * ranges
        values = np.abs(error) / true, error.astype(np.float64) ** 2, error
        sums = np.stack([np.bincount(cell, value, size).reshape(classes, ranges) for value in values])
        powers = _count_above(np.abs(log_ratio), [power * math.log(1.25) for power in (1, 2, 3)])
        pixels = np.bincount(cell * 4 + powers, minlength=size * 4).reshape(classes, ranges, 4)
        self._pixels += pixels
        self._sums += sums
        log_ratio = log_ratio.astype(np.float64)
        self._logs += log_ratio.sum(), log_ratio @ log_ratio
        own = _measures(pixels, sums)
        return {name: own[name] for name in ("AbsRel", "delta1")} if pixels.any() else {}

    def compute(self) -> dict[str, Any]:
        """AbsRel, RMSE (m), RMSElog, SILog (× 100, as KITTI prints it), δ1 to δ3, coverage of the truth.

        ``by_distance`` and ``per_class`` hold AbsRel, RMSE, bias (mean of found − true, m), δ1 and the number of
        pixels; rows without a pixel are left out. Every value is NaN when there was no pixel.
        """
        whole = _measures(self._pixels, self._sums)
        pixels = whole.pop("pixels")
        log, log_square = self._logs / pixels if pixels else np.full(2, np.nan)
        return {
            "AbsRel": whole["AbsRel"],
            "RMSE": whole["RMSE"],
            "RMSElog": float(log_square**0.5),
            "SILog": 100 * float(np.maximum(0.0, log_square - log**2) ** 0.5),
            "delta1": whole["delta1"],
            "delta2": whole["delta2"],
            "delta3": whole["delta3"],
            "coverage": pixels / self._true_pixels if self._true_pixels else float("nan"),
            "pixels": pixels,
            "by_distance": _table(range_names(), np.moveaxis(self._pixels, 1, 0), np.moveaxis(self._sums, 2, 0)),
            "per_class": _table(self.labels, self._pixels, np.moveaxis(self._sums, 1, 0)),
        }

    def charts(self) -> list[TitledChart]:
        from mtl_perception.tasks.depth.charts import charts  # needs matplotlib

        return charts(self)


def range_names() -> list[str]:
    """Returns the names of the ranges of true depth, the nearest first."""
    edges = [f"{edge_m:g}" for edge_m in (0, *DISTANCES_M)]
    return [f"{near}–{far} m" for near, far in itertools.pairwise(edges)] + [f"over {edges[-1]} m"]


def _table(rows: Sequence[str], pixels: np.ndarray, sums: np.ndarray) -> dict[str, dict[str, float]]:
    columns = ("AbsRel", "RMSE", "bias", "delta1", "pixels")
    found = {name: _measures(*of_row) for name, *of_row in zip(rows, pixels, sums)}
    return {name: {column: row[column] for column in columns} for name, row in found.items() if row["pixels"]}


def _measures(pixels: np.ndarray, sums: np.ndarray) -> dict[str, Any]:
    """Of pixels (..., 4) by powers of 1.25, and sums (3, ...) in the order of ``_SUMS``."""
    by_power = pixels.reshape(-1, 4).sum(axis=0)
    count = int(by_power.sum())
    totals = sums.reshape(len(_SUMS), -1).sum(axis=1)
    mean = dict(zip(_SUMS, totals / count if count else np.full(len(_SUMS), np.nan)))
    within = np.cumsum(by_power) / count if count else np.full(4, np.nan)
    return {
        "AbsRel": float(mean["relative"]),
        "RMSE": float(mean["square"] ** 0.5),
        "delta1": float(within[0]),
        "delta2": float(within[1]),
        "delta3": float(within[2]),
        "bias": float(mean["error"]),
        "pixels": count,
    }


def _count_above(values: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """How many of the edges each value has reached; much faster than ``np.digitize`` for a few edges."""
    count = np.zeros(values.shape, np.uint8)
    for edge in edges:
        count += values >= edge
    return count


METRIC = DepthMetric

# SPDX-License-Identifier: Apache-2.0
"""Errors of metric depth."""

from __future__ import annotations

import numpy as np


class DepthMetric:
    """Errors over all valid pixels of the data set together, in metres as they come: no median scaling."""

    directions = {
        "AbsRel": "lower",
        "RMSE": "lower",
        "RMSElog": "lower",
        "SILog": "lower",
        "delta1": "higher",
        "delta2": "higher",
        "delta3": "higher",
    }

    def __init__(self) -> None:
        self._true_pixels = 0
        self._pixels = 0
        self._sums = dict.fromkeys(
            ("relative", "square", "log", "log_square", "delta1", "delta2", "delta3"), 0.0
        )

    def update(self, depth_m: np.ndarray, true_depth_m: np.ndarray) -> None:
        """Add one image.

        Args:
            depth_m: (H, W) found depth, metres; NaN or ≤ 0 where the network gives none.
            true_depth_m: (H, W) true depth, metres; NaN or ≤ 0 where it is unknown, and not counted.

        Raises:
            ValueError: the two differ in size.
        """
        if depth_m.shape != true_depth_m.shape:
            raise ValueError(
                f"depth of {depth_m.shape}, truth of {true_depth_m.shape}: expected both in the image's size"
            )
        known = np.isfinite(true_depth_m) & (true_depth_m > 0)
        self._true_pixels += int(known.sum())
        known &= np.isfinite(depth_m) & (depth_m > 0)
        self._pixels += int(known.sum())
        found, true = depth_m[known].astype(np.float64), true_depth_m[known].astype(np.float64)
        error, log_ratio = found - true, np.log(found / true)
        self._sums["relative"] += float(np.sum(np.abs(error) / true))
        self._sums["square"] += float(np.sum(error**2))
        self._sums["log"] += float(np.sum(log_ratio))
        self._sums["log_square"] += float(np.sum(log_ratio**2))
        for power in (1, 2, 3):
            self._sums[f"delta{power}"] += float(np.sum(np.abs(log_ratio) < power * np.log(1.25)))

    def merge(self, other: DepthMetric) -> None:
        """Add everything that ``other`` has seen."""
        self._true_pixels += other._true_pixels
        self._pixels += other._pixels
        for name, total in other._sums.items():
            self._sums[name] += total

    def compute(self) -> dict:
        """AbsRel, RMSE (m), RMSElog, SILog (× 100, as KITTI prints it), δ1 to δ3, coverage of the truth.

        Every value is NaN when there was no pixel.
        """
        if not self._pixels:
            return dict.fromkeys((*self.directions, "coverage"), float("nan")) | {"pixels": 0}
        mean = {name: total / self._pixels for name, total in self._sums.items()}
        return {
            "AbsRel": mean["relative"],
            "RMSE": mean["square"] ** 0.5,
            "RMSElog": mean["log_square"] ** 0.5,
            "SILog": 100 * max(0.0, mean["log_square"] - mean["log"] ** 2) ** 0.5,
            "delta1": mean["delta1"],
            "delta2": mean["delta2"],
            "delta3": mean["delta3"],
            "coverage": self._pixels / self._true_pixels,
            "pixels": self._pixels,
        }

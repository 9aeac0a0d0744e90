# SPDX-License-Identifier: Apache-2.0
"""The one factor by which a scene's depth is off, from what the robot knows: the height of its camera, or a few measured points.

Each source refuses where its evidence is poor; a filter over time holds the factor while there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Depth, Detections, Segmentation

_EVERY = 4
"""Pixels that are looked at, along both axes."""
_LEAST_SAMPLES = 100
_LEAST_POINTS = 12
_LEAST_DROP = 0.05
"""Of a ray, per metre of depth: rays nearer to the horizon hit the floor far away, where a small tilt is a large error."""
_LARGEST_SPREAD = 0.25
_LARGEST_FACTOR = 4.0
_INDEPENDENT = 20
"""So many samples count as independent at most: errors of neighbours are alike."""
_SYSTEMATIC = 0.08
"""Relative standard deviation of what all samples have in common: the floor's factor differs from that of the objects on it."""
_LEAST_CONFIDENCE = 128
HEIGHTS_M: Mapping[str, tuple[float, float]] = {
    "door": (2.03, 0.06),
    "refrigerator": (1.7, 0.2),
    "chair": (0.88, 0.15),
    "can": (0.12, 0.15),
    "bottle": (0.25, 0.25),
}
"""Detection class → the height that its objects have indoors, metres, and its relative standard deviation."""
_LEAST_SCORE = 0.5
_RIM, _LEAST_HEIGHT = 2, 16
"""Pixels: from the picture's edge, and of a box."""


@dataclass(frozen=True)
class ScaleEvidence:
    """
    Attributes:
        factor: true ÷ network's depth; NaN where there is a problem.
        relative_std: of the factor.
        problem: why this frame tells nothing, or None.
    """

    factor: float
    relative_std: float
    problem: str | None = None


def scale_from_floor(
    depth: Depth, segmentation: Segmentation, floor_id: int, intrinsics: Intrinsics, up: np.ndarray, height_m: float
) -> ScaleEvidence:
    """Tell the factor from the floor: it lies ``height_m`` below the camera.

    Args:
        depth, segmentation: of one image, of one size.
        floor_id: of the class floor in the mask.
        intrinsics: of the image's camera; scaled if they are for another size.
        up: (3,) unit vector against gravity, in the optical frame.
    """
    if not height_m > 0:
        return nothing(f"the camera is {height_m:.2f} m above the floor, expected more than 0: check the frames")
    height, width = depth.depth_m.shape
    camera = intrinsics.scaled(width, height)
    grid = np.s_[_EVERY // 2 :: _EVERY, _EVERY // 2 :: _EVERY]
    depth_m = depth.depth_m[grid]
    rows, columns = np.indices(depth_m.shape)
    x = (columns * _EVERY + _EVERY // 2 - camera.cx) / camera.fx
    y = (rows * _EVERY + _EVERY // 2 - camera.cy) / camera.fy
    drop = -(up[0] * x + up[1] * y + up[2])
    is_floor = (segmentation.mask[grid] == floor_id) & (segmentation.confidence[grid] >= _LEAST_CONFIDENCE)
    used = is_floor & (drop > _LEAST_DROP) & (depth_m > 0)
    if used.sum() < _LEAST_SAMPLES:
        return nothing(f"the floor is seen in {used.mean():.1%} of the image, expected at least {_LEAST_SAMPLES / used.size:.1%}")
    log_factors = np.log(height_m / (depth_m[used] * drop[used]))
    is_near = drop[used] > np.median(drop[used])
    tilt = abs(float(np.median(log_factors[is_near]) - np.median(log_factors[~is_near]))) if is_near.any() else 0.0
    if tilt > _LARGEST_SPREAD:
        return nothing(
            f"the floor is no plane at this tilt: factors near and far differ by {tilt:.0%}, expected at most {_LARGEST_SPREAD:.0%}"
        )
    found = _robust(log_factors, "the floor is no plane at this height")
    return replace(found, relative_std=math.hypot(found.relative_std, tilt / 2))


def scale_from_points(depth: Depth, intrinsics: Intrinsics, points_m: np.ndarray) -> ScaleEvidence:
    """Tell the factor from measured points, such as those of a laser scanner.

    Args:
        intrinsics: of the image's camera; scaled if they are for another size.
        points_m: (N, 3) metres in the optical frame, at the time of the image; those out of view don't matter.
    """
    height, width = depth.depth_m.shape
    camera = intrinsics.scaled(width, height)
    z = points_m[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        column = np.rint(points_m[:, 0] / z * camera.fx + camera.cx)
        row = np.rint(points_m[:, 1] / z * camera.fy + camera.cy)
        inside = (z > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found_m = depth.depth_m[row[inside].astype(int), column[inside].astype(int)]
    used = found_m > 0
    if used.sum() < _LEAST_POINTS:
        return nothing(f"{int(used.sum())} measured points are in view, expected at least {_LEAST_POINTS}")
    return _robust(np.log(z[inside][used] / found_m[used]), "measured points and depth don't fit by one factor")


def scale_from_sizes(depth: Depth, detections: Detections, labels: Sequence[str], intrinsics: Intrinsics) -> ScaleEvidence:
    """Tell the factor from the heights that objects of some classes mostly have, ``HEIGHTS_M``; weak evidence.

    It takes the camera to be level enough for heights to be seen unshortened, and objects that are wholly in the picture and stand upright.

    Args:
        detections: of the image, boxes in its pixels.
        labels: the model's detection classes.
        intrinsics: of the image's camera; scaled if they are for another size.
    """
    height, width = depth.depth_m.shape
    camera = intrinsics.scaled(width, height)
    logs: list[tuple[float, float]] = []  # of the factor, and its standard deviation
    for box, score, class_id in zip(detections.boxes_xyxy.tolist(), detections.scores.tolist(), detections.class_ids.tolist()):
        known = HEIGHTS_M.get(labels[class_id].lower())
        x_min, y_min, x_max, y_max = box
        is_whole = x_min > _RIM and y_min > _RIM and x_max < width - _RIM and y_max < height - _RIM
        if known is None or score < _LEAST_SCORE or not is_whole or y_max - y_min < _LEAST_HEIGHT:
            continue
        middle = depth.depth_m[_middle(y_min, y_max), _middle(x_min, x_max)]
        middle = middle[middle > 0]
        if len(middle):
            meant_m, relative_std = known
            logs.append((math.log(meant_m * camera.fy / ((y_max - y_min) * float(np.median(middle)))), relative_std))
    if not logs:
        return nothing(f"nothing of known size is wholly in view: {', '.join(sorted(HEIGHTS_M))}")
    values, stds = np.array(logs).T
    weights = 1 / stds**2
    mean = float((values * weights).sum() / weights.sum())
    std = math.sqrt(1 / float(weights.sum()))
    if len(logs) > 1:
        std = max(std, float(np.std(values)) / math.sqrt(len(logs)))
    if std > _LARGEST_SPREAD or abs(mean) > math.log(_LARGEST_FACTOR):
        return nothing(
            f"sizes of objects don't tell one factor: {math.exp(mean):.2f} ± {std:.0%}, expected {1 / _LARGEST_FACTOR:.2f} to "
            f"{_LARGEST_FACTOR:.0f} ± {_LARGEST_SPREAD:.0%}"
        )
    return ScaleEvidence(math.exp(mean), math.hypot(std, _SYSTEMATIC))


def _middle(low: float, high: float) -> slice:
    """The middle third: of a box round an object it is mostly the object."""
    third = (high - low) / 3
    return slice(round(low + third), max(round(low + third) + 1, round(high - third)))


def scaled(depth: Depth, factor: float) -> Depth:
    """``depth`` times ``factor``."""
    return Depth(depth.depth_m * np.float32(factor), depth.relative_std)


class ScaleFilter:
    """The factor over time: a Kalman filter of its logarithm, which drifts. A single frame that contradicts it changes little.

    Args:
        drift_std: of the log-factor after a second; another room may need another factor.
        forget_s: after so long without evidence, and after a step back in time, it begins anew.
    """

    _GATE = 3.0
    _CONTRADICTIONS = 5

    def __init__(self, drift_std: float = 0.05, forget_s: float = 10.0) -> None:
        self._drift_std, self._forget_s = drift_std, forget_s
        self.reset()

    def reset(self) -> None:
        self._stamp_s: float | None = None
        self._log_factor, self._variance = 0.0, math.inf
        self._contradictions = 0

    @property
    def factor(self) -> float:
        """1 as long as nothing is known."""
        return math.exp(self._log_factor)

    @property
    def relative_std(self) -> float:
        """Of the factor; infinite as long as nothing is known."""
        return math.sqrt(self._variance)

    def update(self, stamp_s: float, evidence: ScaleEvidence) -> float:
        """Take in one frame's evidence, also if it tells nothing; the factor for this frame comes back."""
        if self._stamp_s is not None and not 0 <= stamp_s - self._stamp_s <= self._forget_s:
            self.reset()
        if evidence.problem is not None:
            return self.factor
        elapsed_s = 0.0 if self._stamp_s is None else stamp_s - self._stamp_s
        self._stamp_s = stamp_s
        variance, noise = self._variance + self._drift_std**2 * elapsed_s, evidence.relative_std**2
        surprise = math.log(evidence.factor) - self._log_factor
        if surprise**2 > self._GATE**2 * (variance + noise) and self._contradictions < self._CONTRADICTIONS:
            self._contradictions += 1
            self._variance = variance
            return self.factor
        if self._contradictions >= self._CONTRADICTIONS:  # so the factor itself has changed
            variance = math.inf
        self._contradictions = 0
        gain = 1.0 if math.isinf(variance) else variance / (variance + noise)
        self._log_factor += gain * surprise
        self._variance = noise if math.isinf(variance) else (1 - gain) * variance
        return self.factor


def _robust(log_factors: np.ndarray, contradiction: str) -> ScaleEvidence:
    median = float(np.median(log_factors))
    spread = 1.4826 * float(np.median(np.abs(log_factors - median)))
    if spread > _LARGEST_SPREAD:
        return nothing(f"{contradiction}: factors vary by {spread:.0%}, expected at most {_LARGEST_SPREAD:.0%}")
    if abs(median) > math.log(_LARGEST_FACTOR):
        return nothing(
            f"the factor would be {math.exp(median):.2f}, expected {1 / _LARGEST_FACTOR:.2f} to {_LARGEST_FACTOR:.0f}: check heights and frames"
        )
    return ScaleEvidence(math.exp(median), math.hypot(spread / math.sqrt(min(len(log_factors), _INDEPENDENT)), _SYSTEMATIC))


def nothing(problem: str) -> ScaleEvidence:
    """No evidence, and why."""
    return ScaleEvidence(math.nan, math.inf, problem)

# SPDX-License-Identifier: Apache-2.0
"""Measured depth where a sensor has it, the network's elsewhere, brought to the measured scale.

The logarithm of measured ÷ network is smooth where the network is wrong by a factor, which it mostly is, and jumps between objects
rather than within one. So it is continued into what the sensor did not see as the smoothest function that fits where it did: weighted
least squares, as in Farbman et al., "Edge-preserving decompositions for multi-scale tone and detail manipulation" (2008), with the
network's log-depth as the guide. Its edges stay, the network's shape fills the holes, and the rim of each hole gives the scale.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import cv2
import numpy as np

from mtl_perception.core.scene import Depth


class Source(enum.IntEnum):
    """Where a pixel's depth is from."""

    NONE = 0
    NETWORK = 1
    MEASURED = 2


@dataclass(frozen=True)
class SensorNoise:
    """Standard deviation of a measured depth z: ``base_m + quadratic_per_m * (z - least_m)²``.

    The defaults are those of structured light (Nguyen, Izadi, Lovell, "Modeling Kinect sensor noise for improved 3D reconstruction
    and tracking", 2012); stereo cameras are a little worse.
    """

    base_m: float = 0.0012
    quadratic_per_m: float = 0.0019
    least_m: float = 0.4

    def relative_std(self, depth_m: np.ndarray) -> np.ndarray:
        """Of the depth's logarithm, for depths in metres."""
        return (self.base_m + self.quadratic_per_m * (depth_m - self.least_m) ** 2) / depth_m


@dataclass(frozen=True)
class FusedDepth:
    """
    Attributes:
        depth: in metres, of the image's size, with its uncertainty.
        source: (H, W) uint8, values of ``Source``.
        factor: measured ÷ network, the median; NaN if there was too little to tell.
        problem: why the measurement was not used, or None.
    """

    depth: Depth
    source: np.ndarray
    factor: float
    problem: str | None = None


_LONGER_SIDE = 80
"""Of the reduced image, on which factors are found."""
_LEAST_SHARE = 0.005
"""Of the reduced image's pixels that must be measured."""
_SPECKLE = 0.1
"""A measured pixel that is farther from the median of its neighbours, as a share of it, is taken for noise at an edge."""
_EDGE = 0.02
"""Step in log-depth from one pixel of the reduced image to the next over which a factor has a right to change."""
_LEAST_BOND = 1e-3
_FIT = 100.0
"""How much more a measured pixel holds its own factor than a neighbour's."""
_LEAST_SPREAD = 0.01
"""Relative standard deviation of what is filled in, where the network fits the sensor to the dot."""
_ITERATIONS, _TOLERANCE = 80, 1e-3


def fuse(measured_m: np.ndarray, network: Depth, noise: SensorNoise = SensorNoise()) -> FusedDepth:
    """Fuse one frame.

    Args:
        measured_m: (H, W) float32 metres, registered to the image; NaN, 0 or infinite where the sensor saw nothing.
        network: of the same image.

    Raises:
        ValueError: the two are of different sizes.
    """
    depth_m = network.depth_m
    if measured_m.shape != depth_m.shape:
        raise ValueError(f"measured depth is of {_size(measured_m)}, the network's of {_size(depth_m)} pixels, expected one size")
    known = depth_m > 0  # NaN is not
    valid = _trusted(measured_m)
    source = known.astype(np.uint8)
    height, width = depth_m.shape
    step = max(1, round(max(width, height) / _LONGER_SIDE))
    grid = np.s_[::step, ::step]
    both = valid[grid] & known[grid]
    if both.sum() < max(16, _LEAST_SHARE * both.size):
        problem = f"only {valid.mean():.1%} of its pixels are measured, expected at least {_LEAST_SHARE:.1%}"
        return FusedDepth(network, source, float("nan"), problem)
    guide = np.log(np.where(known[grid], depth_m[grid], 1.0))
    log_factor = np.where(both, np.log(np.where(both, measured_m[grid], 1.0)) - guide, 0.0)
    median = float(np.median(log_factor[both]))
    factor = np.exp(_continued(log_factor - median, both, guide) + median)
    filled = depth_m * _enlarged(factor, step, width, height)
    source[valid] = Source.MEASURED
    spread = 1.4826 * float(np.median(np.abs(log_factor[both] - median)))
    of_sensor = noise.relative_std(np.where(valid[grid], measured_m[grid], 1.0))
    relative_std = np.where(valid[grid], of_sensor, max(spread, _LEAST_SPREAD)).astype(np.float32)
    return FusedDepth(Depth(np.where(valid, measured_m, filled), relative_std), source, math.exp(median))


def measured_alone(measured_m: np.ndarray, noise: SensorNoise = SensorNoise()) -> FusedDepth:
    """Returns what the sensor measured, (H, W) metres, NaN elsewhere, as a ``FusedDepth``."""
    valid = _trusted(measured_m)
    depth_m = np.where(valid, measured_m, np.float32(np.nan))
    source = np.where(valid, np.uint8(Source.MEASURED), np.uint8(Source.NONE))
    # Of each pixel: one of a coarser grid may be missing where others beside it are not. What is not measured has any number.
    relative_std = noise.relative_std(np.where(valid, measured_m, np.float32(1))).astype(np.float32)
    return FusedDepth(Depth(depth_m, relative_std), source, float("nan"))


def _trusted(measured_m: np.ndarray) -> np.ndarray:
    """(H, W) bool: measured, and no speckle: within a tenth of the median of its neighbours, where most of those are measured."""
    valid = (measured_m > 0) & (measured_m < np.inf)  # false for NaN
    seen = np.where(valid, measured_m, np.float32(0))
    median = cv2.medianBlur(seen, 5)
    return valid & ((median == 0) | (np.abs(seen - median) <= _SPECKLE * median))


def _continued(values: np.ndarray, known: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """(h, w): the smoothest function that is near ``values`` where they are ``known``, and may jump where ``guide`` does.

    The normal equations are solved by conjugate gradients, with the diagonal as preconditioner.
    """
    right = np.exp(np.abs(np.diff(guide, axis=1)) / -_EDGE) + _LEAST_BOND
    down = np.exp(np.abs(np.diff(guide, axis=0)) / -_EDGE) + _LEAST_BOND
    fit = np.where(known, _FIT, 0.0)
    diagonal = fit.copy()
    diagonal[:, 1:] += right
    diagonal[:, :-1] += right
    diagonal[1:] += down
    diagonal[:-1] += down

    def product(x: np.ndarray) -> np.ndarray:
        y = diagonal * x
        y[:, 1:] -= right * x[:, :-1]
        y[:, :-1] -= right * x[:, 1:]
        y[1:] -= down * x[:-1]
        y[:-1] -= down * x[1:]
        return y

    x = _blurred(values, known)
    rest = fit * values - product(x)
    direction = ready = rest / diagonal
    size = float(np.vdot(rest, ready))
    enough = size * _TOLERANCE**2
    for _ in range(_ITERATIONS):
        if size <= max(enough, 1e-12):
            break
        along = product(direction)
        step = size / float(np.vdot(direction, along))
        x = x + step * direction
        rest = rest - step * along
        ready = rest / diagonal
        last, size = size, float(np.vdot(rest, ready))
        direction = ready + (size / last) * direction
    return x


def _enlarged(coarse: np.ndarray, step: int, width: int, height: int) -> np.ndarray:
    """(height, width) float32 with the values of ``coarse`` at every ``step``-th pixel of both axes, linear between them."""
    to_coarse = np.array([[1 / step, 0.0, 0.0], [0.0, 1 / step, 0.0]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(coarse.astype(np.float32), to_coarse, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)


def _blurred(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(h, w): of the known values around each pixel the mean, of those far away only where none are near: a start for the solver."""
    total, weight = np.zeros(values.shape), np.full(values.shape, 1e-9)
    for importance, side in ((1.0, 5), (1e-2, 15), (1e-4, 45)):
        weight += importance * cv2.blur(known.astype(np.float64), (side, side), borderType=cv2.BORDER_CONSTANT)
        total += importance * cv2.blur(np.where(known, values, 0.0), (side, side), borderType=cv2.BORDER_CONSTANT)
    return total / weight


def _size(image: np.ndarray) -> str:
    return "x".join(map(str, image.shape[1::-1]))

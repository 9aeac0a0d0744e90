# SPDX-License-Identifier: Apache-2.0
"""Real lenses: how they bend the image of a pinhole camera, and how to bend it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.geometry import Intrinsics

COEFFICIENTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
"""Distortion models of sensor_msgs, and how many coefficients each may have."""
_ROTATION_TOLERANCE = 0.01


@dataclass(frozen=True)
class Lens:
    """A camera as calibrated.

    Attributes:
        raw: pinhole intrinsics before distortion (K), for the image as it comes.
        ideal: of the rectified image (P).
        model: plumb_bob and rational_polynomial (Brown, 1966, as in OpenCV), or equidistant (Kannala and Brandt, 2006).
        coefficients: in OpenCV's order.
        rotation: row-major 3×3, from the camera to the rectified camera (R).

    Raises:
        ValueError: an unknown model, a wrong number of coefficients, one that is not finite, or a rotation that is none.
    """

    raw: Intrinsics
    ideal: Intrinsics
    model: str
    coefficients: tuple[float, ...]
    rotation: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.model not in COEFFICIENTS:
            raise ValueError(f"distortion_model is {cut(self.model)!r}, expected one of {', '.join(COEFFICIENTS)}")
        counts = COEFFICIENTS[self.model]
        if len(self.coefficients) not in counts:
            expected = " or ".join(map(str, counts))
            raise ValueError(f"{self.model} has {len(self.coefficients)} distortion coefficients, expected {expected}")
        if not np.isfinite((*self.coefficients, *self.rotation)).all():
            raise ValueError(f"distortion {list(self.coefficients)} or rotation is not finite; calibrate the camera")
        rotation = np.reshape(self.rotation, (3, 3))
        with np.errstate(over="ignore", invalid="ignore"):  # of absurd numbers
            is_rotation = np.abs(rotation @ rotation.T - np.eye(3)).max() < _ROTATION_TOLERANCE and np.linalg.det(rotation) > 0
        if not is_rotation:
            raise ValueError(f"R is {[float(f'{value:.3g}') for value in self.rotation]}, expected a rotation; calibrate the camera")

    def rectifier(self) -> Callable[[np.ndarray], np.ndarray]:
        """From an image of the raw camera's size to the image of the ideal camera. What the lens did not see is black."""
        maps = self._maps(self.raw, self.ideal, np.reshape(self.rotation, (3, 3)), cv2.CV_16SC2)
        return lambda image: cv2.remap(image, *maps, cv2.INTER_LINEAR)

    def largest_shift(self) -> float:
        """How far the lens moves a point from where the pinhole would show it, at most, as a share of the image's width."""
        small = self.raw.scaled(64, 48)
        x, y = self._maps(small, small, np.eye(3), cv2.CV_32FC1)
        rows, columns = np.indices(x.shape)
        return float(np.hypot(x - columns, y - rows).max() / small.width)

    def _maps(self, raw: Intrinsics, ideal: Intrinsics, rotation: np.ndarray, kind: int) -> tuple[np.ndarray, np.ndarray]:
        initialise = cv2.initUndistortRectifyMap
        if self.model == "equidistant":
            initialise = cv2.fisheye.initUndistortRectifyMap
        size = (ideal.width, ideal.height)
        return initialise(_matrix(raw), np.array(self.coefficients), rotation, _matrix(ideal), size, kind)


def _matrix(intrinsics: Intrinsics) -> np.ndarray:
    return np.array([[intrinsics.fx, 0, intrinsics.cx], [0, intrinsics.fy, intrinsics.cy], [0, 0, 1.0]])

# SPDX-License-Identifier: Apache-2.0
"""A camera of structured light in a rendered room: noise and steps, and holes where such cameras have them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.spatial.depth_fusion import SensorNoise


@dataclass(frozen=True)
class DepthSensor:
    """
    Attributes:
        baseline_m: from the camera to the projector at its right; what the projector does not light has no depth.
        near_m, far_m: nothing is measured outside of them.
        least_light: of 255 of the picture's brightest channel; darker surfaces send too little back.
        least_slope: cosine between a surface's normal and the line of sight; flatter ones send too little back.
        step_px: to which disparity is rounded, of an image as large as the measured one (Khoshelham and Elberink, "Accuracy and
            resolution of Kinect depth data", 2012).
    """

    baseline_m: float = 0.075
    near_m: float = 0.4
    far_m: float = 4.5
    least_light: float = 40.0
    least_slope: float = 0.17
    step_px: float = 0.0625
    noise: SensorNoise = SensorNoise()

    def measure(
        self, depth_m: np.ndarray, rgb: np.ndarray, glass: np.ndarray, camera: Intrinsics, random: np.random.Generator
    ) -> np.ndarray:
        """Returns (H, W) float32 metres, NaN where nothing is measured.

        Args:
            depth_m: (H, W) true metres along the optical axis.
            rgb: (H, W, 3) uint8. What is black in it is taken for black in the infrared too.
            glass: (H, W) bool, where the light goes through.
            camera: of the view.
        """
        seen = (depth_m > self.near_m) & (depth_m < self.far_m) & ~glass
        seen &= _is_lit(depth_m, camera.fx * self.baseline_m)
        # Light that comes back too weakly is lost in patches, not pixel by pixel.
        patches = cv2.GaussianBlur(random.normal(size=depth_m.shape).astype(np.float32), (0, 0), 2.5)
        patches = (patches * 0.35 / patches.std()).clip(-0.7, 0.7)
        seen &= rgb.max(axis=2) > self.least_light * (1 + patches)
        seen &= _cosine(depth_m, camera) > self.least_slope * (1 + patches)
        noisy = depth_m * (1 + random.normal(size=depth_m.shape) * self.noise.relative_std(depth_m))
        disparity_px = camera.fx * self.baseline_m / noisy
        stepped = camera.fx * self.baseline_m / (np.rint(disparity_px / self.step_px) * self.step_px)
        return np.where(seen, stepped, np.nan).astype(np.float32)


def _is_lit(depth_m: np.ndarray, focal_baseline: float) -> np.ndarray:
    """(H, W) bool: no pixel farther right in the row hides it from a projector at the camera's right."""
    at_projector = np.arange(depth_m.shape[1]) - focal_baseline / depth_m
    nearest = np.minimum.accumulate(at_projector[:, ::-1], axis=1)[:, ::-1]
    return at_projector <= nearest + 0.5


def _cosine(depth_m: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """(H, W): between the surface's normal and the line of sight."""
    rows, columns = np.indices(depth_m.shape)
    points = (
        np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(depth_m.shape)], axis=2) * depth_m[..., None]
    )
    normals = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    lengths = np.linalg.norm(normals, axis=2) * np.linalg.norm(points, axis=2)
    return np.abs(np.sum(normals * points, axis=2)) / np.maximum(lengths, 1e-12)

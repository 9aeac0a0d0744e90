# SPDX-License-Identifier: Apache-2.0
"""The depth of one frame beside the true one."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtl_perception.core.drawing import colorize_depth
from mtl_perception.core.scene import Scene
from mtl_perception.tasks._panel import INK, Panels, shrunk
from mtl_perception.tasks._truth import Truth

_ERROR_SHARE = 0.5
"""Relative error of depth that has the strongest colour."""


def panels(image_rgb: np.ndarray, scene: Scene, truth: Truth, card: Any) -> Panels:
    """Camera, truth, what was found in the same colours, and the error with its sign."""
    depth_m, true_depth_m = scene.depth.depth_m, truth.depth_m
    known = np.isfinite(true_depth_m) & (true_depth_m > 0)
    if known.any():
        near_m, far_m = (float(value) for value in np.percentile(true_depth_m[known], [1, 99]))
        near_m, far_m = near_m * 0.95, far_m * 1.05
    else:
        near_m, far_m = 0.3, 8.0
    panels = {
        "camera": image_rgb,
        f"truth, {near_m:.1f} to {far_m:.1f} m": colorize_depth(true_depth_m, near_m, far_m),
        "found": colorize_depth(depth_m, near_m, far_m),
        "error: red too far, blue too near": signed_error(depth_m, true_depth_m, known),
    }
    return {caption: shrunk(picture) for caption, picture in panels.items()}


def signed_error(depth_m: np.ndarray, true_depth_m: np.ndarray, known: np.ndarray) -> np.ndarray:
    """White where right, red where found too far, blue where too near, dark where nothing is known."""
    known = known & np.isfinite(depth_m)
    error = np.zeros(depth_m.shape, np.float32)
    error[known] = np.clip((depth_m[known] / true_depth_m[known] - 1) / _ERROR_SHARE, -1, 1)
    fade = (1 - np.abs(error))[..., None] * 245
    picture = np.where(error[..., None] > 0, (215, 48, 39), (49, 96, 190)) * np.abs(error)[..., None] + fade
    picture[~known] = INK
    return picture.astype(np.uint8)

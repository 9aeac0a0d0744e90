# SPDX-License-Identifier: Apache-2.0
"""Surface normals in colours."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mtl_perception.core.drawing import colorize_normals
from mtl_perception.core.scene import Scene
from mtl_perception.tasks._panel import Panels, shrunk
from mtl_perception.tasks._truth import Truth
from mtl_perception.tasks.normals.metric import angle_deg

_MOST_DEG = 45.0
"""Angle that has the strongest colour."""


def panels(image_rgb: np.ndarray, scene: Scene, truth: Truth, card: Any) -> Panels:
    """Camera, truth, what was found, and the angle between them."""
    found, true = scene.answers["normals"].vectors, truth.labels["normals"]
    known = true.any(-1)
    error = np.zeros(known.shape, np.float32)
    error[known] = angle_deg(found[known], true[known])
    heat = cv2.cvtColor(
        cv2.applyColorMap((np.clip(error / _MOST_DEG, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB
    )
    heat[~known] = 0
    pictures = {
        "camera": image_rgb,
        "truth": colorize_normals(true),
        "found": colorize_normals(found),
        f"angle, bright from {_MOST_DEG:g}° on": heat,
    }
    return {caption: shrunk(picture) for caption, picture in pictures.items()}

# SPDX-License-Identifier: Apache-2.0
"""The mask of one frame beside the true one."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mtl_perception.core.drawing import colorize_mask
from mtl_perception.core.scene import UNLABELLED, Scene
from mtl_perception.tasks._panel import WRONG, Panels, shrunk
from mtl_perception.tasks._truth import Truth


def panels(image_rgb: np.ndarray, scene: Scene, truth: Truth, card: Any) -> Panels:
    """Camera, truth, what was found, and where they differ."""
    mask, true_mask = scene.segmentation.mask, truth.mask
    differs = (mask != true_mask) & (true_mask != UNLABELLED)
    grey = cv2.cvtColor(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) // 2 + 90
    grey[differs] = WRONG
    labels = card.segmentation_labels
    panels = {
        "camera": image_rgb,
        "truth": colorize_mask(true_mask, labels),
        "found": colorize_mask(mask, labels),
        "differs": grey,
    }
    return {caption: shrunk(picture) for caption, picture in panels.items()}

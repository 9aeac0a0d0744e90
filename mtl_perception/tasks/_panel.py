# SPDX-License-Identifier: Apache-2.0
"""Images of prediction and ground truth for reports."""

from __future__ import annotations

import cv2
import numpy as np

Panels = dict[str, np.ndarray]
"""Caption → (H, W, 3) uint8 RGB."""

RIGHT, WRONG, INK = (60, 190, 110), (235, 70, 60), (16, 17, 20)
_WIDTH_PX = 480
"""Width of images of dense tasks: sharp enough on a page, and small enough for a report."""


def shrunk(picture: np.ndarray) -> np.ndarray:
    """``picture`` reduced to at most 480 pixels in width."""
    height, width = picture.shape[:2]
    if width <= _WIDTH_PX:
        return picture
    return cv2.resize(picture, (_WIDTH_PX, round(height * _WIDTH_PX / width)), interpolation=cv2.INTER_AREA)

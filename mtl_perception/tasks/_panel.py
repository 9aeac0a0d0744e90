# SPDX-License-Identifier: Apache-2.0
"""Pictures of one frame with its truth beside what was found, for reports."""

from __future__ import annotations

import cv2
import numpy as np

Panels = dict[str, np.ndarray]
"""Caption → (H, W, 3) uint8 RGB."""

RIGHT, WRONG, INK = (60, 190, 110), (235, 70, 60), (16, 17, 20)
_WIDTH_PX = 480
"""Width of the pictures of dense tasks: sharp on the page, and a report stays small."""


def shrunk(picture: np.ndarray) -> np.ndarray:
    """``picture`` as a report shows it, at most 480 pixels wide."""
    height, width = picture.shape[:2]
    if width <= _WIDTH_PX:
        return picture
    return cv2.resize(picture, (_WIDTH_PX, round(height * _WIDTH_PX / width)), interpolation=cv2.INTER_AREA)

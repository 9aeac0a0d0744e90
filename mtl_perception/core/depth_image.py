# SPDX-License-Identifier: Apache-2.0
"""Depth as images of integers."""

from __future__ import annotations

import numpy as np


def depth_to_millimetres(depth_m: np.ndarray) -> np.ndarray:
    """Integer depth as REP 118 and PNG files hold it, (H, W) uint16 millimetres; 0 where ``depth_m`` is not finite or does not fit."""
    depth_mm = np.rint(depth_m * np.float32(1000.0))
    fits = (depth_mm > 0) & (depth_mm <= 65535)  # false for NaN
    return np.where(fits, depth_mm, 0).astype(np.uint16)

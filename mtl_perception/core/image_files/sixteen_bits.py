# SPDX-License-Identifier: Apache-2.0
"""Brightness of 16 bits to 8."""

from __future__ import annotations

import cv2
import numpy as np

AUTO = "auto"

_WHITE_PERCENTILE = 99.5
"""A lamp may be brighter than white."""

_LEAST_WHITE = 255
"""The noise of a sensor in the dark is not stretched to a picture."""

_EVERY = 5
"""Pixels that are looked at, of a row and of a column; odd, so that a Bayer pattern shows all of its colours."""


def to_8_bit(values: np.ndarray, white: int | str = AUTO) -> np.ndarray:
    """(H, W) uint16 → (H, W) uint8: ``white`` and what is above becomes 255, 0 stays 0.

    Args:
        values: of either byte order.
        white: 1 to 65535, such as 4095 for a camera of 12 bits; "auto": the 99.5th percentile of ``values``.
    """
    values = np.ascontiguousarray(values, np.uint16)  # OpenCV misreads rows of an odd number of bytes
    return cv2.convertScaleAbs(values, alpha=255.0 / (_white(values) if white == AUTO else white))  # pyright: ignore[reportOperatorIssue]


def _white(values: np.ndarray) -> float:
    sample = values[::_EVERY, ::_EVERY].ravel()
    place = round((sample.size - 1) * _WHITE_PERCENTILE / 100)
    return max(float(np.partition(sample, place)[place]), _LEAST_WHITE)

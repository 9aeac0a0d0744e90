# SPDX-License-Identifier: Apache-2.0
"""Outlines of masks that give back the same pixels: along the edges of pixels, not through their centres."""

from __future__ import annotations

import cv2
import numpy as np

_FINE = 3


def outlines(mask: np.ndarray) -> tuple[list[list[float]], int]:
    """The outer outlines of a mask, (H, W) bool, each x, y, x, y …, whole numbers; and how many holes it has.

    Outlines cannot say that there is a hole.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return [], 0
    top, left = int(rows[0]), int(columns[0])
    part = mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8)
    # In a picture three times as large the outline of a pixel's square runs a sixth of a pixel inside of its edge, so that
    # rounding gives the edge.
    fine = np.kron(np.pad(part, 1), np.ones((_FINE, _FINE), np.uint8))
    contours, hierarchy = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    found, holes = [], 0
    for contour, (_, _, _, parent) in zip(contours, hierarchy[0], strict=True):
        if parent >= 0:
            holes += 1
            continue
        corners = np.rint((contour[:, 0].astype(np.float64) + 0.5) / _FINE) - 1
        found.append(_without_needless(corners + (left, top)).ravel().tolist())
    return found, holes


def bridged(parts: list[list[float]]) -> list[float]:
    """One outline for several: with a line there and back between them, for formats that hold one outline per object."""
    joined = list(parts[0])
    for part in parts[1:]:
        # From the first point of the first part and back: lines have no area.
        joined += joined[:2] + part + part[:2] + joined[:2]
    return joined


def _without_needless(corners: np.ndarray) -> np.ndarray:
    """Without repeated points and points on a straight line."""
    corners = corners[(corners != np.roll(corners, 1, 0)).any(1)]
    before, after = corners - np.roll(corners, 1, 0), np.roll(corners, -1, 0) - corners
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return corners[turns]

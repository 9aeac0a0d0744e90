# SPDX-License-Identifier: Apache-2.0
"""Whether a depth image lies on its picture: where depth jumps, an object ends, and there the picture mostly has an edge too."""

from __future__ import annotations

import cv2
import numpy as np

_LONGER_SIDE = 160
"""Of the reduced images that are compared."""
_REACH = 10
"""Reduced pixels, in each direction, by which depth is shifted."""
_JUMP = 0.08
"""Relative step of depth from one reduced pixel to the next that is the end of an object."""
_LEAST_EDGES = 0.005
"""Of the pixels; an image with fewer jumps of depth says nothing."""
_LEAST_FRAMES = 10
_FORGET = 0.95
"""From frame to frame."""
_LEAST_SHIFT = 2
"""Reduced pixels."""
_LEAST_GAIN, _LEAST_SCORE = 0.05, 0.1
"""Of the correlation, which must be so much better at the shift than at none, and so good."""


class AlignmentCheck:
    """Compares the edges of depth with those of the pictures over some frames.

    Attributes:
        problem: how far apart they are, in words; empty if they are not, or as long as too little is known.
    """

    def __init__(self) -> None:
        self._scores: np.ndarray | None = None
        self._weight = 0.0
        self._frames = 0
        self.problem = ""

    def add(self, image_rgb: np.ndarray, measured_m: np.ndarray) -> None:
        """Take in one frame.

        Args:
            image_rgb: (H, W, 3) uint8.
            measured_m: (H, W) metres that are said to be of the same pixels; NaN, 0 or infinite where unknown.
        """
        height, width = measured_m.shape
        scale = max(1.0, max(height, width) / _LONGER_SIDE)
        size = (round(width / scale), round(height / scale))
        if min(size) <= 4 * _REACH:
            return
        jumps = _jumps(cv2.resize(measured_m, size, interpolation=cv2.INTER_NEAREST))[_REACH:-_REACH, _REACH:-_REACH]
        if jumps.mean() < _LEAST_EDGES:
            return
        edges = _edges(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA))
        scores = cv2.matchTemplate(edges, jumps, cv2.TM_CCOEFF_NORMED)
        if not np.isfinite(scores).all():
            return
        if self._scores is None or self._scores.shape != scores.shape:
            self._scores, self._weight, self._frames = np.zeros_like(scores), 0.0, 0
        self._scores = _FORGET * self._scores + scores
        self._weight = _FORGET * self._weight + 1
        self._frames += 1
        if self._frames >= _LEAST_FRAMES:
            self._judge(self._scores / self._weight, scale)

    def _judge(self, scores: np.ndarray, scale: float) -> None:
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        down, right = int(row) - _REACH, int(column) - _REACH
        best, here = float(scores[row, column]), float(scores[_REACH - 1 : _REACH + 2, _REACH - 1 : _REACH + 2].max())
        is_off = max(abs(down), abs(right)) >= _LEAST_SHIFT and best >= max(_LEAST_SCORE, here + _LEAST_GAIN)
        self.problem = (
            f"edges of depth fit those of the picture better when they are moved by {round(right * scale)} pixels to the right and "
            f"{round(down * scale)} down (correlation {best:.2f}, in place {here:.2f}): is it registered to this camera?"
            if is_off
            else ""
        )


def _jumps(depth_m: np.ndarray) -> np.ndarray:
    """(h, w) float32: 1 on both sides of each jump between known pixels, else 0."""
    known = (depth_m > 0) & (depth_m < np.inf)
    log_depth = np.log(np.where(known, depth_m, 1.0)).astype(np.float32)
    found = np.zeros(depth_m.shape, np.float32)
    across = (np.abs(np.diff(log_depth, axis=1)) > _JUMP) & known[:, 1:] & known[:, :-1]
    down = (np.abs(np.diff(log_depth, axis=0)) > _JUMP) & known[1:] & known[:-1]
    found[:, 1:][across] = found[:, :-1][across] = 1
    found[1:][down] = found[:-1][down] = 1
    return found


def _edges(image_rgb: np.ndarray) -> np.ndarray:
    """(h, w) float32: strength of the picture's edges; of two that are both strong the stronger one counts little more."""
    grey = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    strength = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    limit = float(np.quantile(strength, 0.9)) or 1.0
    return np.minimum(strength / limit, 1.0)

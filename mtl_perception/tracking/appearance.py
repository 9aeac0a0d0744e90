# SPDX-License-Identifier: Apache-2.0
"""How objects look: by their colours two of one class are told apart where their places are not known well enough."""

from __future__ import annotations

import cv2
import numpy as np

_GRID = 8
"""Pixels that are looked at along each side of a box."""
_INNER = 0.9
"""Of a box's side: at the rim it shows what is behind the object."""
_PARTS = 2
"""One above the other, each with histograms of its own."""
_LIGHTNESS_BINS, _COLOUR_BINS = 8, 24
_COLOUR_SPAN = 64
"""Of CIELAB's a and b, to both sides of grey; few things are more colourful."""

_UNLIKE = 0.5
"""One minus the similarity, from which on objects count as wholly different."""

LENGTH = _PARTS * (_LIGHTNESS_BINS + 2 * _COLOUR_BINS)
"""Numbers that describe one object."""


def looks(image_rgb: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray:
    """(N, LENGTH) float32 of length one each: the product of two is their similarity, 0 to 1 (Bhattacharyya's coefficient).

    Histograms of lightness and of both colours of CIELAB, for the upper and the lower half of each box.

    Args:
        image_rgb: (H, W, 3) uint8.
        boxes_xyxy: (N, 4) pixels of the image; may reach beyond it.
    """
    count = len(boxes_xyxy)
    if not count:
        return np.zeros((0, LENGTH), np.float32)
    height, width = image_rgb.shape[:2]
    boxes = np.minimum(np.maximum(boxes_xyxy, 0), (width, height, width, height))
    share = ((np.arange(_GRID) + 0.5) / _GRID - 0.5) * _INNER + 0.5
    x = np.minimum((boxes[:, :1] + share * (boxes[:, 2:3] - boxes[:, :1])).astype(int), width - 1)
    y = np.minimum((boxes[:, 1:2] + share * (boxes[:, 3:] - boxes[:, 1:2])).astype(int), height - 1)
    # One index into rows of three bytes is a tenth of the time of two indices into the image.
    places = (y[:, :, None] * width + x[:, None, :]).ravel()
    pixels = np.take(image_rgb.reshape(-1, 3), places, axis=0).reshape(count * _GRID, _GRID, 3)
    bins = cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), _BINS).reshape(count * _PARTS, -1).astype(np.intp)
    bins += (LENGTH // _PARTS) * np.arange(count * _PARTS)[:, None]
    histograms = np.bincount(bins.ravel(), minlength=count * LENGTH).reshape(count, LENGTH)
    return np.sqrt(histograms.astype(np.float32) / (3 * _GRID * _GRID))


def _bins() -> np.ndarray:
    """(1, 256, 3) uint8: value of each channel → its bin among those of a part."""
    values = np.arange(256)
    colour = np.clip((values - 128 + _COLOUR_SPAN) * _COLOUR_BINS // (2 * _COLOUR_SPAN), 0, _COLOUR_BINS - 1)
    lightness = values * _LIGHTNESS_BINS // 256
    return np.stack([lightness, _LIGHTNESS_BINS + colour, _LIGHTNESS_BINS + _COLOUR_BINS + colour], -1).astype(np.uint8)[None]


_BINS = _bins()


def with_looks(cost: np.ndarray, looks: np.ndarray, others: np.ndarray, weight: float) -> np.ndarray:
    """(P,) costs of pairs, raised by up to ``weight`` where both, (P, LENGTH) each, look different; as they were where one is not known."""
    unlike = np.clip((1 - np.einsum("ij,ij->i", looks, others)) / _UNLIKE, 0, 1)
    return cost + weight * np.where(np.isnan(unlike), 0, unlike)

# SPDX-License-Identifier: Apache-2.0
"""The cost of taking a detection for a track: by their boxes, their places in space and their looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtl_perception.tracking.appearance import with_looks
from mtl_perception.tracking.association import paired_iou
from mtl_perception.tracking.kalman import GATE
from mtl_perception.tracking.symmetric import mahalanobis_squared

_VETO = 30.66
"""Squared Mahalanobis distance that 99.9999 % of true pairs stay below (χ², three degrees of freedom)."""


@dataclass(frozen=True)
class Side:
    """One side of the pairs: tracks as they are predicted, or detections.

    Attributes:
        corners: (4, N) float32: x1, y1, x2, y2 in pixels.
        places, spread: (3, N) metres and (6, N) covariances as ``symmetric.upper``; NaN where they are not known.
        class_ids: (N,).
        looks: (N, LENGTH); NaN where they are not known.
    """

    corners: np.ndarray
    places: np.ndarray
    spread: np.ndarray
    class_ids: np.ndarray
    looks: np.ndarray


def possible_pairs(tracks: Side, found: Side, min_iou: float, appearance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs that are possible.

    Args:
        min_iou, appearance: of ``TrackerSettings``.

    Returns:
        (P,) indices of tracks, (P,) of detections, and (P,) costs from 0, the same place and box, to below 1.
    """
    i, j = _near(tracks, found)
    apart = 1 - paired_iou(tracks.corners.take(i, 1), found.corners.take(j, 1))
    squared = mahalanobis_squared(found.places.take(j, 1) - tracks.places.take(i, 1), tracks.spread.take(i, 1) + found.spread.take(j, 1))
    cost = np.where(np.isnan(squared), apart, (2 * apart + np.minimum(squared / GATE, 1.0)) / 3)
    chosen = ((apart <= 1 - min_iou) | (squared <= GATE)) & ~(squared > _VETO) & (cost < 1)
    i, j, cost = i[chosen], j[chosen], cost[chosen]
    if appearance == 0:
        return i, j, cost
    cost = with_looks(cost, tracks.looks[i], found.looks[j], appearance)
    alike = cost < 1
    return i[alike], j[alike], cost[alike]


def _near(tracks: Side, found: Side) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the pairs of one class whose boxes may touch or whose places may be the same, which few pairs pass: more than are
    possible, for all at once and in single precision. Two matrix products take a third of the time of comparing each coordinate."""
    possible = _product(_circles(tracks.corners), _circles(found.corners)) >= 0
    # With NaN, where a place is not known, comparisons are false: the boxes alone decide.
    origin = _origin(found.places)
    possible |= _product(_balls(tracks, origin), _balls(found, origin)) >= 0
    possible &= tracks.class_ids.astype(np.int16)[:, None] == found.class_ids.astype(np.int16)
    return np.divmod(np.flatnonzero(possible), possible.shape[1])  # a third of the time of np.nonzero


def _product(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(N, M) float32: 2 a·b − p − q of (K, N) vectors a and (K, M) vectors b, with a number each, (N,) p and (M,) q."""
    (left, one), (right, other) = first, second
    padded = np.empty((2, len(left) + 2, max(len(one), len(other))), np.float32)
    rows, columns = padded[0, :, : len(one)], padded[1, :, : len(other)]
    np.multiply(left, 2.0, out=rows[:-2], casting="same_kind")
    rows[-2], rows[-1] = one, -1.0
    columns[:-2], columns[-2], columns[-1] = right, -1.0, other
    return rows.T @ columns


def _circles(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For ``_product``, so that it is not negative where circles around boxes (4, N) touch, a little larger than they need be: with radii r and
    s, |a − b|² ≤ (r + s)² means 2 (a·b + r s) ≥ (|a|² − r²) + (|b|² − s²)."""
    size = corners[2:] - corners[:2]
    vectors = np.empty((3, corners.shape[1]))
    np.add(corners[:2], corners[2:], out=vectors[:2])
    vectors[:2] *= 0.5
    vectors[2] = 0.51 * np.hypot(size[0], size[1]) + 1.0
    squares = np.square(vectors)
    return vectors, squares[0] + squares[1] - squares[2]


def _balls(side: Side, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of places within the gate: no distance is that is beyond it for the largest spread, and a trace is no less than that."""
    vectors = side.places - origin
    return vectors, np.square(vectors).sum(0) - (1.01 * GATE * (side.spread[0] + side.spread[3] + side.spread[5]) + 1e-3)


def _origin(places: np.ndarray) -> np.ndarray:
    """(3, 1), one of the places: far from where the robot set out, single precision does not hold their squares."""
    known = np.flatnonzero(~np.isnan(places[0]))[:1]
    return places[:, known] if len(known) else np.zeros((3, 1))

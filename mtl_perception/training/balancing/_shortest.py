# SPDX-License-Identifier: Apache-2.0
"""The shortest vector between some others."""

from __future__ import annotations

import itertools

import numpy as np


def shortest_weights(products: np.ndarray) -> np.ndarray:
    """Weights ≥ 0 with sum 1 of the shortest convex combination of T vectors, exact up to rounding.

    It lies inside one face of the simplex that the vectors span, and there it is the solution of a linear system. So all
    2^T − 1 faces are tried: for a handful of tasks quicker than an iteration that closes in on it.

    Args:
        products: (T, T) float64, the vectors' inner products.

    Returns:
        (T,) float64.
    """
    count = len(products)
    # One face's system holds products beside ones, so they should be of like size.
    products = products / max(float(products.diagonal().max()), np.finfo(np.float64).tiny)
    best, least = np.full(count, 1 / count), np.inf
    for size in range(1, count + 1):
        for face in itertools.combinations(range(count), size):
            weights = _on_face(products, list(face))
            if weights is not None and (length := weights @ products @ weights) < least:
                best, least = weights, length
    return best


def _on_face(products: np.ndarray, face: list[int]) -> np.ndarray | None:
    """The weights of the point of a face's plane that is nearest to the origin; None if it lies outside of the face."""
    size = len(face)
    system = np.ones((size + 1, size + 1))
    system[:size, :size], system[size, size] = products[np.ix_(face, face)], 0.0
    try:
        solution = np.linalg.solve(system, np.eye(size + 1)[size])[:size]
    except np.linalg.LinAlgError:
        return None  # its vectors lie in a plane of fewer dimensions, where a smaller face has the same point
    if (solution < 0).any():
        return None
    weights = np.zeros(len(products))
    weights[face] = solution / solution.sum()
    return weights

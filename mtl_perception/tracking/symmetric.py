# SPDX-License-Identifier: Apache-2.0
"""Symmetric 3×3 matrices by the hundred: cofactors written out are far faster than a general solver."""

from __future__ import annotations

import numpy as np


def inverse(matrices: np.ndarray) -> np.ndarray:
    """(P, 3, 3) inverses of (P, 3, 3) symmetric matrices; NaN where one is."""
    (a, b, c, d, e, f), determinant = _cofactors(upper(matrices))
    return (np.array([a, b, c, b, d, e, c, e, f]) / determinant).T.reshape(-1, 3, 3)


def mahalanobis_squared(difference: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """dᵀ C⁻¹ d for (P, 3) differences and (P, 3, 3) symmetric covariances; NaN where either is."""
    return _mahalanobis_squared(difference.T, upper(covariance))


def paired_mahalanobis_squared(
    first: np.ndarray, first_spread: np.ndarray, i: np.ndarray, second: np.ndarray, second_spread: np.ndarray, j: np.ndarray
) -> np.ndarray:
    """(P,) of the places (N, 3) and (M, 3) that ``i`` and ``j`` (P,) choose, over the sum of their covariances, as ``mahalanobis_squared``."""
    return _mahalanobis_squared(second.T[:, j] - first.T[:, i], upper(first_spread)[:, i] + upper(second_spread)[:, j])


def upper(matrices: np.ndarray) -> np.ndarray:
    """(6, P): xx, xy, xz, yy, yz and zz of (P, 3, 3) matrices, each in one piece of memory."""
    return np.ascontiguousarray(matrices.reshape(-1, 9).T[_UPPER])


_UPPER = np.array([0, 1, 2, 4, 5, 8])


def _mahalanobis_squared(difference: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Of (3, P) differences and the (6, P) of ``upper``."""
    x, y, z = difference
    (a, b, c, d, e, f), determinant = _cofactors(spread)
    return (x * (a * x + 2 * (b * y + c * z)) + y * (d * y + 2 * e * z) + f * z * z) / determinant


def _cofactors(entries: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Those at xx, xy, xz, yy, yz and zz, (P,) each, and the (P,) determinants, of the (6, P) of ``upper``."""
    xx, xy, xz, yy, yz, zz = entries
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    return (a, b, c, d, e, f), xx * a + xy * b + xz * c

# SPDX-License-Identifier: Apache-2.0
"""Symmetric 3×3 matrices by the hundred, as their six different entries in long rows: cofactors written out are far faster than a
general solver."""

from __future__ import annotations

import numpy as np

UNIT = np.array([[1.0], [0.0], [0.0], [1.0], [0.0], [1.0]])
"""The unit matrix, (6, 1)."""

_UPPER = np.array([0, 1, 2, 4, 5, 8])
_WHOLE = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])


def upper(matrices: np.ndarray) -> np.ndarray:
    """(6, P): xx, xy, xz, yy, yz and zz of (3, 3, P) matrices."""
    return matrices.reshape(9, -1)[_UPPER]


def whole(entries: np.ndarray) -> np.ndarray:
    """(3, 3, P) matrices of the (6, P) of ``upper``."""
    return entries[_WHOLE]


def outer(vectors: np.ndarray) -> np.ndarray:
    """(6, P) products of (3, P) vectors with themselves."""
    x, y, z = vectors
    return np.array([x * x, x * y, x * z, y * y, y * z, z * z])


def inverse(entries: np.ndarray) -> np.ndarray:
    """(6, P) inverses; NaN where a matrix is."""
    cofactors, determinant = _cofactors(entries)
    return np.array(cofactors) / determinant


def mahalanobis_squared(difference: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """dᵀ C⁻¹ d for (3, P) differences and (6, P) covariances; NaN where either is."""
    x, y, z = difference
    (a, b, c, d, e, f), determinant = _cofactors(covariance)
    return (x * (a * x + 2 * (b * y + c * z)) + y * (d * y + 2 * e * z) + f * z * z) / determinant


def _cofactors(entries: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Those at xx, xy, xz, yy, yz and zz, (P,) each, and the (P,) determinants."""
    xx, xy, xz, yy, yz, zz = entries
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    return (a, b, c, d, e, f), xx * a + xy * b + xz * c

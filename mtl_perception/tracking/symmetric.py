# SPDX-License-Identifier: Apache-2.0
"""Symmetric 3×3 matrices by the hundred: cofactors written out are far faster than a general solver."""

from __future__ import annotations

import numpy as np


def inverse(matrices: np.ndarray) -> np.ndarray:
    """(P, 3, 3) inverses of (P, 3, 3) symmetric matrices; NaN where one is."""
    (a, b, c, d, e, f), determinant = _cofactors(matrices)
    return (np.stack([a, b, c, b, d, e, c, e, f], 1) / determinant[:, None]).reshape(-1, 3, 3)


def mahalanobis_squared(difference: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """dᵀ C⁻¹ d for (P, 3) differences and (P, 3, 3) symmetric covariances; NaN where either is."""
    x, y, z = difference.T
    (a, b, c, d, e, f), determinant = _cofactors(covariance)
    return (x * (a * x + 2 * (b * y + c * z)) + y * (d * y + 2 * e * z) + f * z * z) / determinant


def _cofactors(matrices: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Those at xx, xy, xz, yy, yz and zz, (P,) each, and the (P,) determinants."""
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = matrices.transpose(1, 2, 0)
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    return (a, b, c, d, e, f), xx * a + xy * b + xz * c

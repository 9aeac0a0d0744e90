# SPDX-License-Identifier: Apache-2.0
"""Rotation matrices and quaternions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def quaternion_xyzw(rotation: np.ndarray) -> np.ndarray:
    """The unit quaternion with w ≥ 0 of each rotation matrix: (..., 3, 3) → (..., 4), x y z w.

    Four times the products q qᵀ are sums of the matrix's numbers (Shepperd 1978, "Quaternion from Rotation Matrix"). Any of
    their columns is the quaternion but for its length; that of the largest square is the exact one, for half turns too.
    """
    r = np.asarray(rotation, np.float64)
    if r.ndim == 2:  # one alone: plain numbers are ten times faster than arrays of one
        products = _products(*r.tolist())
        found = products[max(range(4), key=lambda k: products[k][k])]
        return np.array(found) / (math.hypot(*found) * (-1.0 if found[3] < 0 else 1.0))
    products = np.moveaxis(np.array(_products(*np.moveaxis(r, (-2, -1), (0, 1)))), (0, 1), (-2, -1))
    largest = np.diagonal(products, axis1=-2, axis2=-1).argmax(-1)[..., None, None]
    found = np.take_along_axis(products, largest, -1)[..., 0]
    return found * (np.where(found[..., 3:] < 0, -1.0, 1.0) / np.linalg.norm(found, axis=-1, keepdims=True))


def _products(first: Any, second: Any, third: Any) -> list[list[Any]]:
    """4 q qᵀ of the rotation matrix with these rows, of numbers or of arrays."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = first, second, third
    return [
        [1 + xx - yy - zz, xy + yx, xz + zx, zy - yz],
        [xy + yx, 1 - xx + yy - zz, yz + zy, xz - zx],
        [xz + zx, yz + zy, 1 - xx - yy + zz, yx - xy],
        [zy - yz, xz - zx, yx - xy, 1 + xx + yy + zz],
    ]


def rotation_matrix(quaternion_xyzw: np.ndarray) -> np.ndarray:
    """The rotation matrix of each quaternion: (..., 4) x y z w → (..., 3, 3). A quaternion of any length counts."""
    q = np.asarray(quaternion_xyzw, np.float64)
    x, y, z, w = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    return np.stack([np.stack(row, -1) for row in rotation_rows(x, y, z, w)], -2)


def rotation_rows(x: Any, y: Any, z: Any, w: Any) -> tuple[tuple[Any, ...], ...]:
    """The rows of a unit quaternion's rotation matrix, of numbers or of arrays."""
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )

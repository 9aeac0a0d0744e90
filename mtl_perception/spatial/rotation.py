# SPDX-License-Identifier: Apache-2.0
"""Rotation matrices and quaternions."""

from __future__ import annotations

import numpy as np


def quaternion_xyzw(rotation: np.ndarray) -> np.ndarray:
    """The unit quaternion with w ≥ 0 of each rotation matrix: (..., 3, 3) → (..., 4), x y z w.

    The matrix K of Bar-Itzhack (2000, "New Method for Extracting the Quaternion from a Rotation Matrix") has it as the
    eigenvector of its largest eigenvalue: right for every rotation, half turns too, without a choice of branches.
    """
    r = np.asarray(rotation, np.float64)
    k = np.empty((*r.shape[:-2], 4, 4))
    k[..., 0, 0] = r[..., 0, 0] - r[..., 1, 1] - r[..., 2, 2]
    k[..., 1, 1] = r[..., 1, 1] - r[..., 0, 0] - r[..., 2, 2]
    k[..., 2, 2] = r[..., 2, 2] - r[..., 0, 0] - r[..., 1, 1]
    k[..., 3, 3] = r[..., 0, 0] + r[..., 1, 1] + r[..., 2, 2]
    k[..., 0, 1] = k[..., 1, 0] = r[..., 1, 0] + r[..., 0, 1]
    k[..., 0, 2] = k[..., 2, 0] = r[..., 2, 0] + r[..., 0, 2]
    k[..., 1, 2] = k[..., 2, 1] = r[..., 2, 1] + r[..., 1, 2]
    k[..., 0, 3] = k[..., 3, 0] = r[..., 2, 1] - r[..., 1, 2]
    k[..., 1, 3] = k[..., 3, 1] = r[..., 0, 2] - r[..., 2, 0]
    k[..., 2, 3] = k[..., 3, 2] = r[..., 1, 0] - r[..., 0, 1]
    largest = np.linalg.eigh(k)[1][..., :, -1]
    return largest * np.where(largest[..., 3:] < 0, -1.0, 1.0)


def rotation_matrix(quaternion_xyzw: np.ndarray) -> np.ndarray:
    """The rotation matrix of each quaternion: (..., 4) x y z w → (..., 3, 3). A quaternion of any length counts."""
    q = np.asarray(quaternion_xyzw, np.float64)
    x, y, z, w = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)

# SPDX-License-Identifier: Apache-2.0
"""Quaternions and matrices say the same."""

import numpy as np
import pytest

from mtl_perception.core.rotation import quaternion_xyzw, rotation_matrix


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.3, np.pi / 2, np.pi - 1e-9, np.pi])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -2, 3)])
def test_a_turn_about_an_axis(angle: float, axis: tuple[int, int, int]) -> None:
    unit = np.array(axis) / np.linalg.norm(axis)
    expected = np.array([*unit * np.sin(angle / 2), np.cos(angle / 2)])
    matrix = rotation_matrix(expected)
    turned = quaternion_xyzw(matrix)
    np.testing.assert_allclose(quaternion_xyzw(matrix[None]), turned[None], atol=1e-12)  # one alone goes another way
    assert abs(turned @ expected) == pytest.approx(1.0, abs=1e-12) and turned[3] >= 0
    np.testing.assert_allclose(rotation_matrix(turned) @ unit, unit, atol=1e-12)


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    matrix = rotation_matrix(np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)]))
    np.testing.assert_allclose(matrix @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)


def test_many_at_once() -> None:
    rng = np.random.default_rng(1)
    quaternions = rng.normal(size=(5, 7, 4))
    matrices = rotation_matrix(quaternions)
    assert matrices.shape == (5, 7, 3, 3)
    np.testing.assert_allclose(rotation_matrix(quaternion_xyzw(matrices)), matrices, atol=1e-12)

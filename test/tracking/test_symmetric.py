# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mtl_perception.tracking.symmetric import inverse, mahalanobis_squared


def test_mahalanobis_equals_a_general_solver() -> None:
    rng = np.random.default_rng(1)
    root = rng.normal(size=(9, 3, 3))
    difference, covariance = rng.normal(size=(9, 3)), root @ root.transpose(0, 2, 1) + 0.01 * np.eye(3)
    difference[2], covariance[5] = np.nan, np.nan
    found = mahalanobis_squared(difference, covariance)
    assert np.isnan(found).nonzero()[0].tolist() == [2, 5]
    for k in (0, 1, 3, 4, 6, 7, 8):
        assert found[k] == pytest.approx(difference[k] @ np.linalg.solve(covariance[k], difference[k]))


def test_inverses_equal_those_of_a_general_solver() -> None:
    root = np.random.default_rng(2).normal(size=(9, 3, 3))
    matrices = root @ root.transpose(0, 2, 1) + 0.01 * np.eye(3)
    matrices[4] = np.nan
    found = inverse(matrices)
    assert np.isnan(found).any((1, 2)).nonzero()[0].tolist() == [4]
    known = np.arange(9) != 4
    np.testing.assert_allclose(found[known], np.linalg.inv(matrices[known]), rtol=1e-6)

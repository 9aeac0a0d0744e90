# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mtl_perception.tracking.symmetric import UNIT, inverse, mahalanobis_squared, outer, upper, whole


def positive(count: int, seed: int) -> np.ndarray:
    """(count, 3, 3) symmetric matrices."""
    root = np.random.default_rng(seed).normal(size=(count, 3, 3))
    return root @ root.transpose(0, 2, 1) + 0.01 * np.eye(3)


def test_entries_and_matrices_are_the_same() -> None:
    matrices = positive(4, 0).transpose(1, 2, 0)
    np.testing.assert_array_equal(whole(upper(matrices)), matrices)
    np.testing.assert_array_equal(whole(UNIT)[:, :, 0], np.eye(3))
    vectors = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(whole(outer(vectors)), np.einsum("in,jn->ijn", vectors, vectors))


def test_mahalanobis_equals_a_general_solver() -> None:
    difference, covariance = np.random.default_rng(1).normal(size=(9, 3)), positive(9, 1)
    difference[2], covariance[5] = np.nan, np.nan
    found = mahalanobis_squared(difference.T, upper(covariance.transpose(1, 2, 0)))
    assert np.isnan(found).nonzero()[0].tolist() == [2, 5]
    for k in (0, 1, 3, 4, 6, 7, 8):
        assert found[k] == pytest.approx(difference[k] @ np.linalg.solve(covariance[k], difference[k]))


def test_inverses_equal_those_of_a_general_solver() -> None:
    matrices = positive(9, 2)
    matrices[4] = np.nan
    found = whole(inverse(upper(matrices.transpose(1, 2, 0)))).transpose(2, 0, 1)
    assert np.isnan(found).any((1, 2)).nonzero()[0].tolist() == [4]
    known = np.arange(9) != 4
    np.testing.assert_allclose(found[known], np.linalg.inv(matrices[known]), rtol=1e-6)

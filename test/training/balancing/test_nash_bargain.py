# SPDX-License-Identifier: Apache-2.0
"""Nash's solution, by what defines it."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_perception.training.balancing.nash_mtl import bargain


def cases() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    plain = [rng.normal(size=(count, 9)) for count in (1, 2, 3, 4, 6) for _ in range(3)]
    unequal = [rng.normal(size=(4, 9)) * 10.0 ** rng.uniform(-1.5, 1.5, (4, 1)) for _ in range(3)]
    return plain + unequal


@pytest.mark.parametrize("gradients", cases())
def test_every_task_has_the_same_gain_for_its_weight(gradients: np.ndarray) -> None:
    products = gradients @ gradients.T / np.linalg.norm(gradients @ gradients.T)
    weights = bargain(products)
    assert (weights > 0).all()
    np.testing.assert_allclose((products + 1e-6 * np.eye(len(products))) @ weights * weights, 1.0, rtol=1e-6)


def test_orthogonal_gradients_are_brought_to_one_length() -> None:
    np.testing.assert_allclose(bargain(np.diag([1.0, 0.25, 0.01])), [1.0, 2.0, 10.0], rtol=1e-3)


@pytest.mark.parametrize("gradients", [[[1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0], [0.0, 1e-9]]])
def test_gradients_that_cancel_or_agree_get_weights_that_end(gradients: list[list[float]]) -> None:
    products = np.array(gradients) @ np.array(gradients).T
    weights = bargain(products / np.linalg.norm(products))
    assert np.isfinite(weights).all() and (weights > 0).all() and weights.max() <= 1001

# SPDX-License-Identifier: Apache-2.0
"""The shortest convex combination, against a general solver of quadratic programs."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_perception.training.balancing._shortest import shortest_weights

optimize = pytest.importorskip("scipy.optimize")


def reference(vectors: np.ndarray) -> np.ndarray:
    """min ‖wV‖² over w ≥ 0, Σw = 1, by sequential quadratic programming from several starts."""
    products = vectors @ vectors.T
    products = products / max(products.max(), 1e-300)
    count = len(vectors)
    starts = [np.full(count, 1 / count), *np.eye(count)]
    found = [
        optimize.minimize(
            lambda w: w @ products @ w,
            start,
            jac=lambda w: 2 * products @ w,
            bounds=[(0, 1)] * count,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(count)},
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 1000},
        )
        for start in starts
    ]
    return min(found, key=lambda one: one.fun).x


def cases() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    plain = [rng.normal(size=(count, 7)) for count in (1, 2, 3, 4, 5) for _ in range(4)]
    crowded = [rng.normal(size=(5, 2)) + 1 for _ in range(4)]  # more vectors than dimensions
    aligned = [1 + 0.05 * rng.normal(size=(4, 6)) for _ in range(3)]
    unequal = [rng.normal(size=(4, 6)) * 10.0 ** rng.uniform(-3, 3, (4, 1)) for _ in range(6)]
    twice = [np.repeat(rng.normal(size=(2, 5)) + 1, 2, axis=0)]
    against = [np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[3.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])]
    zero = [np.vstack([rng.normal(size=(2, 4)), np.zeros((1, 4))]), np.zeros((3, 4))]
    return [*plain, *crowded, *aligned, *unequal, *twice, *against, *zero]


@pytest.mark.parametrize("vectors", cases())
def test_it_is_the_shortest(vectors: np.ndarray) -> None:
    weights = shortest_weights(vectors @ vectors.T)
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
    point, other = weights @ vectors, reference(vectors) @ vectors
    largest = np.linalg.norm(vectors, axis=1).max()
    assert np.linalg.norm(point) <= np.linalg.norm(other) + 1e-7 * largest
    # Along the shortest one no loss rises: no vector's projection on it is shorter than itself.
    assert (vectors @ point >= point @ point - 1e-7 * largest**2).all()


def test_where_frank_wolfe_stops_too_early_it_does_not() -> None:
    """torchjd's hundred iterations end some per cent above the minimum where gradients differ much in length."""
    aggregation = pytest.importorskip("torchjd.aggregation")
    import torch

    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(50):
        vectors = rng.normal(size=(3, 20)) * 10.0 ** rng.uniform(-1.5, 1.5, (3, 1))
        exact = np.linalg.norm(shortest_weights(vectors @ vectors.T) @ vectors)
        closed_in = torch.linalg.vector_norm(aggregation.MGDA()(torch.from_numpy(vectors))).item()
        ratios.append(closed_in / exact)
    assert min(ratios) > 1 - 1e-9
    assert max(ratios) > 1.01

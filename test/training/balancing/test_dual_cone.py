# SPDX-License-Identifier: Apache-2.0
"""The projection onto what harms no task, by what defines it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("torchjd")

from mtl_perception.training.balancing._dual_cone import LeastSquaresProjector


def cases() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    plain = [rng.normal(size=(count, 7)) for count in (2, 3, 4, 6) for _ in range(4)]
    crowded = [rng.normal(size=(5, 3)) for _ in range(3)]  # singular products
    unequal = [rng.normal(size=(4, 7)) * 10.0 ** rng.uniform(-3, 3, (4, 1)) for _ in range(3)]
    return plain + crowded + unequal


@pytest.mark.parametrize("gradients", cases())
def test_it_is_the_nearest_direction_that_harms_no_task(gradients: np.ndarray) -> None:
    """The conditions of optimality: v ≥ u, no task is harmed, and only tasks that would be stand still."""
    products = torch.as_tensor(gradients @ gradients.T)
    wanted = torch.rand(3, len(gradients), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = LeastSquaresProjector()(wanted, products)
    progress, change = (found @ products).numpy(), (found - wanted).numpy()
    lengths = np.linalg.norm(gradients, axis=1)
    tolerance = 1e-8 * lengths * lengths.max()
    assert (change >= 0).all() and (progress >= -tolerance).all()
    assert (np.abs(change * progress) <= tolerance * (1 + change)).all()
    assert found.shape == wanted.shape and (change > 0).any() == bool(((wanted @ products).numpy() < -tolerance).any())

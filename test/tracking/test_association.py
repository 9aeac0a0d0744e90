# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from torchvision.ops import box_iou as torchvision_box_iou

from mtl_perception.tracking.association import assign, paired_iou


def random_costs(rng: np.random.Generator, most: int) -> np.ndarray:
    rows, columns = rng.integers(1, most, 2)
    cost = rng.random((rows, columns)) * 1.4
    cost[rng.random(cost.shape) < rng.random()] = np.inf
    return np.round(cost, rng.integers(1, 9))  # few digits make ties


def least(cost: np.ndarray, limit: float) -> float:
    """The least cost of any assignment: every choice is tried."""
    if not len(cost):
        return 0.0
    best = limit + least(cost[1:], limit)
    for column in np.flatnonzero(cost[0] < limit):
        best = min(best, cost[0, column] + least(np.delete(cost[1:], column, 1), limit))
    return best


def test_no_assignment_is_cheaper() -> None:
    rng = np.random.default_rng(5)
    for _ in range(150):
        cost = random_costs(rng, 6)
        rows, columns = assign(cost, limit=1.0)
        assert (cost[rows, columns] < 1.0).all()
        assert (np.diff(rows) > 0).all()
        assert len(set(columns.tolist())) == len(columns)
        assert cost[rows, columns].sum() + (len(cost) - len(rows)) == pytest.approx(least(cost, 1.0))


def test_the_best_whole_beats_the_best_pair() -> None:
    rows, columns = assign(np.array([[0.1, 0.2], [0.15, 0.9]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])  # greedy would give 0.1 + 0.9


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_assign(shape: tuple[int, int]) -> None:
    rows, columns = assign(np.zeros(shape))
    assert len(rows) == len(columns) == 0


def test_what_is_not_a_number_is_never_chosen() -> None:
    rows, columns = assign(np.array([[np.nan, 0.5], [np.nan, 0.4]]))
    assert (rows.tolist(), columns.tolist()) == ([1], [1])


def test_paired_iou_equals_torchvision() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 50, (2, 12, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 40, (2, 12, 2))], -1)
    expected = torchvision_box_iou(torch.from_numpy(boxes[0]), torch.from_numpy(boxes[1])).diagonal().numpy()
    assert (expected > 0).sum() > 2
    np.testing.assert_allclose(paired_iou(boxes[0].T, boxes[1].T), expected, atol=1e-9)
    assert paired_iou(np.zeros((4, 12)), boxes[0].T).max() == 0

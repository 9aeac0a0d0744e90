# SPDX-License-Identifier: Apache-2.0
import torch
from torchvision.ops import box_iou

from mtl_perception.tasks.detection.assignment import TOP_K, assign, pairwise_iou


def grid(size: int, stride: int) -> torch.Tensor:
    centre = (torch.arange(size) + 0.5) * stride
    return torch.stack([centre.repeat(size), centre.repeat_interleave(size)], -1)


def test_pairwise_iou_equals_torchvision() -> None:
    torch.manual_seed(0)
    corner = torch.rand(2, 9, 2) * 50
    boxes = torch.cat([corner, corner + torch.rand(2, 9, 2) * 50], -1)
    for i in range(2):
        torch.testing.assert_close(pairwise_iou(boxes[:, :4], boxes)[i], box_iou(boxes[i, :4], boxes[i]))


def test_cells_outside_the_box_stay_background() -> None:
    points = grid(8, 8)
    truth = torch.tensor([[[8.0, 8.0, 40.0, 40.0]]])
    boxes = truth.expand(1, 64, 4)
    quality, owner = assign(torch.full((1, 64, 2), 0.1), boxes, points, truth, torch.tensor([[1]]))
    inside = ((points > 8) & (points < 40)).all(-1)
    positive = quality[0].sum(-1) > 0
    assert positive.sum() == TOP_K
    assert inside[positive].all()
    assert (quality[..., 0] == 0).all()
    # Every cell predicts the true box here, so each deserves the full score.
    torch.testing.assert_close(quality[0, positive, 1], torch.ones(TOP_K))
    assert (owner[0, positive] == 0).all()


def test_the_better_aligned_cell_gets_the_higher_score() -> None:
    points = grid(2, 16)
    truth = torch.tensor([[[0.0, 0.0, 32.0, 32.0]]])
    boxes = torch.tensor([[[0, 0, 32, 32], [0, 0, 32, 24], [0, 0, 32, 16], [0, 0, 8, 8]]]).float()
    quality, _ = assign(torch.full((1, 4, 1), 0.5), boxes, points, truth, torch.tensor([[0]]))
    scores = quality[0, :, 0]
    assert (scores[:-1] > scores[1:]).all()
    torch.testing.assert_close(scores[0], torch.tensor(1.0))


def test_a_cell_wanted_twice_answers_for_the_box_it_overlaps_most() -> None:
    points = torch.tensor([[16.0, 16.0]])
    truth = torch.tensor([[[0.0, 0.0, 32.0, 32.0], [8.0, 8.0, 24.0, 24.0]]])
    boxes = torch.tensor([[[8.0, 8.0, 24.0, 25.0]]])
    quality, owner = assign(torch.full((1, 1, 2), 0.5), boxes, points, truth, torch.tensor([[0, 1]]))
    assert owner[0, 0] == 1
    assert quality[0, 0, 0] == 0
    assert quality[0, 0, 1] > 0


def test_a_box_smaller_than_a_cell_is_still_learned() -> None:
    points = grid(4, 8)
    truth = torch.tensor([[[13.0, 13.0, 16.0, 16.0]]])
    boxes = torch.cat([points - 2, points + 2], -1)[None]
    quality, _ = assign(torch.full((1, 16, 1), 0.5), boxes, points, truth, torch.tensor([[0]]))
    assert (quality > 0).sum() >= 1


def test_no_boxes_means_all_background() -> None:
    points = grid(4, 8)
    scores, boxes = torch.rand(2, 16, 3), torch.rand(2, 16, 4)
    for ids in (torch.zeros(2, 0, dtype=torch.long), torch.full((2, 3), -1)):
        quality, _ = assign(scores, boxes, points, torch.zeros(2, ids.shape[1], 4), ids)
        assert (quality == 0).all()

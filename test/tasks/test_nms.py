# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
import torchvision

from mtl_perception.tasks.detection.nms import nms_mask


@pytest.mark.parametrize(("seed", "iou", "spread_px"), [(0, 0.6, 60.0), (1, 0.5, 20.0), (2, 0.3, 200.0), (3, 0.6, 5.0)])
def test_it_keeps_what_greedy_suppression_keeps(seed: int, iou: float, spread_px: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(2, 300, 2, generator=generator) * spread_px
    boxes = torch.cat([corner, corner + 10 + 40 * torch.rand(2, 300, 2, generator=generator)], -1)
    classes = torch.randint(0, 3, (2, 300), generator=generator)
    scores = torch.linspace(1, 0.1, 300)
    kept = nms_mask(boxes, classes, iou)
    for image in range(2):
        expected = torchvision.ops.batched_nms(boxes[image], scores, classes[image], iou)
        assert kept[image].nonzero()[:, 0].tolist() == sorted(expected.tolist())


def test_a_suppressed_box_suppresses_nobody() -> None:
    boxes = torch.tensor([[[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10], [9, 0, 19, 10]]]).float()
    assert nms_mask(boxes, torch.zeros(1, 4), 0.5)[0].tolist() == [True, False, True, False]
    assert nms_mask(boxes, torch.tensor([[0, 1, 0, 1]]), 0.5)[0].all()


def test_boxes_without_an_area_neither_go_nor_make_others_go() -> None:
    boxes = torch.tensor([[[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 10]]]).float()
    assert nms_mask(boxes, torch.zeros(1, 3), 0.5)[0].all()

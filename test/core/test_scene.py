# SPDX-License-Identifier: Apache-2.0
"""Second names of one object go; two objects stay."""

import numpy as np
import torch
import torchvision

from mtl_perception.core.scene import Detections

OBJECT = [10.0, 10.0, 50.0, 90.0]


def found(*boxes_xyxy, class_ids=None) -> Detections:
    count = len(boxes_xyxy)
    ids = np.arange(count) if class_ids is None else np.array(class_ids)
    return Detections(np.float32(boxes_xyxy).reshape(-1, 4), np.linspace(0.9, 0.3, count, dtype=np.float32), ids)


def test_the_best_name_of_a_object_stays():
    nearly = [10.0, 11.0, 51.0, 90.0]
    beside = [55.0, 10.0, 95.0, 90.0]
    within = [15.0, 60.0, 45.0, 90.0]
    kept = found(OBJECT, nearly, beside, within).agnostic_nms()
    assert kept.class_ids.tolist() == [0, 2, 3] and kept.boxes_xyxy.tolist() == [OBJECT, beside, within]
    np.testing.assert_array_equal(kept.scores, np.float32([0.9, 0.5, 0.3]))


def test_a_box_that_went_takes_no_other_with_it():
    """Each overlaps the next by 9 / 11, and the one after by 2 / 3."""
    row = [[10.0 * k, 0.0, 100.0 + 10 * k, 50.0] for k in range(5)]
    assert found(*row).agnostic_nms(0.8).class_ids.tolist() == [0, 2, 4]


def test_none_goes_where_the_limit_is_one():
    twice = found(OBJECT, OBJECT)
    assert len(twice.agnostic_nms(1.0)) == 2 and len(twice.agnostic_nms(0.99)) == 1


def test_nothing_and_boxes_without_an_area():
    assert len(found().agnostic_nms(0.8)) == 0
    assert len(found([5.0, 5, 5, 5], [5.0, 5, 5, 5]).agnostic_nms(0.0)) == 2


def test_it_is_greedy_suppression_over_all_classes():
    random = np.random.default_rng(5)
    for iou in (0.0, 0.3, 0.5, 0.8):
        corners = random.uniform(0, 60, (200, 2))
        boxes = np.concatenate([corners, corners + random.uniform(10, 50, (200, 2))], 1)
        all_of_them = found(*boxes, class_ids=random.integers(0, 5, 200))
        expected = torchvision.ops.nms(torch.from_numpy(all_of_them.boxes_xyxy), torch.from_numpy(all_of_them.scores), iou)
        np.testing.assert_array_equal(all_of_them.agnostic_nms(iou).scores, all_of_them.scores[expected.numpy()])

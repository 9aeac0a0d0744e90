# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from random_boxes import LABELS, random_images

from mtl_perception.evaluation import DetectionMetric
from mtl_perception.tasks._matching import match_boxes


def test_the_best_score_chooses_first_and_each_true_box_is_taken_once():
    true, ids = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], float), np.array([0, 1])
    found = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 10, 4]], float)
    taken = match_boxes(found, np.array([0.9, 0.8, 0.7, 0.95]), np.array([0, 0, 0, 0]), true, ids)
    # The strongest overlaps too little, the exact one comes too late, the third is of another class.
    assert taken.tolist() == [0, -1, -1, -1]


def test_a_frames_own_average_precision_is_that_of_coco():
    compared = 0
    for arrays in random_images(np.random.default_rng(3), 12):
        metric = DetectionMetric(LABELS)
        own = metric.update(*arrays)
        expected = metric.compute()["AP50"]
        assert own.get("AP50", np.nan) == pytest.approx(expected, abs=1e-9, nan_ok=True)
        compared += 0 < expected < 1
    assert compared > 5

# SPDX-License-Identifier: Apache-2.0
"""The drive with a depth camera that is shipped, as it lies in the repository."""

from pathlib import Path

import numpy as np
import pytest

from mtl_perception.bags import Bag
from mtl_perception.bags.depth import BagDepth, find_depth
from mtl_perception.evaluation.ground_truth import BagTruth
from mtl_perception.simulation.depth_drive import HEIGHT, RATE_HZ, STOPS, TRUTH_EVERY, WIDTH

BAG = Path(__file__).parents[2] / "bags" / "depth"


@pytest.fixture(scope="module")
def bag():
    with Bag(BAG) as bag:
        yield bag


def test_size():
    assert sum(path.stat().st_size for path in BAG.iterdir()) <= 2e6


def test_every_image_has_a_measurement_and_every_third_the_truth(bag):
    image = bag.find_image()
    frames = list(bag.frames(image, bag.find_camera_info(image)))
    assert len(frames) == round(STOPS[-1][0] * RATE_HZ)
    depth, truth = BagDepth(bag, find_depth(bag, image)), BagTruth(bag, (), ())
    assert truth.stamps_ns == [frame.stamp_ns for frame in frames][::TRUTH_EVERY]
    for frame in frames:
        assert frame.image_rgb.shape == (HEIGHT, WIDTH, 3) and not frame.problem
        assert 0.3 < np.mean(depth.at(frame.stamp_ns) > 0) < 0.95


def test_what_was_measured_is_near_the_truth(bag):
    image = bag.find_image()
    depth, truth = BagDepth(bag, find_depth(bag, image)), BagTruth(bag, (), ())
    errors = []
    for stamp in truth.stamps_ns:
        measured_m, true_m = depth.at(stamp), truth.at(stamp).depth_m
        rows = (np.arange(measured_m.shape[0]) * true_m.shape[0]) // measured_m.shape[0]
        columns = (np.arange(measured_m.shape[1]) * true_m.shape[1]) // measured_m.shape[1]
        known = measured_m > 0
        errors.append(np.abs(measured_m / true_m[rows][:, columns] - 1)[known])
    assert np.median(np.concatenate(errors)) < 0.01

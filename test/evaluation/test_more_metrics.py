# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from mtl_perception.core.scene import Scene
from mtl_perception.tasks import Truth
from mtl_perception.tasks.classification.answer import Classification
from mtl_perception.tasks.classification.labels import ClassLabels
from mtl_perception.tasks.classification.metric import ClassificationMetric, roc_auc
from mtl_perception.tasks.lanes.answer import Lanes
from mtl_perception.tasks.lanes.labels import LaneLabels
from mtl_perception.tasks.lanes.metric import LanesMetric


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert roc_auc(np.array([0.9, 0.8, 0.4, 0.3]), np.array([True, False, True, False])) == 0.75
    rng = np.random.default_rng(0)
    scores, present = np.round(rng.random(40), 1), rng.random(40) < 0.4  # many ties
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[present] for b in scores[~present]]
    assert roc_auc(scores, present) == pytest.approx(np.mean(pairs))
    assert math.isnan(roc_auc(scores, np.ones(40, bool)))


def classified(rows: list[tuple[list[float], list[int], list[int] | None]]) -> ClassificationMetric:
    metric = ClassificationMetric(["night", "rain", "never"])
    for scores, present, labelled in rows:
        known = None if labelled is None else np.array(labelled, bool)
        metric.update(Classification(np.float32(scores)), ClassLabels(np.array(present, bool), known))
    return metric


ROWS = [
    ([0.9, 0.2, 0.1], [1, 0, 0], None),
    ([0.8, 0.7, 0.1], [0, 1, 0], None),
    ([0.4, 0.9, 0.1], [1, 1, 0], None),
    ([0.3, 0.6, 0.1], [0, 0, 0], [1, 0, 1]),
]


def test_classes_are_scored_where_they_are_labelled() -> None:
    scores = classified(ROWS).compute()
    assert scores["per_class"]["night"] == {"AUC": 0.75, "F1": 0.5, "images": 2}
    assert scores["per_class"]["rain"] == {"AUC": 1.0, "F1": 1.0, "images": 2}  # the wrong .6 is of an image where rain is unknown
    assert math.isnan(scores["per_class"]["never"]["AUC"])
    assert (scores["AUC"], scores["F1"], scores["images"]) == (0.875, 0.75, 4)
    with pytest.raises(ValueError, match="result of 2 classes, expected 3"):
        classified([([0.1, 0.2], [0, 0, 0], None)])


def test_lanes_that_overlap_are_counted_each_by_itself() -> None:
    metric = LanesMetric(["drivable", "line"])
    true = np.zeros((4, 10), np.uint8)
    true[:, :5] |= 1
    true[:, 4] |= 2
    found = np.zeros((4, 10), np.uint8)
    found[:, 1:7] |= 1
    found[:2, 4] |= 2
    own = metric.update(Lanes(found), LaneLabels(true))
    assert own == {"IoU": pytest.approx((16 / 28 + 2 / 4) / 2)}
    # A second image, in which nobody looked for lines.
    metric.update(Lanes(np.full((4, 10), 2, np.uint8)), LaneLabels(np.zeros((4, 10), np.uint8), np.array([True, False])))
    scores = metric.compute()
    assert scores["per_class"]["drivable"] == {"IoU": pytest.approx(16 / 28), "F1": pytest.approx(32 / 44)}
    assert scores["per_class"]["line"] == {"IoU": pytest.approx(0.5), "F1": pytest.approx(4 / 6)}
    assert scores["F1"] == pytest.approx((32 / 44 + 4 / 6) / 2)
    with pytest.raises(ValueError, match="expected both in the image's size"):
        metric.update(Lanes(found), LaneLabels(true[:2]))


def test_frames_without_result_or_truth_are_not_scored() -> None:
    lanes, truth = Lanes(np.zeros((2, 2), np.uint8)), LaneLabels(np.zeros((2, 2), np.uint8))
    assert LanesMetric.pair(Scene(2, 2, answers={"lanes": lanes}), Truth()) is None
    assert LanesMetric.pair(Scene(2, 2), Truth(labels={"lanes": truth})) is None
    assert LanesMetric.pair(Scene(2, 2, answers={"lanes": lanes}), Truth(labels={"lanes": truth})) is not None
    assert ClassificationMetric.pair(Scene(2, 2), Truth(labels={"classification": ClassLabels(np.zeros(1, bool))})) is None

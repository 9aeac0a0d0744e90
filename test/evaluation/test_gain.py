# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from mtl_perception.evaluation.gain import multi_task_gain, relative_gain, task_gains

SINGLE = {"detection": {"mAP": 0.4}, "segmentation": {"mIoU": 0.5}, "depth": {"RMSE": 0.5}}


def test_better_is_positive_whatever_the_direction():
    assert relative_gain(0.5, 0.4, "higher") == pytest.approx(0.25)
    assert relative_gain(0.5, 0.4, "lower") == pytest.approx(-0.25)
    assert math.isnan(relative_gain(0.5, 0.0, "lower")) and math.isnan(relative_gain(None, 0.5, "higher"))


def test_delta_m_in_closed_form():
    multi = {"detection": {"mAP": 0.44}, "segmentation": {"mIoU": 0.45}, "depth": {"RMSE": 0.4}}
    assert task_gains(multi, SINGLE) == pytest.approx({"detection": 0.1, "segmentation": -0.1, "depth": 0.2})
    assert multi_task_gain(multi, SINGLE) == pytest.approx((0.1 - 0.1 + 0.2) / 3)
    assert multi_task_gain({"depth": {"RMSE": 0.6}}, SINGLE) == pytest.approx(-0.2)
    assert multi_task_gain(SINGLE, SINGLE) == 0


def test_nothing_in_common_is_no_gain_of_zero():
    with pytest.raises(ValueError, match="no task in common: depth against segmentation"):
        multi_task_gain({"depth": {"RMSE": 1.0}}, {"segmentation": {"mIoU": 0.5}})

# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mtl_perception.core.boxes import box_iou


def test_overlap_counted_by_hand():
    boxes = np.array([[0, 0, 4, 4], [10, 10, 10, 10]], float)
    others = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [4, 0, 8, 4], [10, 10, 10, 10]], float)
    assert box_iou(boxes, others) == pytest.approx(np.array([[1, 8 / 24, 0, 0], [0, 0, 0, 0]]))

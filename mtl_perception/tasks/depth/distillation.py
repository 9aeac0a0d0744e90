# SPDX-License-Identifier: Apache-2.0
"""How far depth is from a teacher's."""

from __future__ import annotations

import math

from mtl_perception.tasks._base import LossTerm
from mtl_perception.tasks._likeness import Lesson


def likeness(lesson: Lesson, min_m: float, max_m: float) -> dict[str, LossTerm]:
    """Absolute difference of the log depth at the canonical focal length, and of the log uncertainty."""
    span = math.log(max_m / min_m)
    difference = span * (lesson.student["z"].float().sigmoid() - lesson.teacher["z"].float().sigmoid()).abs()
    uncertainty = (lesson.student["log_scale"].float() - lesson.teacher["log_scale"].float()).abs()
    free = (~lesson.labelled).float()[:, None, None, None].expand_as(difference)
    count = free.sum()
    return {
        "log_depth": LossTerm((difference * free).sum(), count),
        "uncertainty": LossTerm((uncertainty * free).sum(), count, 0.1),
    }

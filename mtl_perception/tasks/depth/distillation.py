# SPDX-License-Identifier: Apache-2.0
"""Distillation of depth."""

from __future__ import annotations

import math

from mtl_perception.tasks._base import LossTerm
from mtl_perception.tasks._distillation import DistillationBatch


def distillation_loss(batch: DistillationBatch, min_m: float, max_m: float) -> dict[str, LossTerm]:
    """Absolute difference of the log depth at the canonical focal length, and of the log uncertainty."""
    span = math.log(max_m / min_m)
    difference = span * (batch.student["z"].float().sigmoid() - batch.teacher["z"].float().sigmoid()).abs()
    uncertainty = (batch.student["log_scale"].float() - batch.teacher["log_scale"].float()).abs()
    free = (~batch.labelled).float()[:, None, None, None].expand_as(difference)
    count = free.sum()
    return {
        "log_depth": LossTerm((difference * free).sum(), count),
        "uncertainty": LossTerm((uncertainty * free).sum(), count, 0.1),
    }

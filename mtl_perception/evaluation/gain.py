# SPDX-License-Identifier: Apache-2.0
"""How much better one set of scores is than another, as shares: set against set, multi-task against single-task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mtl_perception.evaluation.registry import METRICS
from mtl_perception.tasks import Direction


def relative_gain(value: float | None, baseline: float | None, direction: Direction) -> float:
    """Share by which ``value`` is better than ``baseline``: .1 is 10 % better, -.1 is 10 % worse.

    NaN where one of them is missing or the baseline is 0.
    """
    if value is None or baseline is None or not baseline:
        return math.nan
    change = (value - baseline) / baseline
    return change if direction == "higher" else -change


def task_gains(scores: Mapping[str, Any], baselines: Mapping[str, Any]) -> dict[str, float]:
    """Task → relative gain of its main measure (mAP, mIoU, RMSE), for the tasks that both have; NaN where one of them lacks the measure.

    Args:
        scores: task → measure → value of the multi-task network.
        baselines: the same, each task's from its own single-task network.
    """
    gains = {}
    for task, metric in METRICS.items():
        if task in scores and task in baselines:
            value, baseline = scores[task].get(metric.main), baselines[task].get(metric.main)
            gains[task] = relative_gain(value, baseline, metric.directions[metric.main])
    return gains


def multi_task_gain(scores: Mapping[str, Any], baselines: Mapping[str, Any]) -> float:
    """Δm = (1/T) Σ (−1)^lᵢ (M_m,i − M_b,i)/M_b,i, one measure a task, lᵢ = 1 where lower is better, as a share.

    Source: Maninis, Radosavovic, Kokkinos: Attentive Single-Tasking of Multiple Tasks, CVPR 2019.

    Raises:
        ValueError: no task has scores on both sides.
    """
    gains = task_gains(scores, baselines)
    if not gains:
        raise ValueError(f"no task in common: {', '.join(scores) or 'none'} against {', '.join(baselines) or 'none'}")
    return sum(gains.values()) / len(gains)

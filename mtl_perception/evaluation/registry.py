# SPDX-License-Identifier: Apache-2.0
"""Metrics of the tasks, and of what is made of their answers."""

from mtl_perception.evaluation.boxes_3d import Boxes3DMetric
from mtl_perception.evaluation.tracking import TrackingMetric
from mtl_perception.tasks import METRICS as TASK_METRICS
from mtl_perception.tasks import Direction, Metric

METRICS: dict[str, type[Metric]] = {
    **TASK_METRICS,
    **{metric.task: metric for metric in (Boxes3DMetric, TrackingMetric)},
}
"""Task → its metric, in the order in which tables show them."""

MEASURES: dict[str, dict[str, Direction]] = {task: metric.directions for task, metric in METRICS.items()}
"""Task → measure → "higher" or "lower": which is better."""

# SPDX-License-Identifier: Apache-2.0
"""The tasks that can be scored. A new one is one new module and one line here."""

from mtl_perception.evaluation.boxes_3d import Boxes3DMetric
from mtl_perception.evaluation.classification import ClassificationMetric
from mtl_perception.evaluation.depth import DepthMetric
from mtl_perception.evaluation.detection import DetectionMetric
from mtl_perception.evaluation.lanes import LanesMetric
from mtl_perception.evaluation.metric import Direction, Metric
from mtl_perception.evaluation.segmentation import SegmentationMetric
from mtl_perception.evaluation.tracking import TrackingMetric

METRICS: dict[str, type[Metric]] = {
    metric.task: metric
    for metric in (
        DetectionMetric,
        SegmentationMetric,
        DepthMetric,
        ClassificationMetric,
        LanesMetric,
        Boxes3DMetric,
        TrackingMetric,
    )
}
"""Task → its metric, in the order in which tables show them."""

MEASURES: dict[str, dict[str, Direction]] = {task: metric.directions for task, metric in METRICS.items()}
"""Task → measure → "higher" or "lower": which is better."""

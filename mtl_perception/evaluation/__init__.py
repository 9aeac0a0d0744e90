# SPDX-License-Identifier: Apache-2.0
"""How good the network is: the field's usual measures over recorded results or over a live engine."""

from mtl_perception.evaluation.registry import MEASURES, METRICS
from mtl_perception.evaluation.scenes import Evaluation, FrameScores, SceneEvaluator, evaluate_engine
from mtl_perception.tasks import Metric, Truth
from mtl_perception.tasks.depth.metric import DepthMetric
from mtl_perception.tasks.detection.metric import DetectionMetric
from mtl_perception.tasks.segmentation.metric import SegmentationMetric

__all__ = [
    "MEASURES",
    "METRICS",
    "DepthMetric",
    "DetectionMetric",
    "Evaluation",
    "FrameScores",
    "Metric",
    "SceneEvaluator",
    "SegmentationMetric",
    "Truth",
    "evaluate_engine",
]

# SPDX-License-Identifier: Apache-2.0
"""How good the network is: the field's usual measures over recorded results or over a live engine."""

from mtl_perception.evaluation.depth import DepthMetric
from mtl_perception.evaluation.detection import DetectionMetric
from mtl_perception.evaluation.metric import Metric
from mtl_perception.evaluation.registry import MEASURES, METRICS
from mtl_perception.evaluation.scenes import Evaluation, FrameScores, SceneEvaluator, evaluate_engine
from mtl_perception.evaluation.segmentation import SegmentationMetric
from mtl_perception.evaluation.truth import Truth

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

# SPDX-License-Identifier: Apache-2.0
"""How good the network is: the field's usual measures over recorded results or over a live engine."""

from mtl_perception.evaluation.depth import DepthMetric
from mtl_perception.evaluation.detection import DetectionMetric
from mtl_perception.evaluation.scenes import Evaluation, FrameScores, SceneEvaluator, Truth, evaluate_engine
from mtl_perception.evaluation.segmentation import SegmentationMetric

__all__ = [
    "DepthMetric",
    "DetectionMetric",
    "Evaluation",
    "FrameScores",
    "SceneEvaluator",
    "SegmentationMetric",
    "Truth",
    "evaluate_engine",
]

# SPDX-License-Identifier: Apache-2.0
"""Postprocessing from ``Scene`` to published results: thresholds, class-agnostic NMS, 3D boxes, tracks; used by node, replay, evaluation and
reports alike."""

from mtl_perception.pipeline.options import PipelineOptions, TrackingOptions
from mtl_perception.pipeline.pipeline import FramePipeline, Postprocessor, published, published_detections
from mtl_perception.pipeline.result import FrameResult, KnownPlacement, Placement, Tracks
from mtl_perception.pipeline.selection import Selection

__all__ = [
    "FramePipeline",
    "FrameResult",
    "KnownPlacement",
    "PipelineOptions",
    "Placement",
    "Postprocessor",
    "Selection",
    "TrackingOptions",
    "Tracks",
    "published",
    "published_detections",
]

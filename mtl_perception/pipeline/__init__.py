# SPDX-License-Identifier: Apache-2.0
"""From a scene to what is published: thresholds, class-agnostic NMS, 3D boxes, tracks. One way for the node, replay, scores and pictures."""

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

# SPDX-License-Identifier: Apache-2.0
"""Options of the postprocessing."""

from __future__ import annotations

from dataclasses import dataclass

from mtl_perception.core.scene import AGNOSTIC_NMS_IOU, SCORE_THRESHOLD
from mtl_perception.pipeline.selection import Selection
from mtl_perception.tracking import TrackerSettings


@dataclass(frozen=True)
class TrackingOptions:
    """Options of the tracker; ``TrackerSettings`` explains them.

    Attributes:
        low_score: least score of detections that continue tracks, also below ``score_threshold``.
        begin_score: least score of detections that start tracks, if they are published.
        confirm_hits: consecutive frames with a detection before a new track gets an id.
        keep_s: how long a track without detections is kept, seconds.
        gallery_s: how long a track that was at rest can be re-identified at its place, seconds; 0: not at all.
        appearance: weight of the difference in appearance; 0: appearance is not compared.
    """

    low_score: float = TrackerSettings.low_score
    begin_score: float = TrackerSettings.begin_score
    confirm_hits: int = TrackerSettings.confirm_hits
    keep_s: float = TrackerSettings.keep_s
    gallery_s: float = TrackerSettings.gallery_s
    appearance: float = TrackerSettings.appearance


DEPTH_SOURCES = ("network", "camera", "fused")
"""Sources of depth: the network, a depth sensor, or both."""


DEPTH_SCALES = ("none", "floor", "points", "sizes")
"""Sources of the scale factor of depth: none, the floor at a known height, measured points, or typical sizes of objects."""

FLOOR = "floor"
"""Segmentation class that lies at the height of the ground frame."""


@dataclass(frozen=True)
class PipelineOptions:
    """
    Attributes:
        score_threshold: least score of a published detection.
        agnostic_nms_iou: IoU above which the weaker of two boxes is suppressed, whatever their classes; 1: none is.
        flat_labels: detection classes of flat objects, whose 3D boxes are not extended to a hidden far side.
        tracking: None: no tracks.
        selection: filters of the detections.
        depth_source: one of ``DEPTH_SOURCES``; without a measurement the network's depth is used.
        depth_scale: one of ``DEPTH_SCALES``; for the network's depth, if there is no measurement.
    """

    score_threshold: float = SCORE_THRESHOLD
    agnostic_nms_iou: float = AGNOSTIC_NMS_IOU
    flat_labels: tuple[str, ...] = ("door", "window")
    tracking: TrackingOptions | None = None
    selection: Selection = Selection()
    depth_source: str = "network"
    depth_scale: str = "none"

    def __post_init__(self) -> None:
        if self.depth_source not in DEPTH_SOURCES:
            raise ValueError(f"depth_source is {self.depth_source!r}, expected one of: {', '.join(DEPTH_SOURCES)}")
        if self.depth_scale not in DEPTH_SCALES:
            raise ValueError(f"depth_scale is {self.depth_scale!r}, expected one of: {', '.join(DEPTH_SCALES)}")

    @property
    def least_score(self) -> float:
        """Least score that the engine must report: tracks are continued by detections that are too weak to be published."""
        scores = [self.score_threshold, *(score for _, score in self.selection.thresholds)]
        return min(scores if self.tracking is None else [*scores, self.tracking.low_score])

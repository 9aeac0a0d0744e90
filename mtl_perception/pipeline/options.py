# SPDX-License-Identifier: Apache-2.0
"""Options between the network and what is published."""

from __future__ import annotations

from dataclasses import dataclass

from mtl_perception.core.scene import AGNOSTIC_NMS_IOU, SCORE_THRESHOLD
from mtl_perception.pipeline.selection import Selection
from mtl_perception.tracking import TrackerSettings


@dataclass(frozen=True)
class TrackingOptions:
    """How identities are kept.

    Attributes:
        low_score: detections from here on, though not published below ``score_threshold``, continue tracks.
        begin_score: detections from here on begin tracks, if they are published.
        confirm_hits: successive frames in which a new object must be seen to get an id.
        keep_s: how long an object out of sight is followed, seconds.
        gallery_s: how long its place is remembered where it was at rest; what comes back there has the old id. 0: not at all.
        appearance: how much it counts that two look different, see ``TrackerSettings``; 0: looks are not compared.
    """

    low_score: float = TrackerSettings.low_score
    begin_score: float = TrackerSettings.begin_score
    confirm_hits: int = TrackerSettings.confirm_hits
    keep_s: float = TrackerSettings.keep_s
    gallery_s: float = TrackerSettings.gallery_s
    appearance: float = TrackerSettings.appearance


DEPTH_SOURCES = ("network", "camera", "fused")
"""Sources of depth: the network's, what a sensor measured, or both."""


DEPTH_SCALES = ("none", "floor", "points", "sizes")
"""Sources of the factor by which a scene's depth is off: nothing, the floor at a known height, measured points, or usual sizes of objects."""

FLOOR = "floor"
"""Name of the segmentation class whose height is known."""


@dataclass(frozen=True)
class PipelineOptions:
    """
    Attributes:
        score_threshold: least score of a published detection.
        agnostic_nms_iou: of boxes that overlap more the weaker is left out, whatever their classes; 1 never.
        flat_labels: detection classes of objects without depth of their own, whose 3D boxes are left as they look.
        tracking: None: objects have no identity.
        selection: the detections that are wanted.
        depth_source: one of ``DEPTH_SOURCES``; where nothing is measured it is the network's all the same.
        depth_scale: one of ``DEPTH_SCALES``; of the network's depth, where no sensor measured any.
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
        """Returns the lowest score that the engine must report: tracks go on with what is too weak to be published."""
        scores = [self.score_threshold, *(score for _, score in self.selection.thresholds)]
        return min(scores if self.tracking is None else [*scores, self.tracking.low_score])

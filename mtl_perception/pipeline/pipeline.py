# SPDX-License-Identifier: Apache-2.0
"""Engine → thresholds and class-agnostic NMS → 3D boxes → tracks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Detections, Scene
from mtl_perception.pipeline.options import FLOOR, PipelineOptions
from mtl_perception.pipeline.result import FrameResult, KnownPlacement, Lift, Placement, Scale, Tracks
from mtl_perception.spatial.boxes_3d import BoxEstimator
from mtl_perception.spatial.depth_fusion import FusedDepth, fuse, measured_alone
from mtl_perception.spatial.depth_scale import (
    ScaleEvidence,
    ScaleFilter,
    nothing,
    scale_from_floor,
    scale_from_points,
    scale_from_sizes,
    scaled,
)
from mtl_perception.tracking import Tracker, TrackerSettings
from mtl_perception.tracking.appearance import looks


def published(scene: Scene, options: PipelineOptions = PipelineOptions()) -> Scene:
    """``scene`` with ``published_detections``: an engine that runs for average precision or tracking reports weaker ones too."""
    return scene if scene.detections is None else replace(scene, detections=published_detections(scene.detections, options))


def published_detections(found: Detections, options: PipelineOptions = PipelineOptions()) -> Detections:
    """``found``, best first, after filters, thresholds and class-agnostic NMS."""
    strong = is_published(found, options)
    kept = options.selection.of(found.where(strong) if not strong.all() else found).agnostic_nms(options.agnostic_nms_iou)
    return kept.first(options.selection.max_detections or len(kept))


def is_published(found: Detections, options: PipelineOptions) -> np.ndarray:
    """(N,) bool, whether each score reaches the threshold of its class."""
    return found.scores >= options.selection.least_scores(found.class_ids, options.score_threshold)


def _candidates(found: Detections, options: PipelineOptions) -> Detections:
    """Detections after filters and NMS, first those above their threshold, then the weaker ones for tracking, each best first.

    The order matters to NMS: with thresholds per class, a detection that is not published may have a higher score than one that is.
    """
    wanted = options.selection.of(found)
    return wanted.where(np.argsort(~is_published(wanted, options), kind="stable")).agnostic_nms(options.agnostic_nms_iou)


def _published_count(candidates: Detections, options: PipelineOptions) -> int:
    count = int(is_published(candidates, options).sum())
    return min(count, options.selection.max_detections or count)


def _with_measured(scene: Scene, measured_m: np.ndarray, source: str) -> FusedDepth:
    """Measured depth, completed by the network's if ``source`` is "fused" and there is any."""
    if source == "fused" and scene.depth is not None:
        return fuse(measured_m, scene.depth)
    return measured_alone(measured_m)


class Postprocessor:
    """Postprocesses the scenes of one camera. Not thread-safe.

    Args:
        detection_labels: of the model.
        segmentation_labels: of the model.
        options: the first ones.

    Attributes:
        options: may be replaced between frames; tracks continue.
    """

    def __init__(
        self, detection_labels: Sequence[str], segmentation_labels: Sequence[str], options: PipelineOptions = PipelineOptions()
    ) -> None:
        self.options = options
        self._estimate = BoxEstimator(detection_labels, segmentation_labels, options.flat_labels)
        self._tracker: Tracker | None = None
        self._scale = ScaleFilter()
        self._detection_labels = detection_labels
        self._floor_id = list(segmentation_labels).index(FLOOR) if FLOOR in segmentation_labels else None

    def __call__(
        self,
        scene: Scene,
        image_rgb: np.ndarray,
        intrinsics: Intrinsics | None = None,
        stamp_s: float = 0.0,
        placement: Placement = KnownPlacement(),
        measured_m: np.ndarray | None = None,
        points_m: np.ndarray | None = None,
    ) -> FrameResult:
        """Postprocess the next frame of this camera.

        Args:
            scene: the engine's, with detections from ``options.least_score`` on.
            image_rgb: (H, W, 3) uint8, the engine's input; if it is empty, tracking does without appearance.
            intrinsics: of the image's camera; None: no 3D boxes and no scale of depth.
            stamp_s: time of the image, seconds; for tracks.
            placement: of the camera at that time.
            measured_m: (H, W) float32 metres from a depth sensor, registered to the image; NaN, 0 or infinite where unknown.
            points_m: (N, 3) metres in the optical frame, from another sensor such as a laser; for the scale of depth.
        """
        options, fused, scale = self.options, None, None
        if measured_m is not None and options.depth_source != "network":
            fused = _with_measured(scene, measured_m, options.depth_source)
            scene = replace(scene, depth=fused.depth)
        elif options.depth_scale != "none" and scene.depth is not None and intrinsics is not None:
            scale = self._scaled(scene, intrinsics, stamp_s, placement, points_m)
            scene = replace(scene, depth=scaled(scene.depth, scale.factor))
        if scene.detections is not None:
            scene = replace(scene, detections=_candidates(scene.detections, options))
        lift = Lift(self._estimate, scene, intrinsics, placement)
        result = FrameResult(image_rgb, intrinsics, scene, placement, lift, fused=fused, scale=scale)
        if options.tracking is not None and scene.detections is not None:
            result = replace(result, tracks=self._tracked(result, stamp_s))
        if scene.detections is not None:  # those to publish come first, in 3D boxes and track ids too
            scene = replace(scene, detections=scene.detections.first(_published_count(scene.detections, options)))
        return replace(result, scene=scene)

    def _scaled(self, scene: Scene, intrinsics: Intrinsics, stamp_s: float, placement: Placement, points_m: np.ndarray | None) -> Scale:
        evidence = self._evidence(scene, intrinsics, placement, points_m)
        return Scale(self._scale.update(stamp_s, evidence), self._scale.relative_std, evidence)

    def _evidence(self, scene: Scene, intrinsics: Intrinsics, placement: Placement, points_m: np.ndarray | None) -> ScaleEvidence:
        assert scene.depth is not None
        if self.options.depth_scale == "points":
            return (
                nothing("no points are measured at the image's time")
                if points_m is None
                else scale_from_points(scene.depth, intrinsics, points_m)
            )
        if self.options.depth_scale == "sizes":
            if scene.detections is None:
                return nothing("detection does not run")
            return scale_from_sizes(scene.depth, scene.detections, self._detection_labels, intrinsics)
        if self._floor_id is None or scene.segmentation is None:
            return nothing(f"the model has no segmentation class {FLOOR!r}" if self._floor_id is None else "segmentation does not run")
        pose = placement.ground_pose
        if pose is None:
            return nothing("the camera's height is not known")
        return scale_from_floor(scene.depth, scene.segmentation, self._floor_id, intrinsics, pose[2, :3], float(pose[2, 3]))

    def _tracked(self, result: FrameResult, stamp_s: float) -> Tracks:
        options, found, boxes_3d = self.options, result.scene.detections, result.boxes_3d
        assert options.tracking is not None and found is not None
        settings = TrackerSettings(
            high_score=options.score_threshold,
            low_score=min(options.tracking.low_score, options.score_threshold),
            begin_score=options.tracking.begin_score,
            confirm_hits=options.tracking.confirm_hits,
            keep_s=options.tracking.keep_s,
            gallery_s=options.tracking.gallery_s,
            appearance=options.tracking.appearance,
        )
        if self._tracker is None:
            self._tracker = Tracker(settings)
        self._tracker.settings = settings
        pose = None if boxes_3d is None else result.placement.camera_pose
        looked = looks(result.image_rgb, found.boxes_xyxy) if settings.appearance > 0 and result.image_rgb.size else None
        tracks = self._tracker.update(stamp_s, found, boxes_3d, pose, is_published(found, options), looked)
        ids = [""] * len(found)
        for track in tracks:
            if track.is_seen:
                ids[track.detection] = str(track.id)
        return Tracks(tracks, self._tracker.is_in_fixed_frame, ids[: _published_count(found, options)])


class FramePipeline:
    """Engine and postprocessing for the images of one camera, in their order.

    Args:
        engine: a loaded ``Engine``; its score threshold is changed to what ``options`` need.
    """

    def __init__(self, engine: Any, options: PipelineOptions = PipelineOptions()) -> None:
        self.engine = engine
        card = engine.card
        self._postprocess = Postprocessor(card.detection_labels, card.segmentation_labels, options)
        engine.score_threshold = options.least_score

    def __call__(
        self,
        image_rgb: np.ndarray,
        intrinsics: Intrinsics | None = None,
        stamp_s: float = 0.0,
        placement: Placement = KnownPlacement(),
        tasks: Collection[str] | None = None,
        measured_m: np.ndarray | None = None,
    ) -> FrameResult:
        """The result of the next image, (H, W, 3) uint8 RGB; further arguments as for ``Postprocessor``.

        Args:
            tasks: to run; None: all of the network.
        """
        scene = self.engine(image_rgb, intrinsics, tasks)
        return self._postprocess(scene, image_rgb, intrinsics, stamp_s, placement, measured_m)

# SPDX-License-Identifier: Apache-2.0
"""The result of one frame, and where its camera was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.instances import InstanceMasks
from mtl_perception.core.scene import Boxes3D, Scene
from mtl_perception.spatial.boxes_3d import BoxEstimator
from mtl_perception.spatial.depth_fusion import FusedDepth
from mtl_perception.spatial.depth_scale import ScaleEvidence
from mtl_perception.tracking import Track


class Placement(Protocol):
    """The camera's pose at a frame; each property is looked up in TF only when it is used."""

    @property
    def camera_pose(self) -> np.ndarray | None:
        """(4, 4) from the camera's optical frame to a fixed frame whose z points up; None if unknown."""

    @property
    def up(self) -> np.ndarray | None:
        """(3,) unit vector against gravity in the optical frame; None if unknown."""

    @property
    def ground_pose(self) -> np.ndarray | None:
        """(4, 4) from the optical frame to a frame whose z = 0 is the floor; None if unknown."""


@dataclass(frozen=True)
class KnownPlacement:
    """Poses that are known beforehand, such as those of a recorded drive."""

    camera_pose: np.ndarray | None = None
    ground_pose: np.ndarray | None = None

    @property
    def up(self) -> np.ndarray | None:
        return None if self.camera_pose is None else self.camera_pose[2, :3]


@dataclass(frozen=True)
class Tracks:
    """Tracks at one frame.

    Attributes:
        tracks: confirmed tracks by rising id, also those without a detection in this frame.
        is_in_fixed_frame: whether positions are in the fixed frame; otherwise in the camera's optical frame.
        detection_ids: for each of the scene's detections the id of its track; empty if that is not confirmed yet.
    """

    tracks: list[Track]
    is_in_fixed_frame: bool
    detection_ids: Sequence[str]


class Lift:
    """Masks and 3D boxes of a scene's detections, computed when they are first used.

    Args:
        estimate: computes 3D boxes.
        scene, intrinsics, placement: of the frame.
    """

    def __init__(self, estimate: BoxEstimator, scene: Scene, intrinsics: Intrinsics | None, placement: Placement) -> None:
        self._estimate, self._scene, self._intrinsics, self._placement = estimate, scene, intrinsics, placement

    @property
    def masks(self) -> InstanceMasks | None:
        """None without detections, or from a network without instance masks."""
        return self._scene.instance_masks

    @cached_property
    def boxes(self) -> Boxes3D | None:
        """None without detections, depth or calibration."""
        if self._scene.detections is None or self._scene.depth is None or self._intrinsics is None:
            return None
        return self._estimate(self._scene, self._intrinsics, self._placement.up)


@dataclass(frozen=True)
class Scale:
    """
    Attributes:
        factor: by which the network's depth was multiplied; 1 before the first estimate.
        relative_std: of the factor; infinite before the first estimate.
        evidence: of this frame alone.
    """

    factor: float
    relative_std: float
    evidence: ScaleEvidence


@dataclass(frozen=True)
class FrameResult:
    """One frame and its results.

    Attributes:
        image_rgb: (H, W, 3) uint8, rectified if the camera's images are.
        intrinsics: of the camera; None if unknown.
        scene: with the detections that are published.
        placement: of the camera.
        tracks: None without tracking or detections.
        fused: source and uncertainty of the scene's depth, if a sensor measured some.
        scale: of the scene's depth, if ``depth_scale`` asks for it.
    """

    image_rgb: np.ndarray
    intrinsics: Intrinsics | None
    scene: Scene
    placement: Placement
    lift: Lift = field(repr=False)
    tracks: Tracks | None = None
    fused: FusedDepth | None = None
    scale: Scale | None = None

    @property
    def masks(self) -> InstanceMasks | None:
        """Of the scene's detections; None without detections, or from a network without instance masks."""
        masks, found = self.lift.masks, self.scene.detections
        return None if masks is None or found is None else masks.first(len(found))

    @property
    def boxes_3d(self) -> Boxes3D | None:
        """Of the scene's detections, in the camera's optical frame; None without detections, depth or calibration."""
        boxes, found = self.lift.boxes, self.scene.detections
        if boxes is None or found is None:
            return None
        return boxes if len(boxes) == len(found) else boxes.first(len(found))

# SPDX-License-Identifier: Apache-2.0
"""One frame as it is published."""

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
    """Where the camera was; each is looked up when it is asked for, and not before."""

    @property
    def camera_pose(self) -> np.ndarray | None:
        """(4, 4) from the camera's optical frame to one that does not move and whose z points up; None where unknown."""

    @property
    def up(self) -> np.ndarray | None:
        """(3,) direction against gravity in the optical frame; None where unknown."""

    @property
    def ground_pose(self) -> np.ndarray | None:
        """(4, 4) from the optical frame to one whose z = 0 is the floor; None where unknown."""


@dataclass(frozen=True)
class KnownPlacement:
    """Poses at hand, as those of a recorded drive."""

    camera_pose: np.ndarray | None = None
    ground_pose: np.ndarray | None = None

    @property
    def up(self) -> np.ndarray | None:
        return None if self.camera_pose is None else self.camera_pose[2, :3]


@dataclass(frozen=True)
class Tracks:
    """Tracks at one frame.

    Attributes:
        tracks: the confirmed ones by rising id, also those out of sight.
        is_in_fixed_frame: whether their positions are in the fixed frame; else in the camera's optical frame.
        detection_ids: for each of the scene's detections the id of its track as text; empty for one not confirmed yet.
    """

    tracks: list[Track]
    is_in_fixed_frame: bool
    detection_ids: Sequence[str]


class Lift:
    """The masks and the 3D boxes of a scene's detections, made when somebody first asks.

    Args:
        estimate: makes them.
        scene, intrinsics, placement: of the frame.
    """

    def __init__(self, estimate: BoxEstimator, scene: Scene, intrinsics: Intrinsics | None, placement: Placement) -> None:
        self._estimate, self._scene, self._intrinsics, self._placement = estimate, scene, intrinsics, placement

    @property
    def masks(self) -> InstanceMasks | None:
        """None without detections, or from a network without masks of objects."""
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
        factor: by which the network's depth was multiplied; 1 as long as nothing is known.
        relative_std: of the factor; infinite as long as nothing is known.
        evidence: what this frame told.
    """

    factor: float
    relative_std: float
    evidence: ScaleEvidence


@dataclass(frozen=True)
class FrameResult:
    """One frame and what is published of it.

    Attributes:
        image_rgb: (H, W, 3) uint8, rectified if the camera is to be.
        intrinsics: of the camera; None where not known.
        scene: with the detections that are published.
        placement: where the camera was.
        tracks: if objects are tracked.
        fused: how the scene's depth came about, where a sensor measured some.
        scale: what this frame told of the factor that the scene's depth was multiplied by, if it was asked for.
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
        """Of the scene's detections; None without detections, or from a network without masks of objects."""
        masks, found = self.lift.masks, self.scene.detections
        return None if masks is None or found is None else masks.first(len(found))

    @property
    def boxes_3d(self) -> Boxes3D | None:
        """Of the scene's detections, in the camera's optical frame; None without detections, depth or calibration."""
        boxes, found = self.lift.boxes, self.scene.detections
        if boxes is None or found is None:
            return None
        return boxes if len(boxes) == len(found) else boxes.first(len(found))

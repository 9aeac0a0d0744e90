# SPDX-License-Identifier: Apache-2.0
"""The exact 3D box of every object in a built world: in the room, and as a camera sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtl_perception.core.rotation import quaternion_xyzw
from mtl_perception.simulation.meshes import Mesh, rotation_z

if TYPE_CHECKING:
    from mtl_perception.simulation.camera import Pose
    from mtl_perception.simulation.world import Spot


@dataclass(frozen=True)
class ObjectBox:
    """The tight box around an object: z up, and of what stands upright in the axes that it was built in.

    Attributes:
        center_m: (3,) metres in the room.
        size_m: (3,) metres along the box's own axes.
        yaw: radians about the vertical.
    """

    center_m: np.ndarray
    size_m: np.ndarray
    yaw: float

    def moved(self, spot: Spot) -> ObjectBox:
        """The box of the same object after the frame that it stands in was moved to ``spot``."""
        center_m = rotation_z(spot.yaw) @ self.center_m + (spot.x, spot.y, spot.z)
        return ObjectBox(center_m, self.size_m, self.yaw + spot.yaw)


def object_box(meshes: Iterable[Mesh], spot: Spot) -> ObjectBox:
    """The box of an object whose ``meshes``, in its own frame, are put at ``spot``, upright or fallen over."""
    tilted = [mesh if spot.tilt is None else mesh.rotated(spot.tilt) for mesh in meshes]
    corners = [corner for mesh in tilted for corner in (mesh.vertices.min(0), mesh.vertices.max(0))]
    low, high = np.min(corners, 0), np.max(corners, 0)
    return ObjectBox((low + high) / 2, high - low, 0.0).moved(spot)


def camera_box(box: ObjectBox, camera: Pose) -> dict[str, list[float]]:
    """The box in the camera's optical frame, as the data format holds it: its own z axis points up.

    Args:
        camera: pose of the optical frame in the room.
    """
    center_m = camera.rotation.T @ (box.center_m - camera.position)
    return {
        "center_m": [round(float(value), 4) for value in center_m],
        "size_m": [round(float(value), 4) for value in box.size_m],
        "quaternion_xyzw": [round(float(value), 6) for value in quaternion_xyzw(camera.rotation.T @ rotation_z(box.yaw))],
    }

# SPDX-License-Identifier: Apache-2.0
"""3D boxes in other frames, and as what draws them wants them."""

from __future__ import annotations

import numpy as np

from mtl_perception.core.rotation import quaternion_xyzw, rotation_matrix
from mtl_perception.core.scene import Boxes3D

_ABOVE_M = 0.06


def boxes_seen_from(boxes: Boxes3D, pose: np.ndarray) -> Boxes3D:
    """The same boxes in another frame.

    Args:
        pose: (4, 4) from the boxes' frame to the other one.
    """
    turn, shift = pose[:3, :3], pose[:3, 3]
    turned = quaternion_xyzw(turn @ rotation_matrix(boxes.quaternions_xyzw))
    identity = np.broadcast_to([0.0, 0.0, 0.0, 1.0], turned.shape)
    return Boxes3D(
        boxes.centers_m @ turn.T + shift,
        boxes.sizes_m,
        np.where(boxes.valid[:, None], turned, identity),
        turn @ boxes.center_covariances_m2 @ turn.T,
        boxes.valid,
    )


def box_corners(boxes: Boxes3D) -> np.ndarray:
    """(N, 8, 3) metres. Corner number i is on the high side of x, y, z where bit 0, 1, 2 of i is set."""
    signs = np.array([[(corner >> axis & 1) - 0.5 for axis in range(3)] for corner in range(8)])
    own = signs[None] * boxes.sizes_m[:, None]
    return boxes.centers_m[:, None] + own @ rotation_matrix(boxes.quaternions_xyzw).transpose(0, 2, 1)


def places_above(boxes: Boxes3D, *, is_level: bool) -> np.ndarray:
    """(N, 3) metres: a little above each box, where its name may stand.

    Args:
        is_level: the boxes' third axis points up; otherwise their second points down, as in a camera that stands level.
    """
    own = np.zeros((len(boxes), 3))
    axis, sign = (2, 1.0) if is_level else (1, -1.0)
    own[:, axis] = sign * (boxes.sizes_m[:, axis] / 2 + _ABOVE_M)
    return boxes.centers_m + (rotation_matrix(boxes.quaternions_xyzw) @ own[:, :, None])[:, :, 0]


BOX_EDGES = tuple((corner, corner | bit) for bit in (1, 2, 4) for corner in range(8) if not corner & bit)
"""The twelve pairs of corners that an edge joins."""

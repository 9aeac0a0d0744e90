# SPDX-License-Identifier: Apache-2.0
"""The 3D box of an object in a built world, against the object's rendered depth and against known numbers."""

import numpy as np
import pytest

from mtl_perception.core.rotation import rotation_matrix
from mtl_perception.simulation.boxes_3d import camera_box, object_box
from mtl_perception.simulation.camera import look_at
from mtl_perception.simulation.meshes import box, rotation_x
from mtl_perception.simulation.world import Spot


def corners(size_m) -> np.ndarray:
    return np.array(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5])).reshape(3, -1).T * size_m


def test_box_of_a_object_of_two_parts_that_was_turned_and_moved() -> None:
    found = object_box([box(0.4, 0.2, 0.1), box(0.1, 0.1, 0.3).moved(0.25, 0.0, 0.1)], Spot(2.0, 3.0, 0.7, np.pi / 2))
    np.testing.assert_allclose(found.size_m, (0.5, 0.2, 0.4))
    np.testing.assert_allclose(found.center_m, (2.0, 3.05, 0.9))
    assert found.yaw == pytest.approx(np.pi / 2)


def test_camera_box_says_where_every_corner_is() -> None:
    """Also the corners, not only the middle: a wrong rotation would turn them elsewhere."""
    spot, camera = Spot(1.0, -0.5, 0.2, 0.6), look_at(np.array([-1.5, 0.4, 1.1]), np.array([1.0, -0.5, 0.3]), 0.05)
    mesh = box(0.4, 0.2, 0.3)
    told = camera_box(object_box([mesh], spot), camera)
    rotation = rotation_matrix(np.array(told["quaternion_xyzw"]))
    found = corners(told["size_m"]) @ rotation.T + told["center_m"]
    in_room = mesh.turned(spot.yaw).moved(spot.x, spot.y, spot.z).vertices
    expected = (in_room - camera.position) @ camera.rotation
    distance = np.linalg.norm(found[:, None] - expected[None], axis=2)
    assert distance.min(0).max() < 1e-3 and distance.min(1).max() < 1e-3
    up = camera.rotation.T @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(rotation[:, 2], up, atol=1e-5)


def test_box_of_what_has_fallen_over_still_stands_on_its_z() -> None:
    """A post of 0.6 m that lies on its side is 0.6 m long and 0.1 m high."""
    fallen = Spot(1.0, 0.0, 0.05, np.pi / 4, tilt=rotation_x(np.pi / 2))
    found = object_box([box(0.1, 0.1, 0.6)], fallen)
    np.testing.assert_allclose(found.size_m, (0.1, 0.6, 0.1), atol=1e-12)
    mesh = fallen.place(box(0.1, 0.1, 0.6))
    np.testing.assert_allclose(found.center_m, (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2, atol=1e-12)
    assert found.yaw == pytest.approx(np.pi / 4)

# SPDX-License-Identifier: Apache-2.0
"""Boxes in other frames, and in pictures."""

import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.rotation import quaternion_xyzw, rotation_matrix
from mtl_perception.core.scene import Boxes3D
from mtl_perception.spatial.frames import BOX_EDGES, box_corners, boxes_seen_from, places_above
from mtl_perception.spatial.picture import Viewpoint, draw_boxes, draw_cloud
from mtl_perception.spatial.points import POINT

OPTICAL_TO_BODY = np.array([[0, 0, 1, 0.2], [-1, 0, 0, 0.1], [0, -1, 0, 1.0], [0, 0, 0, 1.0]])
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def boxes() -> Boxes3D:
    """One that stands upright before a level camera, one that is none."""
    return Boxes3D(
        np.array([[0.5, 0.25, 2.0], [np.nan] * 3]),
        np.array([[0.4, 0.2, 0.6], [0.0] * 3]),
        np.stack([quaternion_xyzw(UPRIGHT), [0.0, 0.0, 0.0, 1.0]]),
        np.stack([np.diag([0.01, 0.02, 0.09]), np.full((3, 3), np.nan)]),
        np.array([True, False]),
    )


def test_boxes_in_the_robots_frame():
    moved = boxes_seen_from(boxes(), OPTICAL_TO_BODY)
    np.testing.assert_allclose(moved.centers_m[0], (2.2, -0.4, 0.75))
    np.testing.assert_allclose(moved.center_covariances_m2[0], np.diag([0.09, 0.01, 0.02]))
    np.testing.assert_allclose(rotation_matrix(moved.quaternions_xyzw[0])[:, 2], (0, 0, 1), atol=1e-12)  # a pure yaw
    np.testing.assert_array_equal(moved.sizes_m, boxes().sizes_m)
    np.testing.assert_array_equal(moved.quaternions_xyzw[1], [0, 0, 0, 1])


def test_corners_and_edges():
    corners = box_corners(boxes())[0]
    np.testing.assert_allclose(corners.min(0), (0.3, -0.05, 1.9))
    np.testing.assert_allclose(corners.max(0), (0.7, 0.55, 2.1))
    lengths = sorted(round(float(np.linalg.norm(corners[a] - corners[b])), 6) for a, b in BOX_EDGES)
    assert lengths == [0.2] * 4 + [0.4] * 4 + [0.6] * 4


def test_names_stand_above():
    x, y, z = places_above(boxes(), is_level=True)[0]
    assert (x, z) == (0.5, 2.0) and y < -0.05  # y points down
    lying = Boxes3D(np.zeros((1, 3)), np.ones((1, 3)), np.array([[0, 0, 0, 1.0]]), np.zeros((1, 3, 3)), np.ones(1, bool))
    assert places_above(lying, is_level=False)[0, 1] < -0.5


def cloud(*points: tuple[float, float, float, int]) -> np.ndarray:
    values = np.zeros((1, len(points)), POINT)
    for number, (x, y, z, rgb) in enumerate(points):
        values[0, number] = (x, y, z, np.array(rgb, np.uint32).view(np.float32), 0)
    return values


@pytest.fixture
def view() -> Viewpoint:
    """From one metre before the origin, looking along z, y down."""
    return Viewpoint(np.array([0, 0, -1.0]), np.zeros(3), np.array([0, -1.0, 0]), Intrinsics(80, 60, 40.0, 40.0, 40.0, 30.0))


def test_near_points_cover_far_ones_and_those_behind_the_eye_are_not_drawn(view):
    points = cloud((0, 0, 0, 0xFF0000), (0, 0, 1, 0x00FF00), (0.5, 0.25, 0, 0x0000FF), (0, 0.5, -3, 0xFFFFFF))
    picture = draw_cloud(points, view, 1)
    assert picture[30, 40].tolist() == [255, 0, 0]
    assert picture[40, 60].tolist() == [0, 0, 255]
    background = picture[0, 0]
    assert (picture != background).any(-1).sum() == 2


def test_points_without_depth_and_beside_the_picture_are_left_out(view):
    picture = draw_cloud(cloud((np.nan, np.nan, np.nan, 0xFF0000), (90, 0, 0, 0xFF0000)), view)
    assert (picture == picture[0, 0]).all()


def test_a_box_is_drawn_where_it_is(view):
    canvas = np.zeros((60, 80, 3), np.uint8)
    box = Boxes3D(np.array([[0, 0, 0.0]]), np.full((1, 3), 0.4), quaternion_xyzw(UPRIGHT[None]), np.zeros((1, 3, 3)), np.ones(1, bool))
    draw_boxes(canvas, box, ["cup"], view, is_level=True)
    bright = np.nonzero(canvas.max(-1) > 100)  # without the seams of anti-aliased lines
    assert (bright[1].max(), bright[0].max()) == (50, 40)  # the near face: 0.2 m at 0.8 m and a focal length of 40
    behind = Boxes3D(np.array([[0, 0, -1.0]]), box.sizes_m, box.quaternions_xyzw, box.center_covariances_m2, box.valid)
    empty = np.zeros((60, 80, 3), np.uint8)
    draw_boxes(empty, behind, ["cup"], view, is_level=True)
    assert not empty.any()

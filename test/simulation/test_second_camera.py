# SPDX-License-Identifier: Apache-2.0
"""A depth camera beside the colour camera, in rendered rooms: its depth registered here against the renderer's own, and depth that is not
registered told from depth that is."""

import numpy as np
import pytest

from mtl_perception.simulation.camera import Pose, intrinsics
from mtl_perception.simulation.views import choose_view
from mtl_perception.spatial.depth_alignment import AlignmentCheck
from mtl_perception.spatial.depth_registration import register_depth

pytestmark = pytest.mark.render
PLACES = ("kitchen", "living room")


def beside(pose: Pose, shift_m=(0.05, 0.01, 0.0)) -> tuple[Pose, np.ndarray]:
    """A sensor so far to the right, down and ahead of the camera, turned by two degrees; and (4, 4) from its frame to the camera's."""
    angle = np.radians(2)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    to_camera = np.eye(4)
    to_camera[:3, :3], to_camera[:3, 3] = turn, shift_m
    return Pose(pose.position + pose.rotation @ np.array(shift_m), pose.rotation @ turn), to_camera


def views(renderer, built, place: str, count: int):
    room, world = built(place)
    renderer.load(world)
    draw = np.random.default_rng(5)
    for _ in range(count):
        _, pose = choose_view(draw, room, renderer)
        yield pose


@pytest.mark.parametrize(  # pixels of the second are 2.2 times as wide as the camera's: edges are as coarse
    ("sensor_size", "least_right"), [((160, 120), 0.9), ((106, 80), 0.85), ((320, 240), 0.93)]
)
@pytest.mark.parametrize("place", PLACES)
def test_depth_from_beside_is_what_the_camera_would_have_measured(
    renderer, built, place: str, sensor_size: tuple[int, int], least_right: float
) -> None:
    camera, sensor = intrinsics(160, 120, 65.0), intrinsics(*sensor_size, 80.0)
    for pose in views(renderer, built, place, 4):
        truth_m = renderer.labels(camera, pose)[2].copy()
        other, to_camera = beside(pose)
        measured_m = renderer.labels(sensor, other)[2].copy()
        found_m = register_depth(measured_m, sensor, camera, to_camera)
        assert found_m.shape == truth_m.shape and found_m.dtype == np.float32
        known = found_m > 0
        assert known.mean() > 0.85
        error = np.abs(found_m - truth_m)[known] / truth_m[known]
        assert np.median(error) < 0.008 and (error < 0.03).mean() > least_right
        unregistered = np.abs(measured_m - truth_m) / truth_m if sensor_size == (160, 120) else np.ones(1)
        assert np.median(unregistered) > 0.01


def test_the_nearer_object_hides_the_farther_and_what_nobody_saw_stays_unknown() -> None:
    camera = intrinsics(160, 120, 60.0)
    wall_m = np.full((120, 160), 4.0, np.float32)
    wall_m[40:80, 60:90] = 1.0
    to_camera = np.eye(4)
    to_camera[0, 3] = 0.1
    found_m = register_depth(wall_m, camera, camera, to_camera)
    move = 0.1 * camera.fx
    box = np.s_[45:75, round(62 + move) : round(88 + move)]
    np.testing.assert_allclose(found_m[box], 1.0)
    shadow = found_m[45:75, round(60 + move / 4) + 2 : round(60 + move) - 2]
    assert shadow.size and (shadow == 0).all()
    wall_m[:, :30] = np.nan
    wall_m[:, 30:40] = np.inf
    again_m = register_depth(wall_m, camera, camera, to_camera)
    assert np.isfinite(again_m).all() and (again_m[:, : 40 + round(move / 4) - 1] == 0).all()
    behind = np.eye(4)
    behind[2, 3] = -10
    assert (register_depth(wall_m, camera, camera, behind) == 0).all()


@pytest.mark.parametrize("place", PLACES)
def test_depth_that_is_not_registered_is_told_from_depth_that_is(renderer, built, place: str) -> None:
    camera, sensor = intrinsics(160, 120, 65.0), intrinsics(160, 120, 65.0)
    good, bad, ours = AlignmentCheck(), AlignmentCheck(), AlignmentCheck()
    for pose in views(renderer, built, place, 16):
        image_rgb, depth_m = renderer.picture(camera, pose), renderer.labels(camera, pose)[2].copy()
        other, to_camera = beside(pose, (0.06, 0.0, 0.0))
        measured_m = renderer.labels(sensor, other)[2].copy()
        good.add(image_rgb, depth_m)
        bad.add(image_rgb, measured_m)
        ours.add(image_rgb, register_depth(measured_m, sensor, camera, to_camera))
    assert good.problem == ours.problem == ""
    assert "is it registered to this camera?" in bad.problem

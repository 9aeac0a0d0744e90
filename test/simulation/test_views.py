# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import numpy as np
import pytest

from mtl_perception.simulation.boxes_3d import object_box
from mtl_perception.simulation.camera import draw_kind, look_at, random_pose
from mtl_perception.simulation.labels import SMALL_LABELS
from mtl_perception.simulation.meshes import box
from mtl_perception.simulation.room import PLACES
from mtl_perception.simulation.views import choose_view, visible_objects
from mtl_perception.simulation.world import Spot


def test_boxes_are_tight_and_what_hardly_shows_is_left_out():
    instance = np.zeros((60, 80), np.int32)
    instance[10:20, 30:50] = 1
    instance[15, 60] = 1  # a second visible piece of the same object
    instance[40:44, 5:11] = 2  # 24 pixels: too few
    instance[50:53, 20:60] = 3  # 3 pixels high: too thin
    instance[30:35, 70:80] = 4  # touches the border
    cube = object_box([box(0.1, 0.1, 0.1)], Spot(2.0, 0.0))
    world = SimpleNamespace(
        instance_labels=("", "chair", "cup", "cup", "cup"),
        instance_parent=np.zeros(5, np.int32),
        instance_boxes=(None, *[cube] * 4),
    )
    objects = visible_objects(instance, world, look_at(np.zeros(3), np.array([1.0, 0.0, 0.0])))
    assert {number: (obj.label, tuple(obj.box_xyxy)) for number, obj in objects.items()} == {
        1: ("chair", (30, 10, 61, 20)), 4: ("cup", (70, 30, 80, 35)),
    }  # fmt: skip
    assert objects[1].mask.sum() == 201
    assert objects[1].box_3d["center_m"] == pytest.approx([0.0, -0.05, 2.0])


@pytest.mark.parametrize("place", PLACES)
def test_cameras_stand_in_the_room_at_a_robots_height(built, place):
    (room, _), rng = built(place), np.random.default_rng(1)
    for _ in range(60):
        pose = random_pose(rng, room, draw_kind(rng))
        x, y, z = pose.position
        assert abs(x) < room.half_x
        assert abs(y) < room.half_y
        assert 0.2 <= z <= 1.7
        assert np.allclose(pose.rotation.T @ pose.rotation, np.eye(3))
        assert np.linalg.det(pose.rotation) == pytest.approx(1)
        assert pose.rotation[2, 1] < 0  # the image's down is down in the room


def test_many_views_show_small_objects_large(renderer, built):
    """Three or more of at least 20 pixels at 384 × 288, in two views of five and more."""
    rich, fields_deg = [], []
    for place in PLACES:
        room, world = built(place)
        renderer.load(world)
        rng = np.random.default_rng(4)
        for _ in range(8):
            camera, pose = choose_view(rng, room, renderer)
            fields_deg.append(2 * np.degrees(np.arctan(camera.width / 2 / camera.fx)))
            _, instance, _ = renderer.labels(camera, pose)
            masks = (instance == n for n in np.unique(instance) if world.instance_labels[n] in SMALL_LABELS)
            spans = (max(np.ptp(axis) for axis in np.nonzero(mask)) + 1 for mask in masks)
            rich.append(sum(span >= 20 * renderer.width / 384 for span in spans) >= 3)
    assert np.mean(rich) > 0.4
    assert 50 <= min(fields_deg) < 62
    assert 88 < max(fields_deg) <= 100

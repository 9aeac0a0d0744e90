# SPDX-License-Identifier: Apache-2.0
"""The third content: its rooms are deep, and so are its views."""

import mujoco
import numpy as np
import pytest

from mtl_perception.simulation import next_room
from mtl_perception.simulation.camera import stands_free
from mtl_perception.simulation.catalogue import SECOND, THIRD
from mtl_perception.simulation.hand_held import draw_camera
from mtl_perception.simulation.room import THIRD_PLACES, draw_place, furnished_room
from mtl_perception.simulation.textures import plain
from mtl_perception.simulation.views import choose_view
from mtl_perception.simulation.world import Item, Material, Spot, World


def test_its_classes_are_those_of_the_second():
    """So that data sets of both can be trained on together."""
    assert THIRD.labels == SECOND.labels
    assert {draw_place(np.random.default_rng(seed), 3) for seed in range(120)} == set(THIRD_PLACES)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_an_open_plan_office_is_full_of_desks(seed):
    room = furnished_room((41, seed), place="open-plan office", content=3)
    labels = room.world.compile().instance_labels
    assert 8 <= 2 * room.half_y <= 14
    assert labels.count("table") >= 4 and labels.count("chair") >= 3
    assert len(room.monitors) >= 4
    for monitor in room.monitors:
        assert 0.6 < monitor.z - monitor.half_height < 1.0  # on a desk
        assert abs(monitor.x) < room.half_x and abs(monitor.y) < room.half_y


@pytest.mark.parametrize(("place", "least_m"), [("living room", 5), ("kitchen", 5), ("corridor", 10)])
def test_rooms_are_long(built, place, least_m):
    room, _ = built(place, 3)
    assert 2 * room.half_y >= least_m


def open_door() -> Item:
    trim = Material(plain(np.random.default_rng(0), (0.9, 0.9, 0.9)))
    for seed in range(20):
        item = next_room.door(np.random.default_rng(seed), 0.45, 2.05, trim)
        if item.carries:
            return item
    raise AssertionError("of 20 doors none stands open")


def test_behind_an_open_door_is_a_labelled_room():
    world = World(THIRD.labels)
    door = open_door()
    world.add_item(door, Spot(0.0, 0.0))
    built = world.compile()
    names = ["wall", "floor", "ceiling"]
    assert [item.label for item in door.carries][:3] == names
    ids = {THIRD.labels.segmentation_id(name) for name in names}
    seen, far_m = set(), 0.0
    for direction in ([0.0, -1.0, 0.0], [0.0, -1.0, -0.9], [0.0, -1.0, 0.9], [0.25, -1.0, 0.0], [-0.25, -1.0, 0.0]):
        geom, ray = np.zeros(1, np.int32), np.array(direction) / np.linalg.norm(direction)
        distance = mujoco.mj_ray(built.model, built.data, [0.0, -0.2, 1.5], ray, None, 1, -1, geom)
        assert distance > 0
        seen.add(int(built.geom_class[geom[0]]))
        far_m = max(far_m, distance)
    assert ids <= seen
    assert far_m > 1.7


@pytest.mark.parametrize("kind", ["fronts", "over", "along", "through"])
def test_cameras_stand_where_a_person_could(built, kind):
    found = 0
    for place in ("open-plan office", "living room", "corridor"):
        (room, _), rng = built(place, 3), np.random.default_rng(2)
        for _ in range(10):
            drawn = draw_camera(rng, room, kind)
            if drawn is None:
                continue
            hfov_deg, pose = drawn
            found += 1
            assert 42 <= hfov_deg <= 78
            assert 0.65 <= pose.position[2] <= 1.8
            assert stands_free(room, pose.position)
            assert np.allclose(pose.rotation.T @ pose.rotation, np.eye(3))
            assert pose.rotation[2, 1] < 0  # the image's down is down in the room
    assert found >= 10


def test_views_over_desks_show_something_near_and_the_deep_room_behind(built, renderer):
    room, world = built("open-plan office", 3)
    renderer.load(world)
    rng, near, far_m = np.random.default_rng(6), [], []
    for _ in range(8):
        camera, pose = choose_view(rng, room, renderer, "over")
        _, _, depth_m = renderer.labels(camera, pose)
        near.append((depth_m < 1.3).mean() > 0.02)
        far_m.append(np.percentile(depth_m, 95))
    assert np.mean(near) > 0.7
    assert np.median(far_m) > 4.5

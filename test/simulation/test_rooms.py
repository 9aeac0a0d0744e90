# SPDX-License-Identifier: Apache-2.0
import mujoco
import numpy as np
import pytest

from mtl_perception.simulation import textures
from mtl_perception.simulation.camera import random_pose
from mtl_perception.simulation.demo_bag import ROOM_SEED
from mtl_perception.simulation.demo_room import demo_room
from mtl_perception.simulation.drive import RATE_HZ, camera_in_room, drive
from mtl_perception.simulation.labels import SEGMENTATION_LABELS
from mtl_perception.simulation.room import furnished_room


def test_a_seed_gives_one_room():
    first, again, other = (furnished_room(seed).world.compile() for seed in ((4, 1), (4, 1), (4, 2)))
    assert np.array_equal(first.model.mesh_vert, again.model.mesh_vert)
    assert np.array_equal(first.model.tex_data, again.model.tex_data)
    assert np.array_equal(first.geom_instance, again.geom_instance)
    assert first.lamps == again.lamps
    assert first.model.mesh_vert.shape != other.model.mesh_vert.shape


def test_every_class_turns_up_in_a_few_rooms():
    seen = np.zeros(256, bool)
    for index in range(5):
        seen[furnished_room((11, index)).world.compile().geom_class] = True
    missing = [name for i, name in enumerate(SEGMENTATION_LABELS) if not seen[i]]
    assert not missing


def test_rooms_are_closed():
    """No ray from inside gets out."""
    room = furnished_room((5, 2))
    world = room.world.compile()
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(400, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for direction in directions:
        assert (
            mujoco.mj_ray(world.model, world.data, [0, 0, 1.2], direction, None, 1, -1, np.zeros(1, np.int32))
            > 0
        )


@pytest.mark.parametrize("seed", range(3))
def test_random_views_stand_in_the_room_at_a_robots_height(seed):
    room, rng = furnished_room((6, seed)), np.random.default_rng(seed)
    for _ in range(40):
        pose = random_pose(rng, room)
        x, y, z = pose.position
        assert abs(x) < room.half_x
        assert abs(y) < room.half_y
        assert 0.2 < z < 1.7
        assert np.allclose(pose.rotation.T @ pose.rotation, np.eye(3))
        assert np.linalg.det(pose.rotation) == pytest.approx(1)
        assert pose.rotation[2, 1] < 0  # the image's down is down in the room


def test_the_drive_is_smooth_and_hits_nothing():
    room, points = demo_room(ROOM_SEED), drive()
    where = np.array([(p.x, p.y, p.yaw) for p in points])
    velocity = np.diff(where, axis=0) * RATE_HZ
    assert np.hypot(*velocity[:, :2].T).max() < 0.7
    assert np.abs(velocity[:, 2]).max() < np.radians(40)
    assert np.abs(np.diff(velocity, axis=0) * RATE_HZ).max() < 1.0
    for point in points:
        assert not any(o.contains(point.x, point.y, 0.15) for o in room.obstacles if o.height > 0)
        assert camera_in_room(point).position[2] == pytest.approx(1.05)


def test_noise_repeats_without_a_seam():
    field = textures.noise(np.random.default_rng(1), 128, slope=1.5, stretch=8)
    inside = np.abs(np.diff(field, axis=0)).mean()
    seam = np.abs(field[0] - field[-1]).mean()
    assert seam < 2 * inside
    assert field.std() == pytest.approx(1, abs=1e-3)

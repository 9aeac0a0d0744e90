# SPDX-License-Identifier: Apache-2.0
import mujoco
import numpy as np
import pytest

from mtl_perception.simulation.demo_bag import ROOM_SEED
from mtl_perception.simulation.demo_room import demo_room
from mtl_perception.simulation.drive import RATE_HZ, STOPS, camera_in_room, drive
from mtl_perception.simulation.labels import SEGMENTATION_LABELS
from mtl_perception.simulation.mood import draw_mood
from mtl_perception.simulation.returning import ONCE_MORE
from mtl_perception.simulation.room import PLACES, draw_place, furnished_room


@pytest.mark.slow
def test_a_seed_gives_one_room():
    first, again, other = (furnished_room(seed).world.compile() for seed in ((4, 1), (4, 1), (4, 2)))
    assert np.array_equal(first.model.mesh_vert, again.model.mesh_vert)
    assert np.array_equal(first.model.tex_data, again.model.tex_data)
    assert np.array_equal(first.geom_instance, again.geom_instance)
    assert first.lamps == again.lamps
    assert first.model.mesh_vert.shape != other.model.mesh_vert.shape


@pytest.mark.slow
def test_every_class_turns_up_in_a_few_rooms(built):
    seen = np.zeros(256, bool)
    for place in PLACES:
        seen[built(place)[1].geom_class] = True
    missing = [name for i, name in enumerate(SEGMENTATION_LABELS) if not seen[i]]
    assert not missing


def test_every_place_is_drawn_and_has_what_belongs_there(built):
    assert {draw_place(np.random.default_rng(seed)) for seed in range(40)} == set(PLACES)
    for place, label in (
        ("kitchen", "cabinet"),
        ("warehouse", "shelf"),
        ("corridor", "door"),
        ("living room", "table"),
    ):
        room, world = built(place)
        assert room.place == place
        assert label in world.instance_labels


def test_light_follows_the_hour():
    moods = {}
    for index in range(60):
        mood = draw_mood(np.random.default_rng(index))
        moods.setdefault(mood.name, []).append(mood)
    assert set(moods) == {"day", "lamp", "dark"}
    assert min(m.daylight for m in moods["day"]) > max(m.daylight for m in moods["lamp"])
    assert min(m.ambient for m in moods["lamp"]) > max(m.ambient for m in moods["dark"])


@pytest.mark.parametrize("place", PLACES)
def test_rooms_are_closed(built, place):
    """No ray from inside gets out."""
    _, world = built(place)
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for direction in directions:
        assert mujoco.mj_ray(world.model, world.data, [0, 0, 1.2], direction, None, 1, -1, np.zeros(1, np.int32)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("stops", [STOPS, STOPS + ONCE_MORE], ids=["demo", "returning"])
def test_drives_are_smooth_and_hit_nothing(stops):
    room, points = demo_room(ROOM_SEED), drive(stops)
    assert points[-1].time_s == pytest.approx(stops[-1][0] - 1 / RATE_HZ)
    where = np.array([(p.x, p.y, p.yaw) for p in points])
    velocity = np.diff(where, axis=0) * RATE_HZ
    assert np.hypot(*velocity[:, :2].T).max() < 0.7
    assert np.abs(velocity[:, 2]).max() < np.radians(40)
    assert np.abs(np.diff(velocity, axis=0) * RATE_HZ).max() < 1.0
    for point in points:
        assert not any(o.contains(point.x, point.y, 0.15) for o in room.obstacles if o.height > 0)
        assert camera_in_room(point).position[2] == pytest.approx(1.05)

# SPDX-License-Identifier: Apache-2.0
"""The second content: what it labels, and that parts belong to their objects. And the first, which must stay as it is."""

import mujoco
import numpy as np
import pytest

from mtl_perception.simulation.camera import look_at
from mtl_perception.simulation.catalogue import CATALOGUES
from mtl_perception.simulation.labels import FIRST_LABELS, SECOND_LABELS
from mtl_perception.simulation.meshes import box
from mtl_perception.simulation.room import PLACES, SECOND_PLACES, draw_place, furnished_room
from mtl_perception.simulation.textures import plain
from mtl_perception.simulation.views import HAND_HELD, choose_view, visible_objects
from mtl_perception.simulation.world import Detail, Item, Material, Spot, World

PARENTS = {
    "handle": {"cabinet door", "refrigerator door", "door", "cabinet", "table", "refrigerator"},
    "cabinet door": {"cabinet", "table"},
    "refrigerator door": {"refrigerator"},
    "pillow": {"sofa", "bed", "chair"},
}


@pytest.mark.parametrize(
    ("place", "geoms", "instances", "triangles", "middle"),
    [
        ("living room", 98, 46, 14308, (0.3305, 0.9144, 0.6492)),
        ("kitchen", 98, 53, 20864, (-0.3567, 0.7561, 1.0081)),
        ("corridor", 95, 42, 13856, (-0.0886, 2.2348, 0.899)),
        ("warehouse", 224, 154, 39000, (0.1257, 0.2164, 1.2159)),
    ],
)
def test_the_first_content_is_as_it_was(built, place, geoms, instances, triangles, middle):
    """Rooms of published tests must come out again: what is drawn, and in which order, is part of the tests."""
    _, world = built(place)
    assert (world.model.ngeom, len(world.instance_labels) - 1, world.model.nmeshface) == (geoms, instances, triangles)
    assert world.data.geom_xpos.mean(0) == pytest.approx(middle, abs=2e-4)
    assert not world.instance_parent.any()
    assert set(world.instance_labels[1:]) <= set(FIRST_LABELS.detection)


def test_the_second_content_keeps_the_names_and_ids_of_the_first():
    assert SECOND_LABELS.segmentation[: len(FIRST_LABELS.segmentation)] == FIRST_LABELS.segmentation
    assert SECOND_LABELS.detection[: len(FIRST_LABELS.detection)] == FIRST_LABELS.detection


@pytest.mark.slow
def test_every_class_of_the_second_content_turns_up(built):
    assert {draw_place(np.random.default_rng(seed), 2) for seed in range(80)} == set(SECOND_PLACES)
    worlds = [built(place, 2)[1] for place in SECOND_PLACES]
    worlds += [furnished_room((22, 0), place=place, content=2).world.compile() for place in ("living room", "kitchen")]
    seen = set().union(*(world.instance_labels for world in worlds))
    assert not set(SECOND_LABELS.detection) - seen
    ids = np.zeros(256, bool)
    for world in worlds:
        ids[world.geom_class] = True
    assert ids[: len(SECOND_LABELS.segmentation)].all()


@pytest.mark.parametrize("place", SECOND_PLACES)
def test_parts_belong_to_objects_of_the_right_kind(built, place):
    _, world = built(place, 2)
    for number, label in enumerate(world.instance_labels):
        parent = world.instance_parent[number]
        if label in PARENTS and parent:
            assert world.instance_labels[parent] in PARENTS[label]
        else:
            assert parent == 0, label
            assert label not in ("cabinet door", "refrigerator door", "pillow")
    for geom, number in enumerate(world.geom_instance[:-1]):  # the mask shows what the part belongs to
        while world.instance_parent[number]:
            number = world.instance_parent[number]
        label = world.instance_labels[number]
        if label in SECOND_LABELS.segmentation:
            assert world.geom_class[geom] == SECOND_LABELS.segmentation_id(label)


@pytest.mark.parametrize("place", SECOND_PLACES)
@pytest.mark.parametrize("seed", range(2))
def test_rooms_of_the_second_content_are_closed(place, seed):
    """Behind an open door too."""
    world = furnished_room((33, seed), place=place, content=2).world.compile()
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(300, 3))
    for direction in directions / np.linalg.norm(directions, axis=1, keepdims=True):
        hit = mujoco.mj_ray(world.model, world.data, [0, 0, 1.2], direction, None, 1, -1, np.zeros(1, np.int32))
        assert hit > 0


def cabinet() -> Item:
    """A cube with a door with a handle, at y = 0.1 and 0.12 in front of it."""
    stuff = Material(plain(np.random.default_rng(0), (0.5, 0.5, 0.5)))
    handle = Detail("handle", [(box(0.05, 0.02, 0.02).moved(0.0, 0.13, 0.2), stuff)])
    door = Detail("cabinet door", [(box(0.3, 0.02, 0.3).moved(0.0, 0.11, 0.05), stuff)], (handle,))
    return Item("cabinet", [(box(0.4, 0.2, 0.4), stuff)], 0.2, 0.14, 0.4, details=(door,))


def test_a_part_is_an_instance_of_its_own_and_counts_for_its_object():
    world = World(SECOND_LABELS)
    assert world.add_item(cabinet(), Spot(0.0, 0.0)) == 1
    built = world.compile()
    assert built.instance_labels == ("", "cabinet", "cabinet door", "handle")
    assert built.instance_parent.tolist() == [0, 0, 1, 2]
    assert built.instance_boxes[1].size_m == pytest.approx((0.4, 0.24, 0.4))  # with the handle
    assert built.instance_boxes[2].size_m == pytest.approx((0.3, 0.04, 0.3))
    assert set(built.geom_class[:-1]) == {SECOND_LABELS.segmentation_id("cabinet")}


def test_the_first_labels_tell_no_parts_apart():
    world = World(FIRST_LABELS)
    world.add_item(cabinet(), Spot(0.0, 0.0))
    built = world.compile()
    assert built.instance_labels == ("", "cabinet")
    assert built.model.ngeom == 1  # one material, one body


def test_masks_of_objects_hold_those_of_their_parts():
    world = World(SECOND_LABELS)
    world.add_item(cabinet(), Spot(0.0, 0.0))
    instance = np.zeros((40, 40), np.int32)
    instance[5:35, 5:35], instance[8:30, 8:30], instance[10:12, 12:22] = 1, 2, 3
    objects = visible_objects(instance, world.compile(), look_at(np.array([0, 2.0, 1.0]), np.zeros(3)))
    assert {n: (t.label, int(t.mask.sum())) for n, t in objects.items()} == {
        1: ("cabinet", 900), 2: ("cabinet door", 484), 3: ("handle", 20),
    }  # fmt: skip
    assert tuple(objects[3].box_xyxy) == (12, 10, 22, 12)


@pytest.mark.parametrize("kind", HAND_HELD)
def test_people_hold_their_cameras_where_people_do(built, renderer, kind):
    """At most 1.9 m high; tables from above, rooms from where people stand."""
    heights, down_deg = [], []
    for place in ("living room", "kitchen", "office"):
        room, world = built(place, 2)
        renderer.load(world)
        rng = np.random.default_rng(3)
        for _ in range(5):
            _camera, pose = choose_view(rng, room, renderer, kind)
            heights.append(pose.position[2])
            down_deg.append(np.degrees(np.arcsin(-pose.rotation[2, 2])))
            assert abs(pose.position[0]) < room.half_x and abs(pose.position[1]) < room.half_y
            assert pose.rotation[2, 1] < 0
    assert max(heights) <= 1.9
    if kind == "tabletop":
        assert min(down_deg) >= 20 and max(down_deg) <= 60.1
    if kind == "eye level":
        assert min(heights) >= 1.2


def test_what_is_in_a_room_follows_from_its_seed():
    first, again = (furnished_room((4, 1), content=2).world.compile() for _ in range(2))
    assert np.array_equal(first.model.mesh_vert, again.model.mesh_vert)
    assert first.instance_labels == again.instance_labels
    assert set(CATALOGUES) == {1, 2} and set(PLACES) < set(SECOND_PLACES)

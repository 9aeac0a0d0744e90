# SPDX-License-Identifier: Apache-2.0
"""The richer contents: what they label, and that parts belong to their objects. And that contents stay as they are."""

import hashlib

import mujoco
import numpy as np
import pytest

from mtl_perception.simulation import hand_held
from mtl_perception.simulation.camera import draw_kind, look_at, random_pose
from mtl_perception.simulation.catalogue import CATALOGUES, SECOND
from mtl_perception.simulation.labels import FIRST_LABELS, SECOND_LABELS
from mtl_perception.simulation.meshes import box
from mtl_perception.simulation.room import PLACES, SECOND_PLACES, THIRD_PLACES, draw_place, furnished_room, places
from mtl_perception.simulation.textures import plain
from mtl_perception.simulation.views import choose_view, visible_objects
from mtl_perception.simulation.world import Detail, Item, Material, Spot, World

RICH = [(content, place) for content in (2, 3) for place in places(content)]
PARENTS = {
    "handle": {"cabinet door", "refrigerator door", "door", "cabinet", "table", "refrigerator"},
    "cabinet door": {"cabinet", "table"},
    "refrigerator door": {"refrigerator"},
    "pillow": {"sofa", "bed", "chair"},
}


# What rooms of published tests and data sets consist of: a digest of the classes and instances of their parts, the number of parts
# and triangles, the mean of the parts' places and that of a few cameras' places in metres.
KNOWN = [
    (1, "living room", "1444f7703064", 98, 14308, (0.3305, 0.9144, 0.6492), (-0.1692, 0.6213, 1.2175)),
    (1, "kitchen", "1124d70a3674", 98, 20864, (-0.3567, 0.7561, 1.0081), (-0.4501, 0.4131, 1.3473)),
    (1, "corridor", "09b8ed8a99b9", 95, 13856, (-0.0886, 2.2348, 0.899), (0.0552, 3.3747, 0.9031)),
    (1, "warehouse", "2b04ca7d1cc7", 224, 39000, (0.1257, 0.2164, 1.2159), (0.3085, -0.6835, 0.4749)),
    (2, "living room", "ed4898fe5378", 163, 28144, (-0.4339, 1.2097, 0.8327), (0.1625, 0.8632, 1.3478)),
    (2, "kitchen", "8d97094734de", 154, 20970, (-0.2679, 0.6569, 0.96), (-0.5577, 0.6751, 1.3497)),
    (2, "bedroom", "279821f196ff", 152, 17600, (0.0968, 0.9814, 0.9107), (-0.1605, -0.3696, 1.03)),
    (2, "office", "9e554165ce13", 218, 41354, (-0.0245, 1.241, 0.7578), (-0.2978, 0.1134, 1.1722)),
    (2, "corridor", "f412e7ed4758", 206, 35302, (-0.3699, 0.2603, 1.0263), (-0.0638, -1.157, 1.2203)),
    (2, "warehouse", "d36e0f45f5a6", 251, 36234, (0.1582, -0.0151, 1.1075), (0.1764, -0.0275, 0.9693)),
]


@pytest.mark.slow(1)
@pytest.mark.parametrize(("content", "place", "digest", "parts", "triangles", "middle", "cameras"), KNOWN)
def test_contents_are_as_they_were(built, content, place, digest, parts, triangles, middle, cameras):
    """Rooms must come out again: what is drawn, and in which order, is part of published tests and of data sets that go on."""
    room, world = built(place, content)
    assert (world.model.ngeom, world.model.nmeshface) == (parts, triangles)
    labels = "\n".join(world.instance_labels).encode() + world.geom_class.tobytes() + world.geom_instance.astype("<i4").tobytes()
    assert hashlib.blake2s(labels, digest_size=6).hexdigest() == digest
    assert world.data.geom_xpos.mean(0) == pytest.approx(middle, abs=2e-4)
    rng = np.random.default_rng(8)
    poses = [random_pose(rng, room, draw_kind(rng)) for _ in range(4)]
    if content == 2:
        drawn = [hand_held.draw_camera(rng, room, kind) for kind in SECOND.held]
        poses += [pose for _, pose in filter(None, drawn)]
    assert np.mean([pose.position for pose in poses], 0) == pytest.approx(cameras, abs=2e-4)


@pytest.mark.parametrize("place", PLACES)
def test_the_first_content_tells_no_parts_apart(built, place):
    _, world = built(place)
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


@pytest.mark.slow(1)
@pytest.mark.parametrize(("content", "place"), RICH)
def test_parts_belong_to_objects_of_the_right_kind(built, content, place):
    _, world = built(place, content)
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


@pytest.mark.slow(1)
@pytest.mark.parametrize(("content", "place"), RICH)
@pytest.mark.parametrize("is_another", [False, True])
def test_rooms_are_closed(built, content, place, is_another):
    """Behind an open door too."""
    world = furnished_room((33, 0), place=place, content=content).world.compile() if is_another else built(place, content)[1]
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


@pytest.mark.parametrize("kind", SECOND.held)
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
    assert set(CATALOGUES) == {1, 2, 3} and set(PLACES) < set(SECOND_PLACES) < set(THIRD_PLACES)

# SPDX-License-Identifier: Apache-2.0
"""Loose objects rest on something, in nothing, and stay."""

import mujoco
import numpy as np
import pytest

from mtl_perception.simulation import furniture, objects
from mtl_perception.simulation.labels import SMALL_LABELS
from mtl_perception.simulation.meshes import corners, merge, rotation_x
from mtl_perception.simulation.piles import draw_pile, fruit_in
from mtl_perception.simulation.settle import (
    PENETRATION_M,
    Placement,
    physics_model,
    settle,
)
from mtl_perception.simulation.world import Spot


def rested(fixed, loose):
    hulls = [[merge([mesh for mesh, _ in obj.item.parts])] for obj in loose]
    places = settle(fixed, hulls, [obj.start for obj in loose])
    kept = [(hull, place) for hull, place in zip(hulls, places, strict=True) if place is not None]
    return [hull for hull, _ in kept], [place for _, place in kept]


def check_contacts(fixed, hulls, places):
    """Every object touches something, is in nothing, and is where it was after another second."""
    model = physics_model(fixed, hulls, places)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert data.contact.dist.min() > -PENETRATION_M
    touching = {int(model.geom_bodyid[g]) for c in data.contact if c.dist < 0.001 for g in c.geom}
    assert touching >= set(range(1, model.nbody))
    before = data.xpos.copy()
    mujoco.mj_step(model, data, 250)
    assert np.abs(data.xpos - before).max() < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_piles_rest_on_a_table(seed):
    rng = np.random.default_rng(seed)
    table = furniture.dining_table(rng)
    fixed = [mesh for mesh, _ in table.parts]
    loose = draw_pile(rng, Spot(0, 0, table.height), 0.2, 2.0)
    hulls, places = rested(fixed, loose)
    assert len(places) >= len(loose) / 2
    check_contacts(fixed, hulls, places)
    for hull, place in zip(hulls, places, strict=True):
        lowest = hull[0].rotated(place.rotation).vertices[:, 2].min() + place.position[2]
        assert lowest > -PENETRATION_M  # on the table, or on the floor beside it


def test_fruit_rest_inside_their_bowl():
    rng = np.random.default_rng(5)
    bowl = objects.bowl(rng, 2.0)
    loose = fruit_in(rng, bowl, Spot(0, 0))
    hulls, places = rested(list(bowl.solids), loose)
    assert len(places) >= 2
    check_contacts(list(bowl.solids), hulls, places)
    inside = [np.hypot(*place.position[:2]) < bowl.half_x for place in places]
    assert np.mean(inside) > 0.5
    for hull, place in zip(hulls, places, strict=True):
        vertices = hull[0].rotated(place.rotation).vertices + place.position
        if np.hypot(*place.position[:2]) < 0.5 * bowl.half_x:
            assert vertices[:, 2].min() > 0.003  # above the bowl's bottom, not in it


def test_what_is_stuck_in_something_is_not_placed():
    shelf = furniture.shelf(np.random.default_rng(0))
    can = objects.can(np.random.default_rng(0), 2.0)
    side = max((mesh for mesh, _ in shelf.parts), key=lambda mesh: np.ptp(mesh.vertices[:, 2]))
    thick = side.moved(z=0)
    inside = Placement(thick.vertices.mean(0), rotation_x(0.0))
    walls = [merge([thick.moved(x=dx) for dx in (-0.02, 0.02)])]
    (place,) = settle(walls, [[merge([mesh for mesh, _ in can.parts])]], [inside])
    if place is not None:  # pushed out, which is as good
        check_contacts(walls, [[merge([mesh for mesh, _ in can.parts])]], [place])


@pytest.mark.parametrize(("place", "content"), [("living room", 1), ("kitchen", 1), ("warehouse", 1), ("living room", 2), ("office", 2)])
def test_small_things_stand_on_something(built, place, content):
    """Below the lowest point of nearly every small object there is something else, at no distance."""
    room, world = built(place, content)
    model, data = world.model, world.data
    groups = np.array([1, 0, 0, 0, 0, 0], np.uint8)
    gaps = []
    for number in range(1, len(world.instance_labels)):
        if world.instance_labels[number] not in SMALL_LABELS:
            continue
        own = np.flatnonzero(world.geom_instance[:-1] == number)
        model.geom_group[:] = 0
        model.geom_group[own] = 5
        vertices = np.concatenate([vertices_of(model, data, geom) for geom in own])
        lowest = vertices[vertices[:, 2] < vertices[:, 2].min() + 0.001]
        assert room.holds(corners(vertices))
        hits = [
            mujoco.mj_ray(model, data, point + (0, 0, 0.004), [0, 0, -1.0], groups, 1, -1, np.zeros(1, np.int32))
            for point in lowest[:: max(1, len(lowest) // 6)]
        ]
        gaps.append(min(abs(hit - 0.004) if hit >= 0 else 1.0 for hit in hits))
    model.geom_group[:] = 0
    assert len(gaps) > 15
    assert np.mean(np.array(gaps) < 0.003) > 0.85  # fruit in bowls and what leans touch elsewhere
    assert np.mean(np.array(gaps) < 0.03) > 0.95


def vertices_of(model, data, geom):
    mesh = model.geom_dataid[geom]
    start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    rotation = data.geom_xmat[geom].reshape(3, 3)
    return model.mesh_vert[start : start + count] @ rotation.T + data.geom_xpos[geom]

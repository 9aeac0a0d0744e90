# SPDX-License-Identifier: Apache-2.0
"""An aisle of a warehouse: rows of tall racks with goods under a high roof."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import goods, materials
from mtl_perception.simulation.catalogue import FIRST, Catalogue
from mtl_perception.simulation.lighting import add_lights
from mtl_perception.simulation.living_room import free_spot, litter, scatter
from mtl_perception.simulation.mood import Mood
from mtl_perception.simulation.plan import Opening, Room, Wall, area_of, four_walls
from mtl_perception.simulation.shell import (
    add_door,
    add_floor_and_ceiling,
    add_wall,
    add_window,
)
from mtl_perception.simulation.stocking import place

Rng = np.random.Generator


def warehouse(rng: Rng, mood: Mood, catalogue: Catalogue = FIRST) -> Room:
    style = goods.draw_style(rng)
    aisle = rng.uniform(1.5, 2.8)
    room = Room(
        aisle / 2 + 2 * style.half_y + 0.05, rng.uniform(2.5, 6.0), rng.uniform(3.0, 5.0),
        catalogue, mood=mood, menu=catalogue.store, screens=0.0,
    )  # fmt: skip
    walls = four_walls(room)
    add_floor_and_ceiling(rng, room, materials.hall_floor(rng), materials.hall_ceiling(rng, mood))
    paint, trim = materials.hall_wall(rng), materials.trim(rng)
    for wall in walls:
        short = wall.index % 2 == 0
        add_wall(room, wall, _opening(rng, room, wall, trim) if short else [], paint, None)
    for wall in walls[1::2]:
        _racks(rng, room, wall, style)
    for _ in range(int(rng.integers(1, 4))):
        load = goods.pallet(rng)
        spot = free_spot(rng, room, load, lambda: float(rng.choice([0, np.pi / 2])) + rng.normal(0, 0.1))
        if spot is not None:
            place(rng, room, load, spot, area_of(load, spot), crowd=0.7)
    scatter(rng, room, chairs=False)
    litter(rng, room, 0.7)
    add_lights(rng, room, rows=2 if room.half_y < 4 else 3)
    return room


def _opening(rng: Rng, room: Room, wall: Wall, trim: materials.Material) -> list[Opening]:
    """A door at an end of the aisle, a gate, or a strip of windows high up."""
    drawn = rng.uniform()
    if drawn < 0.45:
        return [add_door(rng, room, wall, rng.uniform(-0.3, 0.3), rng.uniform(0.42, 0.5), 2.1, trim)]
    if drawn < 0.65:
        gate = materials.hall_wall(rng)
        half = min(rng.uniform(0.8, 1.3), wall.half_length - 0.3)
        return [add_door(rng, room, wall, 0.0, half, min(2.8, room.height - 0.2), trim, gate)]
    if drawn < 0.85:
        hole = Opening(0.0, min(1.4, wall.half_length - 0.3), room.height - 1.1, room.height - 0.3)
        return [add_window(rng, room, wall, hole, trim, rng.uniform(0.6e5, 1.4e5), curtains=False)]
    return []


def _racks(rng: Rng, room: Room, wall: Wall, style: goods.RackStyle) -> None:
    """Racks side by side along ``wall``, with a gap now and then."""
    along = -wall.half_length + rng.uniform(0.05, 0.4)
    racks = 2 * wall.half_length / style.half_x
    crowd = rng.uniform(0.5, 1.2) * min(1.0, 9 / racks)
    while True:
        item = goods.rack(rng, style, min(room.height - 0.3, style.height))
        if along + 2 * item.half_x > wall.half_length - 0.02:
            return
        middle = along + item.half_x
        if rng.uniform() < 0.88:
            area = wall.area(middle, item.half_x, 0.0, 2 * item.half_y + 0.02, item.height)
            place(rng, room, item, wall.spot(middle, item.half_y + 0.01), area, crowd)
        along += 2 * item.half_x + rng.uniform(0.02, 0.08)

# SPDX-License-Identifier: Apache-2.0
"""A corridor: long, with doors on both sides and little else."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import furniture, materials
from mtl_perception.simulation.catalogue import FIRST, Catalogue
from mtl_perception.simulation.lighting import add_lights
from mtl_perception.simulation.living_room import hang_picture, litter, scatter
from mtl_perception.simulation.mood import Mood
from mtl_perception.simulation.plan import Opening, Room, Wall, four_walls
from mtl_perception.simulation.shell import (
    add_door,
    add_floor_and_ceiling,
    add_wall,
    add_window,
)
from mtl_perception.simulation.stocking import place
from mtl_perception.simulation.world import Material

Rng = np.random.Generator


def corridor(rng: Rng, mood: Mood, catalogue: Catalogue = FIRST) -> Room:
    shortest, longest = (5.0, 9.0) if catalogue.deep else (3.5, 7.5)
    room = Room(rng.uniform(0.8, 1.4), rng.uniform(shortest, longest), rng.uniform(2.35, 3.0), catalogue, mood=mood, menu=catalogue.home)
    walls = four_walls(room)
    add_floor_and_ceiling(rng, room, materials.public_floor(rng))
    paint, trim = materials.wall(rng), materials.trim(rng)
    skirting = trim if rng.uniform() < 0.85 else None
    leaf = materials.door(rng) if rng.uniform() < 0.8 else None  # public doors are all alike
    for wall in walls:
        holes = _along(rng, room, wall, trim, leaf) if wall.half_length > 2 else _at_end(rng, room, wall, trim)
        add_wall(room, wall, holes, paint, skirting)
    _furnish(rng, room, walls)
    scatter(rng, room)
    litter(rng, room, 0.5)
    add_lights(rng, room, rows=2 if room.half_y < 5 else 3)
    return room


def _along(rng: Rng, room: Room, wall: Wall, trim: Material, leaf: Material | None) -> list[Opening]:
    """Doors every few metres, a window where there is none."""
    holes, along = [], -wall.half_length + rng.uniform(0.8, 1.6)
    half, high = rng.uniform(0.4, 0.5), rng.uniform(2.0, 2.15)
    windows = rng.uniform() < 0.25
    while along < wall.half_length - 0.8:
        drawn = rng.uniform()
        if windows and drawn < 0.6:
            hole = Opening(along, half, 0.9, high)
            holes.append(add_window(rng, room, wall, hole, trim, rng.uniform(0.3e5, 0.7e5), curtains=False))
        elif drawn < 0.8:
            holes.append(add_door(rng, room, wall, along, half, high, trim, leaf))
        along += rng.uniform(1.5, 3.2)
    return holes


def _at_end(rng: Rng, room: Room, wall: Wall, trim: Material) -> list[Opening]:
    """A door, a window or nothing."""
    drawn, half = rng.uniform(), min(rng.uniform(0.42, 0.55), wall.half_length - 0.15)
    if drawn < 0.5:
        return [add_door(rng, room, wall, 0.0, half, 2.05, trim)]
    if drawn < 0.75:
        hole = Opening(0.0, half, rng.uniform(0.3, 0.95), 2.1)
        return [add_window(rng, room, wall, hole, trim, rng.uniform(0.5e5, 1.3e5), curtains=False)]
    return []


def _furnish(rng: Rng, room: Room, walls: list[Wall]) -> None:
    """A few shallow objects along the long walls, pictures between."""
    catalogue = room.catalogue
    makers = [furniture.shelf, catalogue.cabinet, furniture.bench, catalogue.chair, catalogue.desk]
    long = [wall for wall in walls if wall.half_length > 2]
    for _ in range(int(rng.integers(2, 6))):
        item = makers[int(rng.choice(len(makers), p=[0.3, 0.3, 0.15, 0.15, 0.1]))](rng)
        for _ in range(10):
            wall = long[int(rng.integers(2))]
            along = rng.uniform(-1, 1) * (wall.half_length - item.half_x - 0.05)
            area = wall.area(along, item.half_x + 0.01, 0.005, 2 * item.half_y + 0.02, item.height)
            leaves_way = 2 * item.half_y < 2 * room.half_x - 0.6
            if leaves_way and room.free(area):
                place(rng, room, item, wall.spot(along, item.half_y + 0.02), area)
                break
    for wall in long:
        for _ in range(int(rng.integers(0, 4))):
            along = rng.uniform(-1, 1) * (wall.half_length - 0.6)
            near = wall.area(along, 0.6, 0, 0.2, 0)
            if not any(o.overlaps(near) for o in room.obstacles):
                hang_picture(rng, room, wall, along)

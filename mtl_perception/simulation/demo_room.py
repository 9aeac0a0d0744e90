# SPDX-License-Identifier: Apache-2.0
"""The room of the demo drive, arranged by hand; the generators draw its sizes, materials and small objects."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import furniture, materials
from mtl_perception.simulation.lighting import add_lights
from mtl_perception.simulation.living_room import (
    hang_board,
    hang_picture,
    seat_around,
    seat_at,
)
from mtl_perception.simulation.plan import Opening, Room, Wall, area_of, four_walls
from mtl_perception.simulation.shell import (
    add_door,
    add_floor_and_ceiling,
    add_wall,
    add_window,
)
from mtl_perception.simulation.stocking import place
from mtl_perception.simulation.world import Item, Spot

Rng = np.random.Generator


def demo_room(seed: int) -> Room:
    """The arrangement of the recorded bag; generators that draw differently since then give it other small
    objects and materials when it is rendered again.

    A living room of 6.4 × 5.4 m: a dining table in the middle, shelves, a desk, sideboards, a door, two
    windows."""
    rng = np.random.default_rng(seed)
    room = Room(half_x=3.2, half_y=2.7, height=2.6)
    south, east, north, west = four_walls(room)
    add_floor_and_ceiling(rng, room)
    paint, trim = materials.wall(rng), materials.trim(rng)
    door = add_door(rng, room, north, 1.75, 0.43, 2.02, trim)
    view = add_window(rng, room, east, Opening(0.3, 0.75, 0.95, 2.1), trim, 0.85e5, curtains=False)
    side = add_window(rng, room, south, Opening(-0.4, 0.6, 0.9, 2.05), trim, 0.5e5, curtains=True)
    for wall, holes in ((south, [side]), (east, [view]), (north, [door]), (west, [])):
        add_wall(room, wall, holes, paint, trim)

    _at_wall(rng, room, furniture.shelf(rng), north, -0.1, crowd=1.8)
    _at_wall(rng, room, furniture.shelf(rng), north, -1.7, crowd=1.8)
    _at_wall(rng, room, furniture.cabinet(rng), east, 0.4, crowd=1.6)
    _at_wall(rng, room, furniture.cabinet(rng), west, 0.0, crowd=1.8)
    _at_wall(rng, room, furniture.shelf(rng), west, -1.75, crowd=1.6)
    hang_board(rng, room, west, 1.4)
    hang_picture(rng, room, west, 0.0)
    desk = furniture.desk(rng)
    _at_wall(rng, room, desk, south, 1.9, crowd=1.4)
    chair = south.spot(1.9, 2 * desk.half_y + 0.15)
    seat_at(rng, room, Spot(chair.x, chair.y, 0.0, chair.yaw + np.pi + 0.15))
    _at_wall(rng, room, furniture.shelf(rng), south, -2.3, crowd=1.3)

    table, spot = furniture.dining_table(rng), Spot(0.2, 0.0)
    place(rng, room, table, spot, area_of(table, spot), crowd=1.7)
    seat_around(rng, room, table, spot, likelihood=0.85)
    for item, spot in (
        (furniture.waste_bin(rng), Spot(-0.85, 2.45)),
        (furniture.plant(rng), Spot(2.8, -1.1)),
    ):
        place(rng, room, item, spot, area_of(item, spot))
    add_lights(rng, room, brightness=0.8)
    return room


def _at_wall(rng: Rng, room: Room, item: Item, wall: Wall, along: float, crowd: float) -> None:
    spot = wall.spot(along, item.half_y + 0.02)
    place(rng, room, item, spot, area_of(item, spot), crowd)

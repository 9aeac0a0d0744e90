# SPDX-License-Identifier: Apache-2.0
"""An office: desks along the walls and back to back, each with a screen and a chair."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import furniture
from mtl_perception.simulation.catalogue import SECOND, Catalogue
from mtl_perception.simulation.lighting import add_lights
from mtl_perception.simulation.lived_in import hang_clock, hang_whiteboard
from mtl_perception.simulation.living_room import (
    free_spot,
    furnish_walls,
    litter,
    scatter,
    seat_around,
    seat_at,
)
from mtl_perception.simulation.mood import Mood
from mtl_perception.simulation.plan import Obstacle, Room, area_of, four_walls
from mtl_perception.simulation.shell import add_shell
from mtl_perception.simulation.stocking import place
from mtl_perception.simulation.world import Item, Spot

Rng = np.random.Generator


def office(rng: Rng, mood: Mood, catalogue: Catalogue = SECOND) -> Room:
    room = Room(
        rng.uniform(1.6, 3.4), rng.uniform(1.8, 3.6), rng.uniform(2.4, 3.0),
        catalogue, mood=mood, menu=catalogue.office, screens=0.92,
    )  # fmt: skip
    walls = four_walls(room)
    add_shell(rng, room, walls)
    _back_to_back(rng, room)
    makers = [catalogue.desk] * int(rng.integers(1, 4)) + [furniture.shelf] * int(rng.integers(0, 3))
    makers += [catalogue.cabinet] * int(rng.integers(0, 3)) + [catalogue.plant] * int(rng.uniform() < 0.5)
    makers += [catalogue.sofa] * int(rng.uniform() < 0.15)
    furnish_walls(rng, room, walls, makers)
    if rng.uniform() < 0.4:
        _meeting_table(rng, room)
    for wall in walls:
        along = rng.uniform(-1, 1) * (wall.half_length - 0.95)
        near = wall.area(along, 0.9, 0, 0.2, 0)
        hidden = any(o.overlaps(near) and o.height > 0.9 for o in room.obstacles)
        opened = any(near.contains(t.x, t.y, 0.9) for t in room.targets if t.normal_yaw is not None and t.objects == 1)
        if not hidden and not opened and rng.uniform() < 0.4:
            (hang_whiteboard if rng.uniform() < 0.75 else hang_clock)(rng, room, wall, along)
    scatter(rng, room)
    litter(rng, room, 0.3)
    add_lights(rng, room, rows=2 if rng.uniform() < 0.5 else None)
    return room


def _back_to_back(rng: Rng, room: Room) -> None:
    """Two rows of desks that face each other in the middle of the room."""
    desk = room.catalogue.desk(rng)
    count = int(rng.integers(1, 4))
    half_x, half_y = count * desk.half_x, 2 * desk.half_y
    island = Item("table", [], half_x, half_y + 0.5, desk.height)
    spot = free_spot(rng, room, island, lambda: float(rng.choice([0, np.pi / 2])))
    if spot is None or rng.uniform() < 0.25:
        return
    stand_back_to_back(rng, room, desk, spot, count)


def stand_back_to_back(rng: Rng, room: Room, desk: Item, spot: Spot, count: int, crowd: tuple[float, float] | None = None) -> None:
    """``count`` desks in each of two rows around ``spot``, with chairs.

    Args:
        crowd: bounds of how many small objects are on each, 1 for an ordinary home; as ``place`` draws it where None.
    """
    half_x, half_y = count * desk.half_x, 2 * desk.half_y
    for row in (-1, 1):
        for column in range(count):
            # The front of each desk, where its chair is, is away from the other row.
            at = spot.moved((2 * column + 1) * desk.half_x - half_x, row * (desk.half_y + 0.01))
            turned = Spot(at.x, at.y, 0.0, spot.yaw + (0.0 if row > 0 else np.pi))
            place(rng, room, desk, turned, area_of(desk, turned), None if crowd is None else rng.uniform(*crowd))
            seat = turned.moved(rng.uniform(-0.15, 0.15), desk.half_y + rng.uniform(0.1, 0.3))
            if rng.uniform() < 0.85:
                seat_at(rng, room, Spot(seat.x, seat.y, 0.0, seat.yaw + np.pi + rng.normal(0, 0.3)))
    corners = [spot.moved(sx * half_x, sy * half_y) for sx in (-1, 1) for sy in (-1, 1)]
    xs, ys = [c.x for c in corners], [c.y for c in corners]
    room.obstacles.append(Obstacle(min(xs), min(ys), max(xs), max(ys), desk.height))


def _meeting_table(rng: Rng, room: Room) -> None:
    table = room.catalogue.dining_table(rng)
    spot = free_spot(rng, room, table, lambda: float(rng.choice([0, np.pi / 2])))
    if spot is not None:
        place(rng, room, table, spot, area_of(table, spot))
        seat_around(rng, room, table, spot, likelihood=0.7)

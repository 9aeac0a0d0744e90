# SPDX-License-Identifier: Apache-2.0
"""A kitchen: worktops in a row or around a corner, cabinets and boards above them, a table where there is room."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import fittings, furniture, materials
from mtl_perception.simulation.catalogue import FIRST, Catalogue
from mtl_perception.simulation.lighting import add_lights
from mtl_perception.simulation.living_room import (
    free_spot,
    furnish_walls,
    litter,
    scatter,
    seat_around,
)
from mtl_perception.simulation.meshes import box
from mtl_perception.simulation.mood import Mood
from mtl_perception.simulation.plan import Opening, Room, Wall, area_of, draw_half_sides, four_walls
from mtl_perception.simulation.shell import (
    add_door,
    add_floor_and_ceiling,
    add_wall,
    add_window,
)
from mtl_perception.simulation.stocking import place
from mtl_perception.simulation.world import Item, Material

Rng = np.random.Generator


def kitchen(rng: Rng, mood: Mood, catalogue: Catalogue = FIRST) -> Room:
    room = Room(
        *draw_half_sides(rng, catalogue, 1.4, 2.4), rng.uniform(2.35, 2.8),
        catalogue, mood=mood, menu=catalogue.kitchen, screens=0.05,
    )  # fmt: skip
    walls = four_walls(room)
    add_floor_and_ceiling(rng, room)
    paint, trim = materials.wall(rng), materials.trim(rng)
    first = int(rng.integers(4))
    row, side, opposite, last = (walls[(first + k) % 4] for k in range(4))
    over_sink = rng.uniform() < 0.5
    row_holes: list[Opening] = []
    if over_sink:
        hole = Opening(0.0, rng.uniform(0.35, 0.6), 1.15, min(2.1, room.height - 0.2))
        row_holes.append(add_window(rng, room, row, hole, trim, rng.uniform(0.4e5, 1.1e5), curtains=False))
    holes = {row.index: row_holes, side.index: [], opposite.index: [], last.index: []}
    door_wall = (opposite, last)[int(rng.integers(2))]
    half = rng.uniform(0.38, 0.47)
    reach = door_wall.half_length - half - 0.15
    along = float(rng.uniform(-reach, reach))
    holes[door_wall.index].append(add_door(rng, room, door_wall, along, half, 2.03, trim))
    free_wall = last if door_wall is opposite else opposite
    if not over_sink or rng.uniform() < 0.4:
        hole = Opening(0.0, rng.uniform(0.4, 0.7), 0.95, min(2.1, room.height - 0.2))
        daylight = rng.uniform(0.4e5, 1.3e5)
        holes[free_wall.index].append(add_window(rng, room, free_wall, hole, trim, daylight, rng.uniform() < 0.3))
    for wall in walls:
        add_wall(room, wall, holes[wall.index], paint, None if wall in (row, side) else trim)
    _fit(rng, room, row, side, row_holes)
    _table(rng, room)
    if catalogue.deep:
        makers = [catalogue.cabinet] * 3 + [furniture.shelf, catalogue.sofa, catalogue.plant, catalogue.desk]
        furnish_walls(rng, room, walls, makers)
    scatter(rng, room, chairs=False)
    litter(rng, room, 0.4)
    add_lights(rng, room)
    return room


def _fit(rng: Rng, room: Room, row: Wall, side: Wall, holes: list[Opening]) -> None:
    """The row along one wall, at times a second one around the corner, and what hangs above."""
    catalogue = room.catalogue
    style = fittings.draw_style(rng, catalogue.fronts)
    fridge = catalogue.refrigerator(rng) if rng.uniform() < 0.7 else None
    start, end = -row.half_length + 0.01, row.half_length - 0.01
    if catalogue.deep:
        end = min(end, max(start + rng.uniform(3.0, 5.0), 0.8))  # not short of the window
    to_corner = end == row.half_length - 0.01
    if fridge is not None:
        along = start + fridge.half_x
        area = row.area(along, fridge.half_x, 0.0, 2 * fridge.half_y + 0.02, fridge.height)
        place(rng, room, fridge, row.spot(along, fridge.half_y + 0.02), area)
        start += 2 * fridge.half_x + 0.01
    hob = rng.uniform() < 0.8
    oven = catalogue.lived_in and hob and rng.uniform() < 0.7
    counter = fittings.counter(rng, style, (end - start) / 2, sink=True, hob=hob, oven=oven)
    _stand(rng, room, counter, row, (start + end) / 2)
    _backsplash(rng, room, row, start, end, counter.height, holes)
    if rng.uniform() < 0.45 and to_corner:  # around the corner, on the wall where the row ends
        depth, far = 2 * counter.half_y + 0.03, side.half_length * rng.uniform(0.1, 0.9)
        second = fittings.counter(rng, style, (far + side.half_length - depth) / 2, sink=False, hob=False)
        _stand(rng, room, second, side, -side.half_length + depth + second.half_x)
    _hang(rng, room, row, style, start, end, holes)
    if catalogue.deep and rng.uniform() < 0.6:
        _island(rng, room, style)


def _island(rng: Rng, room: Room, style: fittings.Style) -> None:
    """Cabinets with a worktop that stand free."""
    island = fittings.counter(rng, style, rng.uniform(0.6, 1.2), sink=False, hob=False)
    spot = free_spot(rng, room, island, lambda: float(rng.integers(4)) * np.pi / 2)
    if spot is not None:
        place(rng, room, island, spot, area_of(island, spot), rng.uniform(0.5, 1.2))


def _stand(rng: Rng, room: Room, item: Item, wall: Wall, along: float) -> None:
    area = wall.area(along, item.half_x, 0.0, 2 * item.half_y + 0.02, item.height)
    place(rng, room, item, wall.spot(along, item.half_y + 0.005), area, rng.uniform(0.9, 2.0))


def _backsplash(rng: Rng, room: Room, wall: Wall, start: float, end: float, low: float, holes: list[Opening]) -> None:
    if rng.uniform() < 0.25:
        return
    tiles: Material = materials.backsplash(rng)
    edges = [
        start,
        *(edge for h in holes for edge in (h.along - h.half_width - 0.06, h.along + h.half_width + 0.06)),
        end,
    ]
    parts = [
        (box(x1 - x0, 0.008, 0.5).moved((x0 + x1) / 2, 0.004, low), tiles)
        for x0, x1 in zip(edges[::2], edges[1::2], strict=True)
        if x1 - x0 > 0.05
    ]
    room.world.add("wall", parts, wall.spot(0, 0))


def _hang(rng: Rng, room: Room, wall: Wall, style: fittings.Style, start: float, end: float, holes: list[Opening]) -> None:
    """Wall cabinets and open boards left and right of the window."""
    edges = [
        start,
        *(edge for h in holes for edge in (h.along - h.half_width - 0.1, h.along + h.half_width + 0.1)),
        end,
    ]
    for x0, x1 in zip(edges[::2], edges[1::2], strict=True):
        drawn, half = rng.uniform(), (x1 - x0) / 2
        if half < 0.2 or drawn < 0.15:
            continue
        if drawn < 0.65:
            item, z = fittings.wall_cabinet(rng, style, half, room.height - 1.45), rng.uniform(1.38, 1.45)
            place(rng, room, item, wall.spot((x0 + x1) / 2, item.half_y, z), None, crowd=0.3)
            continue
        for z in (1.4, 1.75)[: int(rng.integers(1, 3))]:
            item = furniture.wall_board(rng, min(half - 0.03, rng.uniform(0.4, 0.9)))
            place(rng, room, item, wall.spot((x0 + x1) / 2, item.half_y, z), None, crowd=1.6)


def _table(rng: Rng, room: Room) -> None:
    if rng.uniform() < 0.2:
        return
    table = room.catalogue.dining_table(rng)
    spot = free_spot(rng, room, table, lambda: float(rng.choice([0, np.pi / 2])) + rng.normal(0, 0.05))
    if spot is not None:
        place(rng, room, table, spot, area_of(table, spot), crowd=rng.uniform(0.7, 1.7))
        seat_around(rng, room, table, spot, likelihood=0.5)
        return
    chair = room.catalogue.chair(rng)
    spot = free_spot(rng, room, chair, lambda: rng.uniform(-np.pi, np.pi))
    if spot is not None:
        place(rng, room, chair, spot, area_of(chair, spot))

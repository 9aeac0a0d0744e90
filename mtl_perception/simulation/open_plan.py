# SPDX-License-Identifier: Apache-2.0
"""An open-plan office: rows of desks with screens under a suspended ceiling, windows along one side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import furniture, materials, objects, textures
from mtl_perception.simulation.catalogue import THIRD, Catalogue, OnDesk
from mtl_perception.simulation.lighting import add_lights
from mtl_perception.simulation.lived_in import hang_whiteboard
from mtl_perception.simulation.living_room import furnish_walls, litter, scatter
from mtl_perception.simulation.meshes import board, box, cylinder
from mtl_perception.simulation.mood import Mood
from mtl_perception.simulation.office import stand_back_to_back
from mtl_perception.simulation.plan import Obstacle, Opening, Room, Wall, area_of, four_walls
from mtl_perception.simulation.shell import add_door, add_floor_and_ceiling, add_wall, add_window
from mtl_perception.simulation.world import Item, Material, Part, Spot, Support

Rng = np.random.Generator
_TILE_M = 0.6


def open_plan_office(rng: Rng, mood: Mood, catalogue: Catalogue = THIRD) -> Room:
    chair = furniture.office_chair(rng) if rng.uniform() < 0.7 else catalogue.chair(rng)
    desk = catalogue.desk(rng)
    alike = replace(catalogue, chair=lambda _: chair, desk=lambda _: desk, screens=_Workplaces(rng))
    room = Room(
        rng.uniform(3.0, 5.0), rng.uniform(4.0, 7.0), rng.uniform(2.6, 3.3),
        alike, mood=mood, menu=catalogue.office, screens=0.95,
    )  # fmt: skip
    walls = four_walls(room)
    _shell(rng, room, walls)
    _suspended_ceiling(rng, room)
    _rows_of_desks(rng, room, desk)
    _columns(rng, room)
    makers = [catalogue.cabinet] * int(rng.integers(2, 6)) + [furniture.shelf] * int(rng.integers(1, 4))
    makers += [catalogue.plant] * int(rng.integers(0, 3)) + [catalogue.sofa] * int(rng.uniform() < 0.25)
    furnish_walls(rng, room, walls, makers)
    for wall in walls:
        along = rng.uniform(-1, 1) * (wall.half_length - 1.0)
        near = wall.area(along, 0.95, 0, 0.2, 0)
        opened = any(near.contains(t.x, t.y, 1.0) for t in room.targets if t.normal_yaw is not None and t.objects == 1)
        if not opened and not any(o.overlaps(near) and o.height > 0.9 for o in room.obstacles) and rng.uniform() < 0.4:
            hang_whiteboard(rng, room, wall, along)
    scatter(rng, room)
    litter(rng, room, 0.3)
    add_lights(rng, room, rows=3, columns=2)
    return room


class _Workplaces:
    """Draws screens and keyboards for the desks of one office: the same few again and again."""

    def __init__(self, rng: Rng) -> None:
        self._monitors = [objects.any_monitor(rng) for _ in range(int(rng.integers(2, 5)))]
        self._laptop, self._keyboard, self._mouse = objects.any_laptop(rng), objects.keyboard(rng), objects.mouse(rng)
        self._two = rng.uniform(0.1, 0.7)

    def __call__(self, rng: Rng, support: Support) -> list[OnDesk]:
        if not 0.6 < support.z < 1.0:  # the floor, the top of a cabinet
            return []
        back, x = -0.35 * support.half_y, float(rng.uniform(-0.25, 0.25) * support.half_x)
        if rng.uniform() < 0.15:
            return [OnDesk(self._laptop, x, rng.uniform(-0.2, 0.2) * support.half_y, rng.normal(0, 0.2))]
        monitor = self._monitors[int(rng.integers(len(self._monitors)))]
        if 4 * monitor.half_x + 0.1 < 2 * support.half_x and rng.uniform() < self._two:
            x, apart = 0.0, monitor.half_x + 0.02
            placed = [OnDesk(monitor, side * apart, back, -side * 0.15) for side in (-1, 1)]
        else:
            placed = [OnDesk(monitor, x, back, rng.normal(0, 0.15))]
        if rng.uniform() < 0.85:
            front = 0.45 * support.half_y
            placed += [
                OnDesk(self._keyboard, x, front, rng.normal(0, 0.08)),
                OnDesk(self._mouse, x + 0.3, front, rng.normal(0, 0.2)),
            ]
        return placed


def _shell(rng: Rng, room: Room, walls: list[Wall]) -> None:
    """Windows along one of the long sides, doors in the others."""
    floor = materials.public_floor(rng)
    add_floor_and_ceiling(rng, room, floor)
    paint, trim = materials.wall(rng), materials.trim(rng)
    leaf = materials.door(rng) if rng.uniform() < 0.5 else None
    skirting = trim if rng.uniform() < 0.85 else None
    bright = walls[int(rng.choice([1, 3]))]
    for wall in walls:
        holes = _windows(rng, room, wall, trim) if wall is bright else _doors(rng, room, wall, trim, leaf)
        add_wall(room, wall, holes, paint, skirting)


def _windows(rng: Rng, room: Room, wall: Wall, trim: Material) -> list[Opening]:
    count = int(rng.integers(3, 6))
    pitch = 2 * wall.half_length / count
    half, low = pitch / 2 - rng.uniform(0.1, 0.4), rng.uniform(0.5, 1.0)
    high = min(room.height - 0.25, low + rng.uniform(1.2, 1.7))
    holes = [Opening((k + 0.5) * pitch - wall.half_length, half, low, high) for k in range(count)]
    return [add_window(rng, room, wall, hole, trim, rng.uniform(0.6e5, 1.3e5), curtains=False) for hole in holes]


def _doors(rng: Rng, room: Room, wall: Wall, trim: Material, leaf: Material | None) -> list[Opening]:
    """Up to two; some have two leaves."""
    half = rng.uniform(0.65, 0.8) if rng.uniform() < 0.2 else rng.uniform(0.42, 0.5)
    places = [-0.5, 0.5] if rng.uniform() < 0.4 else [0.0]
    return [
        add_door(rng, room, wall, (at + rng.uniform(-0.3, 0.3)) * wall.half_length, half, 2.1, trim, leaf)
        for at in places
        if rng.uniform() < 0.75
    ]


def _suspended_ceiling(rng: Rng, room: Room) -> None:
    """A grid of bars under the ceiling, at times with square lights in some of its fields."""
    white = Material(textures.plain(rng, textures.jitter(rng, (0.86, 0.86, 0.85), 0.04)), 0.7)
    x, y, low, bar = room.half_x, room.half_y, room.height - 0.012, rng.uniform(0.012, 0.022)
    columns, rows = np.arange(-x + rng.uniform(0, _TILE_M), x, _TILE_M), np.arange(-y + rng.uniform(0, _TILE_M), y, _TILE_M)
    bars: list[Part] = [(board(at - bar, at + bar, -y, y, low, room.height), white) for at in columns]
    bars += [(board(-x, x, at - bar, at + bar, low, room.height), white) for at in rows]
    room.world.add("ceiling", bars)
    if rng.uniform() < 0.6:
        return
    glow = Material(textures.plain(rng, (0.97, 0.96, 0.93)), 0.9, emission=rng.uniform(0.3, 0.9) * min(1.0, room.mood.lamps))
    every = int(rng.integers(3, 5))
    panel = box(_TILE_M - 2 * bar, _TILE_M - 2 * bar, 0.01)
    for left in columns[1:-1:every]:
        for near in rows[1:-1:every]:
            room.world.add("lamp", [(panel, glow)], Spot(float(left) + _TILE_M / 2, float(near) + _TILE_M / 2, room.height - 0.01))


def _rows_of_desks(rng: Rng, room: Room, desk: Item) -> None:
    """Islands of desks back to back in a grid that leaves ways between them, and along the walls."""
    lengthways = rng.uniform() < 0.5
    along_m, across_m = (room.half_y, room.half_x) if lengthways else (room.half_x, room.half_y)
    most, half_y = int(rng.integers(2, 5)), 2 * desk.half_y
    way, aisle, margin = rng.uniform(0.9, 1.5), rng.uniform(1.6, 2.2), rng.uniform(0.9, 1.3)
    divide = _Divider(rng, desk.height)
    for across in _spread(across_m - margin, half_y, aisle):
        for along in _spread(along_m - 0.7, most * desk.half_x, way):
            if rng.uniform() < 0.08:
                continue
            x, y, yaw = (across, along, np.pi / 2) if lengthways else (along, across, 0.0)
            spot = Spot(x, y, 0.0, yaw)
            for count in range(most, 0, -1):  # fewer where something is in the way
                half_x = count * desk.half_x
                area = area_of(Item("table", [], half_x, half_y, desk.height), spot)
                if room.free(area):
                    stand_back_to_back(rng, room, desk, spot, count, crowd=(0.1, 0.5))
                    room.world.add("partition", divide(half_x, half_y), spot)
                    room.obstacles.append(area)
                    break


def _spread(reach: float, half: float, gap: float) -> list[float]:
    """Middles of as many islands of 2 ``half`` metres as fit between -``reach`` and ``reach``, at least ``gap`` apart."""
    count = max(1, int((2 * reach + gap) / (2 * half + gap)))
    pitch = 2 * (reach - half) / (count - 1) if count > 1 else 0.0
    return [(k - (count - 1) / 2) * pitch for k in range(count)]


class _Divider:
    """Makes what stands between the rows of an office's islands, at times at their ends too. It has no class."""

    def __init__(self, rng: Rng, desk_m: float) -> None:
        self._stuff = materials.upholstery(rng) if rng.uniform() < 0.6 else materials.furniture(rng)
        self._top = desk_m + rng.uniform(0.25, 0.6)
        self._low = 0.05 if rng.uniform() < 0.3 else desk_m - 0.2
        self._between, self._at_ends = rng.uniform() < 0.7, rng.uniform() < 0.3

    def __call__(self, half_x: float, half_y: float) -> list[Part]:
        meshes = [board(-half_x, half_x, -0.009, 0.009, self._low, self._top)] if self._between else []
        if self._between and self._at_ends:
            end = board(half_x, half_x + 0.03, -half_y, half_y, self._low, self._top)
            meshes += [end, end.moved(-2 * half_x - 0.03)]
        return [(mesh, self._stuff) for mesh in meshes]


def _columns(rng: Rng, room: Room) -> None:
    """Of the building, where there is floor for them."""
    if rng.uniform() < 0.3:
        return
    paint, half = materials.wall(rng), rng.uniform(0.15, 0.28)
    mesh = cylinder(half, room.height, 24) if rng.uniform() < 0.35 else box(2 * half, 2 * half, room.height)
    shift, pitch = rng.uniform(-0.5, 0.5), rng.uniform(3.0, 5.0)
    for x in np.arange(-room.half_x + 1.2, room.half_x - 0.8, pitch):
        for y in np.arange(-room.half_y + 1.5, room.half_y - 1.0, pitch):
            for moved in rng.uniform(-0.6, 0.6, (4, 2)):
                at_x, at_y = float(x + shift + moved[0]), float(y + moved[1])
                area = Obstacle(at_x - half, at_y - half, at_x + half, at_y + half, room.height)
                if room.free(area):
                    room.world.add("wall", [(mesh, paint)], Spot(at_x, at_y))
                    room.obstacles.append(area)
                    break

# SPDX-License-Identifier: Apache-2.0
"""A furnished room from a seed.

The room is a cuboid centred on the origin with its floor at z = 0. Furniture goes along the walls first, a table with
its chairs and loose things fill the middle, and small things stand on whatever can carry them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mtl_perception.simulation import furniture, materials, objects, textures
from mtl_perception.simulation.labels import CLUTTER
from mtl_perception.simulation.meshes import Mesh, board, box, cylinder
from mtl_perception.simulation.world import Item, Lamp, Material, Support, World

Rng = np.random.Generator


@dataclass(frozen=True)
class Obstacle:
    """Floor area that something of ``height`` metres covers, axis-aligned."""

    x0: float
    y0: float
    x1: float
    y1: float
    height: float

    def overlaps(self, other: Obstacle) -> bool:
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def contains(self, x: float, y: float, margin: float) -> bool:
        return self.x0 - margin < x < self.x1 + margin and self.y0 - margin < y < self.y1 + margin


@dataclass(frozen=True)
class Target:
    """Something worth looking at. ``normal_yaw`` is the side it is seen from, None for any; ``things`` counts what
    stands there."""

    x: float
    y: float
    z: float
    normal_yaw: float | None
    things: int


@dataclass
class Room:
    half_x: float
    half_y: float
    height: float
    world: World = field(default_factory=World)
    obstacles: list[Obstacle] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def free(self, area: Obstacle) -> bool:
        inside = abs(area.x0) < self.half_x and abs(area.x1) < self.half_x and abs(area.y0) < self.half_y and abs(area.y1) < self.half_y
        return inside and not any(area.overlaps(other) for other in self.obstacles)


@dataclass(frozen=True)
class Wall:
    """One of the four walls: local x along it, local y into the room, origin on the floor at its middle."""

    index: int
    yaw: float
    half_length: float
    distance: float

    def to_room(self, along: float, inwards: float) -> tuple[float, float]:
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        depth = inwards - self.distance
        return float(along * c - depth * s), float(along * s + depth * c)

    def area(self, along: float, half: float, near: float, far: float, height: float) -> Obstacle:
        (xa, ya), (xb, yb) = self.to_room(along - half, near), self.to_room(along + half, far)
        return Obstacle(min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb), height)


@dataclass(frozen=True)
class Opening:
    """A hole in a wall, in wall coordinates."""

    along: float
    half_width: float
    low: float
    high: float


WALL_THICKNESS = 0.16
MAX_SHADOWS = 2  # each costs a quarter of the rendering time


def furnished_room(seed: int | Sequence[int]) -> Room:
    """The room of this seed; equal seeds give equal rooms."""
    rng = np.random.default_rng(seed)
    room = Room(rng.uniform(1.5, 3.0), rng.uniform(1.5, 3.0), rng.uniform(2.35, 2.9))
    walls = _walls(room)
    _shell(rng, room, walls)
    _along_walls(rng, room, walls)
    _table_and_chairs(rng, room)
    _loose_things(rng, room)
    _lights(rng, room)
    return room


def _walls(room: Room) -> list[Wall]:
    sides = [(room.half_x, room.half_y), (room.half_y, room.half_x)] * 2
    return [Wall(i, i * np.pi / 2, length, distance) for i, (length, distance) in enumerate(sides)]


def _shell(rng: Rng, room: Room, walls: list[Wall]) -> None:
    world, x, y = room.world, room.half_x, room.half_y
    ground = box(2 * x + 2 * WALL_THICKNESS, 2 * y + 2 * WALL_THICKNESS, 0.1).moved(z=-0.1)  # reaches into the doorways
    world.add("floor", [(_turned_texture(ground) if rng.uniform() < 0.5 else ground, materials.floor(rng))])
    world.add("ceiling", [(box(2 * x, 2 * y, 0.1).moved(z=room.height), materials.ceiling(rng))])
    paint, trim = materials.wall(rng), materials.trim(rng)
    accent = int(rng.integers(4)) if rng.uniform() < 0.2 else -1
    window_count, door_count = 0, 0
    for wall in [walls[i] for i in rng.permutation(4)]:
        openings: list[Opening] = []
        if door_count < 2 and rng.uniform() < (0.75 if door_count == 0 else 0.25):
            openings.append(_door(rng, room, wall, trim))
            door_count += 1
        if window_count < 3 and rng.uniform() < (0.7 if window_count == 0 else 0.35):
            window = _window(rng, room, wall, trim, openings)
            if window:
                openings.append(window)
                window_count += 1
        material = materials.accent_wall(rng) if wall.index == accent else paint
        _wall_pieces(room, wall, openings, material)
        if rng.uniform() < 0.85:
            _skirting(room, wall, openings, trim)


def _turned_texture(mesh: Mesh) -> Mesh:
    """The same mesh with its texture turned by 90°."""
    return Mesh(mesh.vertices, mesh.uv[:, ::-1], mesh.normals, mesh.faces)


def _wall_pieces(room: Room, wall: Wall, openings: list[Opening], material: Material) -> None:
    """The wall as cuboids around its openings."""
    pieces, start = [], -wall.half_length
    for o in sorted(openings, key=lambda o: o.along):
        left, right = o.along - o.half_width, o.along + o.half_width
        pieces.append((start, left, 0.0, room.height))
        pieces.append((left, right, 0.0, o.low))
        pieces.append((left, right, o.high, room.height))
        start = right
    pieces.append((start, wall.half_length, 0.0, room.height))
    meshes = []
    for x0, x1, z0, z1 in pieces:
        if x1 - x0 > 0.001 and z1 - z0 > 0.001:
            meshes.append(_wall_uv(board(x0, x1, -WALL_THICKNESS, 0, z0, z1)))
    room.world.add("wall", [(mesh, material) for mesh in meshes], *wall.to_room(0, 0), yaw=wall.yaw)


def _wall_uv(mesh: Mesh) -> Mesh:
    """Texture coordinates from the position in the wall, so that the pattern runs on across pieces."""
    x, y, z = mesh.vertices.T
    return Mesh(mesh.vertices, np.stack([x + y, z], 1), mesh.normals, mesh.faces)


def _skirting(room: Room, wall: Wall, openings: list[Opening], trim: Material) -> None:
    stops = sorted((o.along - o.half_width - 0.09, o.along + o.half_width + 0.09) for o in openings if o.low < 0.1)
    edges = [-wall.half_length, *(edge for stop in stops for edge in stop), wall.half_length]
    parts = [
        (board(a, b, 0, 0.013, 0, 0.075), trim) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 0.02
    ]
    if parts:
        room.world.add("wall", parts, *wall.to_room(0, 0), yaw=wall.yaw)


def _door(rng: Rng, room: Room, wall: Wall, trim: Material) -> Opening:
    """A closed door in its frame; keeps the floor before it free."""
    half, high = rng.uniform(0.38, 0.47), min(rng.uniform(1.95, 2.1), room.height - 0.15)
    reach = wall.half_length - half - 0.15
    along = rng.uniform(-reach, reach)
    leaf, handle = materials.door(rng), materials.metal(rng)
    frame = trim if rng.uniform() < 0.7 else leaf
    back, front = -0.075, -0.035
    parts = [(board(-half, half, back, front, 0.0, high), leaf)]
    for side in (-1, 1):
        parts.append((board(side * half - 0.045, side * half + 0.045, -0.08, 0.022, 0, high + 0.045), frame))
    parts.append((board(-half, half, -0.08, 0.022, high - 0.045, high + 0.045), frame))
    style = rng.integers(4)
    if style == 1:  # two recessed looking panels
        for z0, z1 in ((0.22, 0.85), (1.1, high - 0.22)):
            for x0, x1, a, b in (
                (-half + 0.13, half - 0.13, z0, z0 + 0.03), (-half + 0.13, half - 0.13, z1 - 0.03, z1),
                (-half + 0.13, -half + 0.16, z0, z1), (half - 0.16, half - 0.13, z0, z1),
            ):  # fmt: skip
                parts.append((board(x0, x1, front, front + 0.012, a, b), leaf))
    elif style == 2:  # a pane of frosted glass
        glass = Material(textures.plain(rng, textures.jitter(rng, (0.78, 0.83, 0.84))), 0.25)
        parts.append((board(-half + 0.17, half - 0.17, front, front + 0.004, 1.0, high - 0.2), glass))
    side = rng.choice([-1, 1]) * (half - 0.115)
    parts.append((box(0.045, 0.008, 0.2).moved(side, front + 0.004, 0.92), handle))
    parts.append((box(0.018, 0.05, 0.018).moved(side, front + 0.025, 1.03), handle))
    parts.append((board(min(side, side - np.sign(side) * 0.12), max(side, side - np.sign(side) * 0.12), front + 0.04, front + 0.058, 1.03, 1.05), handle))
    x, y = wall.to_room(along, 0)
    room.world.add("door", [(mesh.moved(along), material) for mesh, material in parts], *wall.to_room(0, 0), yaw=wall.yaw)
    room.obstacles.append(wall.area(along, half + 0.05, -0.1, rng.uniform(0.7, 0.9), 0.0))
    room.targets.append(Target(x, y, 1.0, wall.yaw + np.pi / 2, 1))
    return Opening(along, half, 0.0, high)


def _window(rng: Rng, room: Room, wall: Wall, trim: Material, taken: list[Opening]) -> Opening | None:
    """A window with frame, mullions, sill and daylight; None where there is no place."""
    half, low = rng.uniform(0.35, 0.85), rng.uniform(0.75, 1.05)
    high = min(low + rng.uniform(0.8, 1.35), room.height - 0.2)
    reach = wall.half_length - half - 0.2
    if reach <= 0:
        return None
    along = rng.uniform(-reach, reach)
    if any(abs(along - o.along) < half + o.half_width + 0.2 for o in taken):
        return None
    pane, bar = materials.outdoors(rng), rng.uniform(0.045, 0.075)
    parts = [(box(2 * half, 0.01, high - low, printed=True).moved(0, -0.1, low), pane)]
    uprights = [-half + bar / 2, half - bar / 2]
    if half > 0.5 or rng.uniform() < 0.4:
        uprights += list(np.linspace(-half, half, 3 if half < 0.7 else 4)[1:-1])
    for x in uprights:
        parts.append((board(x - bar / 2, x + bar / 2, -0.1, -0.045, low, high), trim))
    crossbars = [low + bar / 2, high - bar / 2]
    if rng.uniform() < 0.35:
        crossbars.append(low + (high - low) * rng.uniform(0.5, 0.75))
    for z in crossbars:
        parts.append((board(-half, half, -0.1, -0.045, z - bar / 2, z + bar / 2), trim))
    parts.append((board(-half - 0.05, half + 0.05, -0.045, 0.07, low - 0.025, low), trim))
    room.world.add("window", [(mesh.moved(along), material) for mesh, material in parts], *wall.to_room(0, 0), yaw=wall.yaw)
    if rng.uniform() < 0.35:
        _curtains(rng, room, wall, along, half, high)
    x, y = wall.to_room(along, 0)
    normal = wall.yaw + np.pi / 2
    room.targets.append(Target(x, y, (low + high) / 2, normal, 1))
    x, y = wall.to_room(along, 0.05)
    into = (float(np.cos(normal)), float(np.sin(normal)), -0.55)
    daylight = rng.uniform(0.4e5, 1.3e5) * half / 0.6
    room.world.lamps.append(Lamp((x, y, (low + high) / 2 + 0.3), into, daylight, (0.93, 0.97, 1.0), 80, 0.3, True))
    return Opening(along, half, low, high)


def _curtains(rng: Rng, room: Room, wall: Wall, along: float, half: float, high: float) -> None:
    cloth, rod = materials.upholstery(rng), materials.metal(rng)
    top, width = high + 0.12, half * rng.uniform(0.25, 0.5)
    bottom = rng.choice([0.03, 0.6])
    parts = [(box(2 * half + 2 * width, 0.02, 0.02).moved(along, 0.09, top), rod)]
    for side in (-1, 1):
        for fold in np.linspace(0, 1, 6):
            x = along + side * (half + 0.05 - width * 0.6 + width * fold)
            parts.append((board(x - width / 12, x + width / 12, 0.055, 0.075 + 0.03 * (int(fold * 5) % 2), bottom, top), cloth))
    room.world.add(CLUTTER, parts, *wall.to_room(0, 0), yaw=wall.yaw)


def _along_walls(rng: Rng, room: Room, walls: list[Wall]) -> None:
    """Shelves, cabinets, desks and sofas with their backs to a wall; pictures and boards above the low ones."""
    wanted = [furniture.shelf] * int(rng.integers(1, 4)) + [furniture.cabinet] * int(rng.integers(1, 4))
    wanted += [furniture.desk] * int(rng.integers(0, 2)) + [furniture.sofa] * int(rng.uniform() < 0.35)
    windows = [t for t in room.targets if t.z > 1.05]
    for i in rng.permutation(len(wanted)):
        item = wanted[i](rng)
        for _ in range(14):
            wall = walls[int(rng.integers(4))]
            reach = wall.half_length - item.half_x - 0.03
            if reach <= 0:
                continue
            along = rng.uniform(-reach, reach)
            if rng.uniform() < 0.25:
                along = np.sign(along) * reach
            x, y = wall.to_room(along, item.half_y + 0.02)
            area = wall.area(along, item.half_x + 0.01, 0.005, 2 * item.half_y + 0.02, item.height)
            hides = item.height > 1.0 and any(area.contains(w.x, w.y, 0.5) for w in windows)
            if hides or not room.free(area):
                continue
            _place(rng, room, item, x, y, wall.yaw, area)
            if item.label == "table":
                _seat_at(rng, room, wall.to_room(along, 2 * item.half_y + 0.1 + rng.uniform(0, 0.2)), wall.yaw + np.pi)
            clear = item.height < 1.2 and not any(area.contains(w.x, w.y, 0.9) for w in windows)
            if clear and rng.uniform() < 0.6:
                _hang(rng, room, wall, along)
            break
    for wall in walls:
        if rng.uniform() < 0.3:
            along = rng.uniform(-1, 1) * (wall.half_length - 0.6)
            x, y = wall.to_room(along, 0)
            near = wall.area(along, 0.6, 0, 0.2, 0)
            if not any(o.overlaps(near) for o in room.obstacles) and not any(near.contains(w.x, w.y, 0.9) for w in room.targets):
                _hang(rng, room, wall, along)


def _hang(rng: Rng, room: Room, wall: Wall, along: float) -> None:
    """A picture or a shelf board on the wall."""
    if rng.uniform() < 0.45:
        item = furniture.wall_board(rng)
        x, y = wall.to_room(along, item.half_y)
        _place(rng, room, item, x, y, wall.yaw, None, z=rng.uniform(1.25, 1.6))
        return
    half_x, high, z = rng.uniform(0.15, 0.45), rng.uniform(0.25, 0.6), rng.uniform(1.3, 1.5)
    frame = materials.furniture(rng)
    parts = [(box(2 * half_x, 0.02, high).moved(0, 0.01, z), frame)]
    parts.append((box(2 * half_x - 0.05, 0.004, high - 0.05, printed=True).moved(0, 0.021, z + 0.025), Material(textures.picture(rng), 0.4)))
    room.world.add(CLUTTER, parts, *wall.to_room(along, 0), yaw=wall.yaw)


def _table_and_chairs(rng: Rng, room: Room) -> None:
    for maker in [furniture.dining_table] * int(rng.uniform() < 0.85) + [furniture.coffee_table] * int(rng.uniform() < 0.45):
        item = maker(rng)
        for _ in range(20):
            yaw = float(rng.choice([0, np.pi / 2])) + (rng.normal(0, 0.05) if rng.uniform() < 0.8 else rng.uniform(-0.7, 0.7))
            x, y = rng.uniform(-room.half_x, room.half_x), rng.uniform(-room.half_y, room.half_y)
            area = _area(item, x, y, yaw)
            if not room.free(area):
                continue
            _place(rng, room, item, x, y, yaw, area)
            if item.height > 0.6:
                for side in range(4):
                    if rng.uniform() < 0.6:
                        reach = (item.half_y if side % 2 == 0 else item.half_x) + rng.uniform(0.02, 0.3)
                        facing = yaw + side * np.pi / 2
                        slide = rng.uniform(-0.35, 0.35) * (item.half_x if side % 2 == 0 else item.half_y)
                        seat = (x + reach * np.sin(facing) + slide * np.cos(facing), y - reach * np.cos(facing) + slide * np.sin(facing))
                        _seat_at(rng, room, seat, facing + rng.normal(0, 0.2))
            break


def _seat_at(rng: Rng, room: Room, position: tuple[float, float], yaw: float) -> None:
    """A chair that faces +y turned by ``yaw``; its front may reach under a table."""
    item = furniture.chair(rng)
    x, y = position
    area = _area(item, x - 0.12 * -np.sin(yaw), y - 0.12 * np.cos(yaw), yaw)
    inside = abs(x) < room.half_x - 0.35 and abs(y) < room.half_y - 0.35
    if inside and not any(o.height > 0 and o.overlaps(area) and o.height < 0.6 or o.height > 0.8 and o.overlaps(area) for o in room.obstacles):
        _place(rng, room, item, x, y, yaw, _area(item, x, y, yaw))


def _loose_things(rng: Rng, room: Room) -> None:
    """Bins, chairs, plants, lamps and parcels wherever there is floor."""
    makers = [furniture.waste_bin] * int(rng.integers(1, 3)) + [furniture.chair] * int(rng.integers(0, 3))
    makers += [furniture.plant] * int(rng.uniform() < 0.35) + [furniture.floor_lamp] * int(rng.uniform() < 0.25)
    makers += [lambda rng: objects.parcel(rng, 2.0)] * int(rng.integers(0, 4)) + [lambda rng: objects.bottle(rng, 2.0)] * int(rng.uniform() < 0.15)
    for maker in makers:
        item = maker(rng)
        for _ in range(12):
            yaw = rng.uniform(-np.pi, np.pi)
            x, y = rng.uniform(-room.half_x, room.half_x), rng.uniform(-room.half_y, room.half_y)
            if item.label in ("bin", "box", CLUTTER) and rng.uniform() < 0.75:  # rather along a wall
                reach = max(item.half_x, item.half_y) + 0.05
                if rng.uniform() < 0.5:
                    x = np.sign(x) * (room.half_x - reach)
                else:
                    y = np.sign(y) * (room.half_y - reach)
                yaw = rng.choice(4) * np.pi / 2 + rng.normal(0, 0.2)
            area = _area(item, x, y, yaw)
            if room.free(area):
                _place(rng, room, item, x, y, yaw, area)
                break


def _area(item: Item, x: float, y: float, yaw: float) -> Obstacle:
    c, s = abs(np.cos(yaw)), abs(np.sin(yaw))
    half_x, half_y = item.half_x * c + item.half_y * s, item.half_x * s + item.half_y * c
    return Obstacle(x - half_x, y - half_y, x + half_x, y + half_y, item.height)


def _place(rng: Rng, room: Room, item: Item, x: float, y: float, yaw: float, area: Obstacle | None, z: float = 0.0) -> None:
    room.world.add_item(item, x, y, z, yaw)
    if area is not None:
        room.obstacles.append(area)
    against_wall = item.label in ("shelf", "cabinet") or (item.label == "table" and item.half_y < 0.39 and item.height > 0.6)
    normal = yaw + np.pi / 2 if against_wall else None
    crowd = rng.uniform(0.5, 1.7)
    for support in item.supports:
        if support.clearance < 0.08 or (item.label == "chair" and rng.uniform() < 0.85):
            continue
        count = _lay_out(rng, room, support, crowd, x, y, z, yaw)
        c, s = np.cos(yaw), np.sin(yaw)
        centre = (x + support.x * c - support.y * s, y + support.x * s + support.y * c)
        room.targets.append(Target(*centre, z + support.z, normal, count))
    if not item.supports and z == 0.0:
        room.targets.append(Target(x, y, item.height / 2, None, 1))


def _lay_out(rng: Rng, room: Room, support: Support, crowd: float, x: float, y: float, z: float, yaw: float) -> int:
    """Puts small things on a support without overlap; how many there are."""
    shelf_like = support.half_y < 0.22
    placed: list[tuple[float, float, float, float]] = []

    def put(item: Item, px: float, py: float, turn: float) -> bool:
        c, s = abs(np.cos(turn)), abs(np.sin(turn))
        hx, hy = item.half_x * c + item.half_y * s + 0.006, item.half_x * s + item.half_y * c + 0.006
        if abs(px) + hx > support.half_x or abs(py) + hy > support.half_y:
            return False
        if any(abs(px - a) < hx + b and abs(py - d) < hy + e for a, d, b, e in placed):
            return False
        placed.append((px, py, hx, hy))
        c, s = np.cos(yaw), np.sin(yaw)
        qx, qy = support.x + px, support.y + py
        room.world.add_item(item, x + qx * c - qy * s, y + qx * s + qy * c, z + support.z, yaw + turn)
        return True

    if shelf_like and support.clearance > 0.17 and rng.uniform() < 0.3:
        _book_row(rng, support, put)
    if not shelf_like and support.half_x > 0.45 and support.clearance > 1 and rng.uniform() < 0.25:
        big = objects.laptop(rng, 2.0) if rng.uniform() < 0.6 else objects.monitor(rng, 2.0)
        put(big, rng.uniform(-0.3, 0.3) * support.half_x, -0.2 * support.half_y, rng.choice([0, np.pi]) + rng.normal(0, 0.1))
    wanted = rng.poisson(crowd * min(9.0, 2.2 + 9 * support.half_x * support.half_y))
    for _ in range(int(wanted)):
        item = objects.small_thing(rng, support.clearance)
        turn = rng.uniform(-np.pi, np.pi) if item.label != "box" or rng.uniform() < 0.3 else rng.normal(0, 0.15)
        for _ in range(4):
            px, py = rng.uniform(-1, 1) * support.half_x, rng.uniform(-1, 1) * support.half_y
            if put(item, px, py, turn):
                if item.label == "bowl" and rng.uniform() < 0.45 and support.clearance > 0.2:
                    _fill_bowl(rng, room, item, support, px, py, x, y, z, yaw)
                break
    return len(placed)


def _book_row(rng: Rng, support: Support, put: Callable[[Item, float, float, float], bool]) -> None:
    px = rng.uniform(-0.9, 0.2) * support.half_x
    for _ in range(int(rng.integers(3, 12))):
        item = objects.book(rng, support.clearance, upright=True)
        px += item.half_x + 0.0065
        if not put(item, px, rng.normal(0, 0.004), 0.0):
            return
        px += item.half_x + 0.0065


def _fill_bowl(rng: Rng, room: Room, bowl: Item, support: Support, px: float, py: float, x: float, y: float, z: float, yaw: float) -> None:
    c, s = np.cos(yaw), np.sin(yaw)
    for k in range(int(rng.integers(1, 4))):
        fruit = objects.fruit(rng, 0.1)
        if fruit.half_x > 0.05:
            continue
        ring, angle = bowl.half_x * 0.36, k * 2 * np.pi / 3 + rng.normal(0, 0.2)
        qx, qy = support.x + px + ring * np.cos(angle), support.y + py + ring * np.sin(angle)
        room.world.add_item(fruit, x + qx * c - qy * s, y + qx * s + qy * c, z + support.z + 0.022, rng.uniform(-3, 3))


def _lights(rng: Rng, room: Room) -> None:
    """Ceiling lamps beside the daylight, and the light that comes back from everywhere."""
    world = room.world
    warm = rng.uniform(0.0, 0.16)
    tint = (1.0, 1.0 - 0.35 * warm, 1.0 - warm)
    spots = [(0.0, 0.0)] if rng.uniform() < 0.6 else [(-0.45, 0.0), (0.45, 0.0)]
    glow = Material(textures.plain(rng, (0.97, 0.95, 0.9)), 0.9, emission=rng.uniform(0.3, 0.9))
    power = rng.uniform(1.2e5, 2.5e5) / len(spots)
    for fx, fy in spots:
        x = fx * room.half_x + rng.normal(0, 0.2)
        y = fy * room.half_y + rng.normal(0, 0.2)
        world.add(CLUTTER, [(cylinder(rng.uniform(0.12, 0.25), 0.05, 24), glow)], x, y, room.height - 0.05)
        world.lamps.append(Lamp((x, y, room.height - 0.07), (0.0, 0.0, -1.0), power, tint, 86, 0.15, True))
    shadowed = sorted(range(len(world.lamps)), key=lambda i: -world.lamps[i].intensity_cd)[:MAX_SHADOWS]
    world.lamps = [replace(lamp, shadow=i in shadowed) for i, lamp in enumerate(world.lamps)]
    # What the floor throws back: from far below, so that it is even; it makes ceilings as light as they are in life.
    bounce = rng.uniform(0.9e5, 2.0e5)
    world.lamps.append(Lamp((0.0, 0.0, -2.0), (0.0, 0.0, 1.0), bounce, (1.0, 0.96, 0.92), 85, 0.1, False))
    world.ambient_lux = rng.uniform(7_000, 14_000)
    world.ambient_color = tuple(float(c) for c in 1 + rng.normal(0, 0.03, 3))

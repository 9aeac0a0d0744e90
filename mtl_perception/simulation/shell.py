# SPDX-License-Identifier: Apache-2.0
"""Floor, ceiling, and walls with their openings."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials, openings
from mtl_perception.simulation.lived_in import add_door_fittings, add_radiator
from mtl_perception.simulation.meshes import Mesh, board, box
from mtl_perception.simulation.plan import Opening, Room, Subject, Target, Wall
from mtl_perception.simulation.world import Lamp, Material

Rng = np.random.Generator
WALL_THICKNESS = 0.16


def add_shell(rng: Rng, room: Room, walls: list[Wall]) -> None:
    """A closed room with up to two doors and three windows at random."""
    add_floor_and_ceiling(rng, room)
    paint, trim = materials.wall(rng), materials.trim(rng)
    accent = int(rng.integers(4)) if rng.uniform() < 0.2 else -1
    doors, windows = 0, 0
    for wall in [walls[i] for i in rng.permutation(4)]:
        holes: list[Opening] = []
        if doors < 2 and rng.uniform() < (0.75 if doors == 0 else 0.25):
            holes.append(_random_door(rng, room, wall, trim))
            doors += 1
        if windows < 3 and rng.uniform() < (0.7 if windows == 0 else 0.35):
            hole = _random_window(rng, room, wall, trim, holes)
            if hole is not None:
                holes.append(hole)
                windows += 1
        skirting = trim if rng.uniform() < 0.85 else None
        add_wall(room, wall, holes, materials.accent_wall(rng) if wall.index == accent else paint, skirting)


def add_floor_and_ceiling(rng: Rng, room: Room, floor: Material | None = None, ceiling: Material | None = None) -> None:
    """Those of a home where none is given."""
    x, y = room.half_x, room.half_y
    ground = box(2 * x + 2 * WALL_THICKNESS, 2 * y + 2 * WALL_THICKNESS, 0.1).moved(z=-0.1)  # reaches into doorways
    if rng.uniform() < 0.5:  # planks along the other side
        ground = Mesh(ground.vertices, ground.uv[:, ::-1], ground.normals, ground.faces)
    room.world.add("floor", [(ground, floor or materials.floor(rng))])
    slab = box(2 * x, 2 * y, 0.1).moved(z=room.height)
    room.world.add("ceiling", [(slab, ceiling or materials.ceiling(rng, room.mood))])


def add_wall(room: Room, wall: Wall, holes: list[Opening], paint: Material, skirting: Material | None) -> None:
    """The wall as cuboids around its holes."""
    pieces, start = [], -wall.half_length
    for hole in sorted(holes, key=lambda hole: hole.along):
        left, right = hole.along - hole.half_width, hole.along + hole.half_width
        pieces += [
            (start, left, 0.0, room.height),
            (left, right, 0.0, hole.low),
            (left, right, hole.high, room.height),
        ]
        start = right
    pieces.append((start, wall.half_length, 0.0, room.height))
    parts = [
        (_continuous(board(x0, x1, -WALL_THICKNESS, 0, z0, z1)), paint) for x0, x1, z0, z1 in pieces if x1 - x0 > 0.001 and z1 - z0 > 0.001
    ]
    if skirting is not None:
        casing = 0.09
        ends = [(h.along - h.half_width - casing, h.along + h.half_width + casing) for h in holes if h.low < 0.1]
        edges = [-wall.half_length, *(edge for pair in sorted(ends) for edge in pair), wall.half_length]
        for x0, x1 in zip(edges[::2], edges[1::2], strict=True):
            if x1 - x0 > 0.02:
                parts.append((board(x0, x1, 0, 0.013, 0, 0.075), skirting))
    room.world.add("wall", parts, wall.spot(0, 0))


def _continuous(mesh: Mesh) -> Mesh:
    """Texture coordinates from the position in the wall, so that the pattern runs on across pieces."""
    x, y, z = mesh.vertices.T
    return Mesh(mesh.vertices, np.stack([x + y, z], 1), mesh.normals, mesh.faces)


def add_door(
    rng: Rng, room: Room, wall: Wall, along: float, half: float, high: float, trim: Material,
    leaf: Material | None = None,
) -> Opening:  # fmt: skip
    """A door whose hole is returned; the floor before it stays free."""
    spot = wall.spot(along, 0)
    door = room.catalogue.door(rng, half, high, trim, leaf)
    room.world.add_item(door, spot)
    room.obstacles.append(wall.area(along, half + 0.05, -0.1, rng.uniform(0.7, 0.9), 0.0))
    room.targets.append(Target(spot.x, spot.y, 1.0, wall.yaw + np.pi / 2, 1))
    if door.carries:  # open, with another room behind it
        room.passages.append(room.targets[-1])
    room.subjects.append(Subject("door", spot.x, spot.y, high / 2, half, high / 2, wall.yaw + np.pi / 2))
    if room.catalogue.lived_in:
        add_door_fittings(rng, room, wall, along, half)
    return Opening(along, half, 0.0, high)


def add_window(rng: Rng, room: Room, wall: Wall, hole: Opening, trim: Material, daylight_cd: float, curtains: bool) -> Opening:
    """A window in ``hole``, which is returned, and the daylight that falls in."""
    spot, normal = wall.spot(hole.along, 0), wall.yaw + np.pi / 2
    room.world.add("window", openings.window(rng, hole.half_width, hole.low, hole.high, trim, room.mood.daylight), spot)
    if curtains:
        room.world.add("curtain", openings.curtains(rng, hole.half_width, hole.high), spot)
    if room.catalogue.lived_in:
        add_radiator(rng, room, wall, hole)
    middle = (hole.low + hole.high) / 2
    room.targets.append(Target(spot.x, spot.y, middle, normal, 1))
    if room.mood.daylight < 0.02:
        return hole
    source, into = spot.moved(0, 0.05), (float(np.cos(normal)), float(np.sin(normal)), -0.55)
    room.world.lamps.append(
        Lamp(
            (source.x, source.y, middle + 0.3),
            into,
            room.mood.daylight * daylight_cd,
            (0.93, 0.97, 1.0),
            80,
            0.3,
            True,
        )
    )
    return hole


def _random_door(rng: Rng, room: Room, wall: Wall, trim: Material) -> Opening:
    half, high = rng.uniform(0.38, 0.47), min(rng.uniform(1.95, 2.1), room.height - 0.15)
    reach = wall.half_length - half - 0.15
    return add_door(rng, room, wall, rng.uniform(-reach, reach), half, high, trim)


def _random_window(rng: Rng, room: Room, wall: Wall, trim: Material, taken: list[Opening]) -> Opening | None:
    """None where there is no place."""
    half, low = rng.uniform(0.35, 0.85), rng.uniform(0.75, 1.05)
    high = min(low + rng.uniform(0.8, 1.35), room.height - 0.2)
    reach = wall.half_length - half - 0.2
    if reach <= 0:
        return None
    along = rng.uniform(-reach, reach)
    if any(abs(along - other.along) < half + other.half_width + 0.2 for other in taken):
        return None
    daylight_cd = rng.uniform(0.4e5, 1.3e5) * half / 0.6
    return add_window(rng, room, wall, Opening(along, half, low, high), trim, daylight_cd, rng.uniform() < 0.35)

# SPDX-License-Identifier: Apache-2.0
"""Objects that make a room look used: radiators, rugs, switches and notices beside doors, whiteboards."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.meshes import box, cylinder, rotation_x
from mtl_perception.simulation.plan import Opening, Room, Wall
from mtl_perception.simulation.world import Material, Part, Spot

Rng = np.random.Generator


def add_radiator(rng: Rng, room: Room, wall: Wall, window: Opening) -> None:
    """Below some windows; furniture keeps away from it."""
    if window.low < 0.55 or rng.uniform() < 0.5:
        return
    half, high = window.half_width * rng.uniform(0.6, 1.0), min(window.low - 0.2, rng.uniform(0.4, 0.6))
    white = Material(textures.plain(rng, textures.jitter(rng, (0.9, 0.9, 0.88))), rng.uniform(0.3, 0.6))
    parts: list[Part] = [(box(2 * half, 0.03, high).moved(0, 0.06, 0.12), white)]
    if rng.uniform() < 0.7:
        parts += [
            (box(0.02, 0.06, high - 0.02).moved(x, 0.075, 0.13), white) for x in np.arange(-half + 0.02, half, rng.uniform(0.045, 0.1))
        ]
    parts.append((cylinder(0.022, 0.05, 12).moved(half + 0.03, 0.06, 0.16), white))
    room.world.add("heater", parts, wall.spot(window.along, 0.0))
    room.obstacles.append(wall.area(window.along, half + 0.05, 0.0, 0.12, high + 0.12))


def add_door_fittings(rng: Rng, room: Room, wall: Wall, along: float, half: float) -> None:
    """A light switch and now and then a notice beside a door."""
    side = float(rng.choice([-1, 1]))
    at = along + side * (half + rng.uniform(0.14, 0.22))
    if abs(at) > wall.half_length - 0.1:
        return
    white = Material(textures.plain(rng, textures.jitter(rng, (0.92, 0.92, 0.9))), 0.4)
    if rng.uniform() < 0.7:
        parts: list[Part] = [
            (box(0.08, 0.01, 0.08).moved(0, 0.005), white),
            (box(0.055, 0.006, 0.055).moved(0, 0.012, 0.0125), white),
        ]
        room.world.add("switch", parts, wall.spot(at, 0.0, rng.uniform(1.0, 1.15)))
    if rng.uniform() < 0.3:
        page = Material(textures.printed_page(rng), 0.8)
        wide = rng.choice([0.21, 0.297])
        sheet = box(wide, 0.003, 0.297 if wide < 0.25 else 0.21, printed=True).moved(0, 0.0015)
        room.world.add("notice", [(sheet, page)], wall.spot(at + side * 0.1, 0.0, rng.uniform(1.35, 1.5)))


def add_rug(rng: Rng, room: Room, spot: Spot | None = None) -> None:
    """A flat rug around ``spot``, or anywhere. It is floor."""
    half_x, half_y = rng.uniform(0.5, 1.2), rng.uniform(0.35, 0.8)
    where = spot or Spot(rng.uniform(-0.4, 0.4) * room.half_x, rng.uniform(-0.4, 0.4) * room.half_y, 0.0, rng.choice([0, np.pi / 2]))
    half_x, half_y = min(half_x, 0.8 * room.half_x), min(half_y, 0.8 * room.half_y)
    texture = textures.one_of(rng, [
        (2, lambda: textures.carpet(rng)),
        (2, lambda: textures.wallpaper(rng, textures.vivid(rng))),
        (1, lambda: textures.plain(rng, textures.vivid(rng))),
        (1, lambda: textures.fabric(rng)),
    ])  # fmt: skip
    stuff = Material(texture, 0.95)
    mesh = box(2 * half_x, 2 * half_y, 0.004)
    if rng.uniform() < 0.2:
        mesh = cylinder(min(half_x, half_y), 0.004, 40)
    if room.holds(where.place(mesh)):
        room.world.add("floor", [(mesh, stuff)], where)


def hang_whiteboard(rng: Rng, room: Room, wall: Wall, along: float) -> None:
    """White in its frame, at times with writing or notes."""
    half, high, z = rng.uniform(0.4, 0.9), rng.uniform(0.6, 1.0), rng.uniform(0.9, 1.05)
    texture = textures.printed_page(rng) if rng.uniform() < 0.4 else textures.plain(rng, (0.95, 0.95, 0.95))
    parts: list[Part] = [
        (box(2 * half, 0.02, high).moved(0, 0.01, z), materials.metal(rng)),
        (box(2 * half - 0.04, 0.004, high - 0.04, printed=True).moved(0, 0.021, z + 0.02), Material(texture, 0.15)),
    ]
    for _ in range(int(rng.integers(0, 6))):
        note = Material(textures.plain(rng, textures.vivid(rng)), 0.9)
        x, up = rng.uniform(-0.9, 0.9) * (half - 0.06), z + rng.uniform(0.1, 0.85) * (high - 0.1)
        parts.append((box(0.076, 0.002, 0.076).moved(x, 0.0245, up), note))
    room.world.add("whiteboard", parts, wall.spot(along, 0.0))


def hang_clock(rng: Rng, room: Room, wall: Wall, along: float) -> None:
    radius, z = rng.uniform(0.1, 0.17), rng.uniform(1.7, 2.0)
    dark = Material(textures.plain(rng, (0.05, 0.05, 0.05)), 0.6)
    face = Material(textures.plain(rng, (0.93, 0.92, 0.9)), 0.4)
    rim = dark if rng.uniform() < 0.5 else materials.metal(rng)
    parts: list[Part] = [
        (cylinder(radius, 0.03, 28).rotated(rotation_x(-np.pi / 2)), rim),
        (cylinder(0.92 * radius, 0.032, 28).rotated(rotation_x(-np.pi / 2)), face),
        *((box(0.012, 0.004, length * radius).moved(0, 0.035), dark) for length in (0.5, 0.75)),
    ]
    room.world.add("clock", parts, wall.spot(along, 0.0, z))

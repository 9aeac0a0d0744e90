# SPDX-License-Identifier: Apache-2.0
"""The next room, seen through an open door, in the frame of the door: x along the wall, y into the room that one is in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import doors, furniture, materials
from mtl_perception.simulation.meshes import board
from mtl_perception.simulation.world import Item, Material, Part

Rng = np.random.Generator


def door(rng: Rng, half: float, high: float, trim: Material, leaf: Material | None = None) -> Item:
    """As :func:`~mtl_perception.simulation.doors.door`; every second one stands wide open, with another room behind it."""
    return doors.door(rng, half, high, trim, leaf, open_share=0.5, least_rad=0.9, behind=_next_room)


def _next_room(rng: Rng, half: float, high: float) -> tuple[Item, ...]:
    """Walls, floor and ceiling, with furniture at the far wall; 2 to 6 m deep."""
    deep, wide, top = rng.uniform(2.0, 6.0), half + rng.uniform(0.35, 0.6), high + rng.uniform(0.25, 0.5)
    paint, ground, above = materials.wall(rng), materials.floor(rng), materials.ceiling(rng)
    near = -0.15
    walls: list[Part] = [
        (board(-wide, wide, -deep - 0.05, -deep, 0, top), paint),
        *((board(side * wide - 0.05, side * wide + 0.05, -deep, near, 0, top), paint) for side in (-1, 1)),
    ]
    shell = (
        Item("wall", walls, wide, deep, top),
        Item("floor", [(board(-wide, wide, -deep, near - 0.01, -0.05, 0), ground)], wide, deep, 0.0),
        Item("ceiling", [(board(-wide, wide, -deep, near, top, top + 0.05), above)], wide, deep, top),
    )
    inside = wide - 0.06
    kinds = (_cabinet, furniture.shelf, furniture.any_plant, furniture.any_chair, furniture.waste_bin)
    far = kinds[int(rng.choice(len(kinds), p=[0.45, 0.2, 0.12, 0.15, 0.08]))](rng)
    if far.half_x > inside:
        return shell
    x = rng.uniform(-1, 1) * (inside - far.half_x)
    return (*shell, _moved(far, x, -deep + far.half_y + 0.02))


def _cabinet(rng: Rng) -> Item:
    return furniture.cabinet(rng, furniture.front_style(rng))


def _moved(item: Item, x: float, y: float) -> Item:
    """``item`` with what it consists of at this offset; nothing is put on it."""
    parts = [(mesh.moved(x, y), stuff) for mesh, stuff in item.parts]
    details = tuple(detail.moved(x, y) for detail in item.details)
    return replace(item, parts=parts, details=details, supports=(), carries=tuple(_moved(fixed, x, y) for fixed in item.carries))

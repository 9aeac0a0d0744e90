# SPDX-License-Identifier: Apache-2.0
"""Shelves and cabinets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtl_perception.simulation import materials
from mtl_perception.simulation.furniture._legs import FREE, legs_at_corners
from mtl_perception.simulation.meshes import (
    board,
    box,
    frame,
)
from mtl_perception.simulation.world import Detail, Item, Material, Part, Support

Rng = np.random.Generator


def shelf(rng: Rng) -> Item:
    """A bookcase or an open rack for a wall."""
    wood = materials.furniture(rng)
    half_x, half_y, height = rng.uniform(0.3, 0.65), rng.uniform(0.13, 0.2), rng.uniform(0.75, 2.05)
    thick, levels = rng.uniform(0.016, 0.028), max(2, round(height / rng.uniform(0.28, 0.45)))
    parts: list[Part] = []
    if rng.uniform() < 0.75:  # sides
        posts = wood
        for side in (-1, 1):
            x = side * (half_x - thick / 2)
            parts.append((board(x - thick / 2, x + thick / 2, -half_y, half_y, 0, height), wood))
        if rng.uniform() < 0.65:
            back = materials.furniture(rng) if rng.uniform() < 0.2 else wood
            parts.append((board(-half_x + thick, half_x - thick, -half_y, -half_y + 0.006, 0, height), back))
    else:  # posts at the corners
        posts = materials.metal(rng)
        parts += legs_at_corners(half_x, half_y, height, 0.028, False, posts)
    supports = []
    bottom = rng.uniform(0.03, 0.1)
    step = (height - thick - bottom) / levels
    for level in range(levels + 1):
        z = bottom + level * step
        parts.append((board(-half_x + thick, half_x - thick, -half_y + 0.007, half_y - 0.001, z, z + thick), wood))
        clearance = step - thick if level < levels else FREE
        supports.append(Support(0, 0, z + thick, half_x - thick - 0.01, half_y - 0.01, clearance))
    return Item("shelf", parts, half_x, half_y, height, tuple(supports))


def wall_board(rng: Rng, half_x: float | None = None) -> Item:
    """A single shelf board with brackets; its z = 0 is the height it hangs at."""
    wood, bracket = materials.furniture(rng), materials.metal(rng)
    half_x = half_x or rng.uniform(0.3, 0.6)
    half_y, thick = rng.uniform(0.09, 0.13), rng.uniform(0.018, 0.04)
    parts = [(box(2 * half_x, 2 * half_y, thick).moved(z=-thick), wood)]
    for side in (-1, 1):
        x = side * half_x * 0.7
        parts.append((board(x - 0.008, x + 0.008, -half_y, half_y * 0.6, -thick - 0.01, -thick), bracket))
        parts.append((board(x - 0.008, x + 0.008, -half_y, -half_y + 0.01, -thick - 0.14, -thick), bracket))
    return Item("shelf", parts, half_x, half_y, thick, (Support(0, 0, 0, half_x - 0.02, half_y - 0.01, 0.4),))


def cabinet(rng: Rng, fronts: Callable[..., tuple[Detail, ...]] | None = None) -> Item:
    """A sideboard, a chest of drawers, a kitchen counter or a wardrobe, its doors towards +y, made by ``fronts``
    where given."""
    body = materials.furniture(rng)
    front = materials.furniture(rng) if rng.uniform() < 0.3 else body
    handle = materials.metal(rng)
    tall = rng.uniform() < 0.22
    half_x = rng.uniform(0.35, 0.55) if tall else rng.uniform(0.3, 0.85)
    half_y = rng.uniform(0.2, 0.3)
    height = rng.uniform(1.6, 2.05) if tall else rng.uniform(0.5, 1.0)
    plinth = rng.uniform(0.03, 0.1)
    parts: list[Part] = []
    if not tall and rng.uniform() < 0.25:  # on legs
        plinth = rng.uniform(0.1, 0.18)
        parts += legs_at_corners(half_x - 0.02, half_y - 0.02, plinth, 0.035, True, materials.leg(rng, body))
    else:
        parts.append((box(2 * half_x - 0.04, 2 * half_y - 0.06, plinth).moved(0, -0.02), body))
    parts.append((board(-half_x, half_x, -half_y, half_y - 0.02, plinth, height - 0.025), body))
    top = materials.table_top(rng) if not tall and rng.uniform() < 0.35 else body
    parts.append((board(-half_x - 0.01, half_x + 0.01, -half_y, half_y + 0.01, height - 0.025, height), top))
    doors = (fronts or cabinet_front)(rng, half_x, half_y, plinth, height - 0.025, tall, front, handle)
    supports = (Support(0, 0, height, half_x, half_y, FREE),)
    return Item("cabinet", parts, half_x + 0.01, half_y + 0.03, height, supports, details=doors)


def cabinet_front(
    rng: Rng,
    half_x: float,
    y: float,
    bottom: float,
    top: float,
    tall: bool,
    front: Material,
    handle: Material,
    grip_m: float = 1.0,
) -> tuple[Detail, ...]:
    """Doors side by side, or drawers, with knobs or bars; their faces lie at ``y``. The grips of ``tall``
    doors are ``grip_m`` above the ground."""
    columns = max(1, round(2 * half_x / rng.uniform(0.35, 0.6)))
    rows = int(rng.integers(2, 5)) if not tall and rng.uniform() < 0.45 else 1
    knobs, panelled = rng.uniform() < 0.35, rng.uniform() < 0.35
    width, pitch = 2 * half_x / columns, (top - bottom) / rows
    doors = []
    for column in range(columns):
        for row in range(rows):
            x, half = -half_x + (column + 0.5) * width, width / 2 - 0.004
            low, high = bottom + row * pitch + 0.004, bottom + (row + 1) * pitch - 0.004
            leaf: list[Part] = [(board(x - half, x + half, y - 0.02, y, low, high), front)]
            if panelled:
                rim = min(0.06, half / 3, (high - low) / 4)
                leaf += [(mesh, front) for mesh in frame(x - half, x + half, y, y + 0.007, low, high, rim)]
            if rows > 1:
                grip_x, grip_z = x, (low + high) / 2 + 0.2 * (high - low)
            else:
                grip_x = x + (half - 0.05) * (1 if column % 2 == 0 else -1)
                grip_z = grip_m if tall else high - min(0.14, 0.3 * (high - low))
            if knobs:
                grip = box(0.024, 0.03, 0.024).moved(grip_x, y + 0.018, grip_z)
            elif rows > 1:
                grip = box(min(0.14, half), 0.012, 0.012).moved(grip_x, y + 0.022, grip_z)
            else:
                grip = box(0.012, 0.012, 0.14).moved(grip_x, y + 0.022, grip_z - 0.07)
            doors.append(Detail("cabinet door", leaf, (Detail("handle", [(grip, handle)]),)))
    return tuple(doors)

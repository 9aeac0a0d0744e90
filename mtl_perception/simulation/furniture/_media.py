# SPDX-License-Identifier: Apache-2.0
"""Televisions, on low cabinets and on walls."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials
from mtl_perception.simulation.furniture._fronts import front_style
from mtl_perception.simulation.furniture._legs import FREE, legs_at_corners
from mtl_perception.simulation.meshes import board, box, rounded_box
from mtl_perception.simulation.world import Detail, Item, Part, Support

Rng = np.random.Generator


def television(rng: Rng, hung: bool = False) -> Item:
    """Flat and large, its face towards +y; on two feet or one, or ``hung``, its z = 0 the lower edge."""
    wide, shell = rng.uniform(0.7, 1.25), materials.black(rng)
    high, rim, thick = 0.57 * wide, rng.uniform(0.008, 0.025), rng.uniform(0.03, 0.06)
    low = 0.0 if hung else rng.uniform(0.04, 0.08)
    parts: list[Part] = [
        (box(wide, thick, high).moved(0, 0, low), shell),
        (
            box(wide - 2 * rim, 0.002, high - 2 * rim, printed=True).moved(0, thick / 2 + 0.001, low + rim),
            materials.screen(rng),
        ),
    ]
    if not hung and rng.uniform() < 0.5:
        parts += [(box(0.03, 0.22, low).moved(side * 0.4 * wide), shell) for side in (-1, 1)]
    elif not hung:
        parts += [(rounded_box(0.4 * wide, 0.22, 0.012, 0.004, 1), shell), (box(0.08, 0.03, low + 0.05), shell)]
    return Item("screen", parts, wide / 2, thick / 2 + 0.002 if hung else 0.11, low + high)


def television_cabinet(rng: Rng) -> Item:
    """A low cabinet with a television on it."""
    body = materials.furniture(rng)
    front = materials.furniture(rng) if rng.uniform() < 0.4 else body
    half_x, half_y, height = rng.uniform(0.6, 1.0), rng.uniform(0.19, 0.25), rng.uniform(0.35, 0.6)
    foot = rng.uniform(0.03, 0.15)
    parts: list[Part] = [(board(-half_x, half_x, -half_y, half_y - 0.02, foot, height), body)]
    parts += legs_at_corners(half_x - 0.02, half_y - 0.03, foot, 0.035, rng.uniform() < 0.5, materials.leg(rng, body))
    doors: tuple[Detail, ...] = front_style(rng)(rng, half_x, half_y, foot, height - 0.02, False, front, body)
    screen, x = television(rng), rng.uniform(-0.1, 0.1)
    placed = [(mesh.moved(x, -0.03, height), stuff) for mesh, stuff in screen.parts]
    supports = []
    for x0, x1 in ((-half_x, x - screen.half_x), (x + screen.half_x, half_x)):
        if x1 - x0 > 0.14:
            supports.append(Support((x0 + x1) / 2, 0, height, (x1 - x0) / 2, half_y - 0.01, FREE))
    fixed = Item("screen", placed, screen.half_x, screen.half_y, height + screen.height)
    return Item("cabinet", parts, half_x, half_y + 0.03, height, tuple(supports), carries=(fixed,), details=doors)

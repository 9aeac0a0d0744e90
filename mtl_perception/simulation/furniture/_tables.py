# SPDX-License-Identifier: Apache-2.0
"""Tables and desks."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials
from mtl_perception.simulation.furniture._legs import FREE, legs_at_corners
from mtl_perception.simulation.meshes import (
    board,
    box,
    cylinder,
    lathe,
)
from mtl_perception.simulation.world import Detail, Item, Support

Rng = np.random.Generator


def dining_table(rng: Rng) -> Item:
    """Rectangular, with four legs or two panels, or round on a pedestal."""
    top, height, thick = materials.table_top(rng), rng.uniform(0.70, 0.78), rng.uniform(0.02, 0.045)
    legs = materials.leg(rng, top)
    if rng.uniform() < 0.22:
        radius = rng.uniform(0.4, 0.6)
        foot = radius * rng.uniform(0.5, 0.7)
        parts = [
            (cylinder(radius, thick, 36).moved(z=height - thick), top),
            (cylinder(rng.uniform(0.03, 0.06), height - thick, 14), legs),
            (lathe([(0, 0), (foot, 0), (foot, 0.015), (0.06, 0.05), (0, 0.05)], 24, printed=False), legs),
        ]
        inner = radius * 0.68
        return Item("table", parts, radius, radius, height, (Support(0, 0, height, inner, inner, FREE),))
    half_x, half_y = rng.uniform(0.5, 0.9), rng.uniform(0.35, 0.47)
    parts = [(box(2 * half_x, 2 * half_y, thick).moved(z=height - thick), top)]
    inset = rng.uniform(0.0, 0.08)
    if rng.uniform() < 0.8:
        thickness = rng.uniform(0.035, 0.08)
        parts += legs_at_corners(half_x - inset, half_y - inset, height - thick, thickness, rng.uniform() < 0.35, legs)
        if rng.uniform() < 0.6:  # apron
            x, y, low = (
                half_x - inset - thickness / 2,
                half_y - inset - thickness / 2,
                height - thick - rng.uniform(0.05, 0.1),
            )
            for side in (-1, 1):
                parts.append((board(-x, x, side * y - 0.01, side * y + 0.01, low, height - thick), legs))
                parts.append((board(side * x - 0.01, side * x + 0.01, -y, y, low, height - thick), legs))
    else:
        for side in (-1, 1):
            x = side * (half_x - inset - 0.02)
            parts.append((board(x - 0.018, x + 0.018, -half_y + 0.03, half_y - 0.03, 0, height - thick), legs))
    return Item("table", parts, half_x, half_y, height, (Support(0, 0, height, half_x, half_y, FREE),))


def coffee_table(rng: Rng) -> Item:
    top, height, thick = materials.table_top(rng), rng.uniform(0.35, 0.5), rng.uniform(0.02, 0.04)
    half_x, half_y = rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.35)
    legs = materials.leg(rng, top)
    parts = [(box(2 * half_x, 2 * half_y, thick).moved(z=height - thick), top)]
    parts += legs_at_corners(half_x, half_y, height - thick, rng.uniform(0.03, 0.06), rng.uniform() < 0.4, legs)
    if rng.uniform() < 0.4:
        parts.append((box(2 * half_x - 0.06, 2 * half_y - 0.06, 0.018).moved(z=0.12), top))
    return Item("table", parts, half_x, half_y, height, (Support(0, 0, height, half_x, half_y, FREE),))


def desk(rng: Rng) -> Item:
    """A writing desk for a wall, at times with a block of drawers."""
    top, height, thick = materials.table_top(rng), rng.uniform(0.71, 0.76), rng.uniform(0.02, 0.035)
    half_x, half_y = rng.uniform(0.5, 0.8), rng.uniform(0.28, 0.38)
    legs = materials.leg(rng, top)
    parts = [(box(2 * half_x, 2 * half_y, thick).moved(z=height - thick), top)]
    parts += legs_at_corners(half_x - 0.02, half_y - 0.02, height - thick, rng.uniform(0.03, 0.06), False, legs)
    drawers = []
    if rng.uniform() < 0.5:
        side, width = rng.choice([-1, 1]), rng.uniform(0.3, 0.4)
        middle, handle = side * (half_x - 0.08 - width / 2), materials.metal(rng)
        parts.append((box(width, 2 * half_y - 0.08, height - thick - 0.12).moved(middle, 0, 0.12), top))
        for row in range(3):
            z = 0.13 + row * (height - thick - 0.13) / 3
            high = (height - thick - 0.13) / 3 - 0.012
            left, right, y, bar = middle - width / 2 + 0.006, middle + width / 2 - 0.006, half_y - 0.028, z + high * 0.7
            grip = board(middle - 0.05, middle + 0.05, y, half_y - 0.013, bar, bar + 0.012)
            front = board(left, right, half_y - 0.045, y, z, z + high)
            drawers.append(Detail("cabinet door", [(front, legs)], (Detail("handle", [(grip, handle)]),)))
    top_side = Support(0, 0, height, half_x, half_y, FREE)
    return Item("table", parts, half_x, half_y, height, (top_side,), details=tuple(drawers))

# SPDX-License-Identifier: Apache-2.0
"""More tables: oval and rounded tops, trestles, crossed legs, frames of steel, long office desks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import materials
from mtl_perception.simulation.furniture._fronts import front_style
from mtl_perception.simulation.furniture._legs import FREE
from mtl_perception.simulation.furniture._tables import coffee_table, desk, dining_table
from mtl_perception.simulation.meshes import Mesh, board, cylinder, rotation_x, rotation_y, rounded_box, tube
from mtl_perception.simulation.world import Item, Material, Part, Support

Rng = np.random.Generator


def any_dining_table(rng: Rng) -> Item:
    """To sit at with others."""
    if rng.uniform() < 0.5:
        return dining_table(rng)
    height = rng.uniform(0.7, 0.78)
    return _table(rng, rng.uniform(0.5, 1.05), rng.uniform(0.36, 0.5), height)


def any_coffee_table(rng: Rng) -> Item:
    """Low."""
    if rng.uniform() < 0.5:
        return coffee_table(rng)
    return _table(rng, rng.uniform(0.3, 0.65), rng.uniform(0.25, 0.4), rng.uniform(0.33, 0.5))


def any_desk(rng: Rng) -> Item:
    """For a wall, at times with drawers."""
    if rng.uniform() < 0.4:
        return desk(rng)
    table = _table(rng, rng.uniform(0.5, 0.95), rng.uniform(0.3, 0.42), rng.uniform(0.7, 0.77), rectangular=True)
    if rng.uniform() < 0.5:
        return table
    width, side = rng.uniform(0.3, 0.42), float(rng.choice([-1, 1]))
    x, body, high, depth = (
        side * (table.half_x - 0.07 - width / 2),
        materials.furniture(rng),
        table.height - 0.06,
        2 * table.half_y - 0.1,
    )
    style = replace(front_style(rng), all_drawers=0.8)
    block: Part = (board(x - width / 2, x + width / 2, -depth / 2, depth / 2 - 0.02, 0.05, high), body)
    fronts = tuple(front.moved(x) for front in style(rng, width / 2, depth / 2, 0.05, high, False, body, body))
    return replace(table, parts=[*table.parts, block], details=fronts)


def _table(rng: Rng, half_x: float, half_y: float, height: float, rectangular: bool = False) -> Item:
    top, thick = materials.table_top(rng), rng.uniform(0.018, 0.05)
    legs = materials.leg(rng, top)
    oval = not rectangular and rng.uniform() < 0.3
    if oval:
        disc = cylinder(1.0, thick, 40)
        normals = disc.normals / (half_x, half_y, 1)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        slab = Mesh(disc.vertices * (half_x, half_y, 1), disc.vertices[:, :2] * (half_x, half_y), normals, disc.faces)
        reach = 0.7
    else:
        slab = rounded_box(2 * half_x, 2 * half_y, thick, rng.uniform(0.002, 0.45 * thick), 1)
        reach = 1.0
    parts: list[Part] = [(slab.moved(z=height - thick), top)]
    parts += _stand(rng, half_x * (0.65 if oval else 1.0), half_y * (0.65 if oval else 1.0), height - thick, legs)
    support = Support(0, 0, height, half_x * reach, half_y * reach, FREE)
    return Item("table", parts, half_x, half_y, height, (support,))


def _stand(rng: Rng, half_x: float, half_y: float, height: float, legs: Material) -> list[Part]:
    kind = rng.choice(["splayed", "trestles", "crossed", "frames", "tubes"])
    thick = rng.uniform(0.03, 0.06)
    inset = rng.uniform(0.04, 0.15)
    x, y = half_x - inset, half_y - 0.06
    parts: list[Part] = []
    if kind in ("splayed", "tubes"):
        out = rng.uniform(0.02, inset) if kind == "splayed" else 0.0
        for sx in (-1, 1):
            for sy in (-1, 1):
                path = np.linspace((sx * (x + out), sy * (y + min(out, 0.05)), 0), (sx * x, sy * y, height), 3)
                taper = np.array([0.6, 0.8, 1.0]) if kind == "splayed" else 1.0
                parts.append((tube(path, thick / 2 * taper, 10), legs))
    elif kind == "trestles":
        lean = np.arctan(0.7 * y / height)
        bar = rounded_box(thick, thick, height / np.cos(lean), 0.005, 1)
        for sx in (-1, 1):
            parts += [(bar.rotated(rotation_x(sy * lean)).moved(sx * x, sy * 0.85 * y), legs) for sy in (-1, 1)]
            parts.append(
                (
                    board(sx * x - thick / 2, sx * x + thick / 2, -y * 0.5, y * 0.5, height * 0.3, height * 0.3 + thick),
                    legs,
                )
            )
    elif kind == "crossed":
        lean = np.arctan(2 * y / height)
        bar = rounded_box(thick, thick, height / np.cos(lean), 0.005, 1)
        for sx in (-1, 1):
            parts += [(bar.rotated(rotation_x(sy * lean)).moved(sx * x + 0.01 * sy, sy * y), legs) for sy in (-1, 1)]
        parts.append((cylinder(thick / 3, 2 * x, 8).moved(z=-x).rotated(rotation_y(np.pi / 2)).moved(z=height / 2), legs))
    else:
        for sx in (-1, 1):
            for sy in (-1, 1):
                parts.append(
                    (
                        board(sx * x - thick / 2, sx * x + thick / 2, sy * y - thick / 2, sy * y + thick / 2, 0, height),
                        legs,
                    )
                )
            for z in (0.0, height - thick):
                parts.append((board(sx * x - thick / 2, sx * x + thick / 2, -y, y, z, z + thick), legs))
    return parts

# SPDX-License-Identifier: Apache-2.0
"""Screens of many sizes, and what lies on desks around them."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.meshes import (
    Mesh,
    box,
    cylinder,
    lathe,
    rotation_x,
    rounded_box,
    tube,
)
from mtl_perception.simulation.world import Item, Material, Part

Rng = np.random.Generator


def _shell(rng: Rng) -> Material:
    return materials.black(rng) if rng.uniform() < 0.65 else materials.plastic(rng)


def any_monitor(rng: Rng) -> Item:
    """Of a computer, on its foot; its face towards +y."""
    wide, shell = rng.uniform(0.4, 0.72), _shell(rng)
    high, rim, thick, low = (
        wide * rng.uniform(0.54, 0.64),
        rng.uniform(0.006, 0.022),
        rng.uniform(0.02, 0.05),
        rng.uniform(0.07, 0.18),
    )
    tilt = rotation_x(rng.uniform(0.0, 0.15))
    foot = (
        cylinder(rng.uniform(0.09, 0.13), 0.014, 24) if rng.uniform() < 0.4 else rounded_box(rng.uniform(0.18, 0.28), 0.18, 0.014, 0.005, 1)
    )
    panel = rounded_box(wide, thick, high, 0.006, 1).rotated(tilt).moved(0, 0, low)
    face = box(wide - 2 * rim, 0.002, high - 2 * rim, printed=True).moved(0, thick / 2, rim).rotated(tilt).moved(0, 0, low)
    neck = rounded_box(rng.uniform(0.03, 0.09), 0.03, low + 0.3 * high, 0.008, 1).moved(0, -thick)
    return Item(
        "screen",
        [(foot, shell), (neck, shell), (panel, shell), (face, materials.screen(rng))],
        wide / 2,
        0.11,
        low + high,
    )


def any_laptop(rng: Rng) -> Item:
    """Open, its keys towards +y."""
    shell = materials.metal(rng) if rng.uniform() < 0.55 else _shell(rng)
    wide, deep, thick = rng.uniform(0.28, 0.38), rng.uniform(0.2, 0.26), rng.uniform(0.012, 0.024)
    lean = rotation_x(rng.uniform(0.05, 0.55))
    hinge = -deep / 2 + 0.004
    lid = rounded_box(wide, 0.007, 0.95 * deep, 0.003, 1).rotated(lean).moved(0, hinge, thick)
    face = box(wide - 0.022, 0.002, 0.95 * deep - 0.03, printed=True).moved(0, 0.004, 0.02).rotated(lean).moved(0, hinge, thick)
    keys = Material(textures.keys(rng), 0.6)
    parts: list[Part] = [
        (rounded_box(wide, deep, thick, 0.004, 1), shell),
        (box(wide - 0.04, 0.45 * deep, 0.002, printed=True).moved(0, -0.14 * deep, thick - 0.001), keys),
        (box(0.1, 0.28 * deep, 0.001).moved(0, 0.3 * deep, thick), _shell(rng)),
        (lid, shell),
        (face, materials.screen(rng)),
    ]
    return Item("screen", parts, wide / 2 + 0.01, deep / 2 + 0.05, 0.95 * deep)


def keyboard(rng: Rng, max_height_m: float = 1.0) -> Item:
    wide, deep = rng.uniform(0.28, 0.46), rng.uniform(0.11, 0.16)
    shell, keys = _shell(rng), Material(textures.keys(rng), 0.6)
    parts: list[Part] = [
        (rounded_box(wide, deep, 0.02, 0.006, 1), shell),
        (box(wide - 0.015, deep - 0.015, 0.004, printed=True).moved(z=0.018), keys),
    ]
    return Item("keyboard", parts, wide / 2, deep / 2, 0.022)


def mouse(rng: Rng, max_height_m: float = 1.0) -> Item:
    shell = _shell(rng)
    body = rounded_box(0.06, 0.105, 0.036, 0.017)
    parts: list[Part] = [(body, shell), (box(0.006, 0.02, 0.004).moved(0, 0.025, 0.033), materials.black(rng))]
    return Item("mouse", parts, 0.032, 0.055, 0.037)


def phone(rng: Rng, max_height_m: float = 1.0) -> Item:
    parts: list[Part] = [
        (rounded_box(0.072, 0.15, 0.009, 0.004, 1), _shell(rng)),
        (box(0.066, 0.14, 0.001, printed=True).moved(z=0.0085), materials.screen(rng)),
    ]
    return Item("phone", parts, 0.037, 0.076, 0.01)


def papers(rng: Rng, max_height_m: float = 1.0) -> Item:
    """A sheet or a small stack of printed paper."""
    page = Material(textures.printed_page(rng), 0.9)
    meshes: list[Mesh] = []
    for level in range(int(rng.integers(1, 5))):
        mesh = box(0.21, 0.297, 0.002, printed=True).turned(rng.normal(0, 0.08)).moved(*rng.normal(0, 0.008, 2), 0.002 * level)
        meshes.append(mesh)
    return Item("paper", [(mesh, page) for mesh in meshes], 0.12, 0.16, 0.01)


def pens(rng: Rng, max_height_m: float = 1.0) -> Item:
    """Two or three pens that lie side by side."""
    parts: list[Part] = []
    for k in range(int(rng.integers(1, 4))):
        ends = np.array([(-0.07, 0.02 * k - 0.02, 0.005), (0.07, 0.02 * k - 0.02 + rng.normal(0, 0.01), 0.005)])
        parts.append((tube(np.linspace(*ends, 3), 0.0045, 6), materials.plastic(rng)))
    return Item("pen", parts, 0.075, 0.04, 0.01)


def desk_lamp(rng: Rng, max_height_m: float = 1.0) -> Item:
    """A lamp with a bent arm, or one with a shade."""
    stand = materials.metal(rng) if rng.uniform() < 0.5 else _shell(rng)
    shade = Material(textures.plain(rng, textures.pick(rng, textures.WALL_COLORS)), 0.8, emission=rng.uniform(0, 0.7))
    height = min(rng.uniform(0.3, 0.5), max_height_m - 0.02)
    if rng.uniform() < 0.5:
        base = lathe(
            [(0, 0), (0.06, 0), (0.05, 0.06), (0.012, 0.09), (0.012, 0.6 * height), (0, 0.6 * height)],
            18,
            printed=False,
        )
        hood = lathe([(0.13, 0.55 * height), (0.09, height), (0.088, height), (0.128, 0.55 * height)], 22)
        return Item("lamp", [(base, stand), (hood, shade)], 0.13, 0.13, height)
    path = np.array([(0, -0.05, 0.02), (0, -0.09, 0.5 * height), (0, -0.02, 0.95 * height), (0, 0.08, 0.97 * height)])
    head = lathe([(0.055, 0.0), (0.02, 0.07), (0, 0.08)], 16).rotated(rotation_x(0.4)).moved(0, 0.1, 0.9 * height - 0.03)
    parts: list[Part] = [
        (cylinder(0.07, 0.02, 20).moved(0, -0.05), stand),
        (tube(path, 0.008, 8, across=(1.0, 0.0, 0.0)), stand),
        (head, stand),
    ]
    return Item("lamp", parts, 0.08, 0.14, height)

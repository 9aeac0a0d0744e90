# SPDX-License-Identifier: Apache-2.0
"""Screens, plants, candles."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import furniture, materials, textures
from mtl_perception.simulation.meshes import (
    box,
    cylinder,
    lathe,
    rotation_x,
)
from mtl_perception.simulation.world import Item, Material

Rng = np.random.Generator


def laptop(rng: Rng, max_height_m: float) -> Item:
    shell, dark = materials.metal(rng), Material(textures.plain(rng, (0.08, 0.08, 0.09)), 0.4)
    screen = Material(
        textures.picture(rng) if rng.uniform() < 0.6 else textures.plain(rng, (0.05, 0.05, 0.06)),
        0.2,
        emission=0.3,
    )
    lean = rotation_x(rng.uniform(0.1, 0.5))
    parts = [
        (box(0.33, 0.23, 0.016), shell),
        (box(0.29, 0.11, 0.002).moved(0, -0.03, 0.016), dark),
        (box(0.33, 0.008, 0.22).rotated(lean).moved(0, -0.112, 0.014), shell),
        (
            box(0.3, 0.002, 0.19, printed=True).moved(0, 0.005, 0.015).rotated(lean).moved(0, -0.112, 0.014),
            screen,
        ),
    ]
    return Item("screen", parts, 0.17, 0.17, 0.24)


def monitor(rng: Rng, max_height_m: float) -> Item:
    shell = materials.plastic(rng)
    screen = Material(
        textures.picture(rng) if rng.uniform() < 0.6 else textures.plain(rng, (0.05, 0.05, 0.06)),
        0.2,
        emission=0.3,
    )
    parts = [
        (box(0.22, 0.16, 0.012), shell),
        (box(0.05, 0.02, 0.2).moved(0, -0.02), shell),
        (box(0.54, 0.025, 0.33).moved(z=0.12), shell),
        (box(0.51, 0.002, 0.3, printed=True).moved(0, 0.0135, 0.135), screen),
    ]
    return Item("screen", parts, 0.27, 0.1, 0.45)


def candle(rng: Rng, max_height_m: float) -> Item:
    holder, wax = (
        materials.metal(rng),
        Material(textures.plain(rng, textures.pick(rng, textures.WALL_COLORS)), 0.8),
    )
    tall = min(rng.uniform(0.12, 0.26), max_height_m - 0.03)
    parts = [
        (
            lathe(
                [(0, 0), (0.05, 0), (0.045, 0.008), (0.012, 0.02), (0.012, 0.035), (0, 0.035)],
                18,
                printed=False,
            ),
            holder,
        )
    ]
    parts.append((cylinder(0.01, tall - 0.03, 10).moved(z=0.03), wax))
    return Item("candle", parts, 0.05, 0.05, tall)


def small_plant(rng: Rng, max_height_m: float) -> Item:
    return furniture.plant(rng, scale=min(0.45, max(0.15, (max_height_m - 0.02) / 1.25)))

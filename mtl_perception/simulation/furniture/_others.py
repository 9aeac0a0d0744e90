# SPDX-License-Identifier: Apache-2.0
"""Bins, plants and lamps."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.meshes import (
    cylinder,
    lathe,
    tube,
)
from mtl_perception.simulation.world import Item, Material

Rng = np.random.Generator


def waste_bin(rng: Rng) -> Item:
    """Round, square or pedal bin."""
    body = materials.metal(rng) if rng.uniform() < 0.3 else materials.plastic(rng)
    radius, height, taper = rng.uniform(0.1, 0.19), rng.uniform(0.26, 0.6), rng.uniform(0.75, 1.0)
    if rng.uniform() < 0.3:  # with a lid
        lid = body if rng.uniform() < 0.5 else materials.plastic(rng)
        parts = [
            (lathe([(0, 0), (radius * taper, 0), (radius, height)], 24, printed=False), body),
            (
                lathe(
                    [
                        (radius + 0.004, height),
                        (radius + 0.004, height + 0.02),
                        (radius * 0.7, height + 0.06),
                        (0, height + 0.07),
                    ],
                    24,
                    printed=False,
                ),
                lid,
            ),
        ]
        return Item("bin", parts, radius, radius, height + 0.07)
    sides = 4 if rng.uniform() < 0.3 else 24
    wall = 0.006
    profile = [
        (0, 0),
        (radius * taper, 0),
        (radius, height),
        (radius - wall, height),
        (radius * taper - wall, 0.01),
        (0, 0.01),
    ]
    mesh = lathe(profile, sides, printed=False).turned(np.pi / 4)
    liner = Material(textures.plain(rng, (0.1, 0.1, 0.11)), 0.4)
    parts = [(mesh, body)]
    if rng.uniform() < 0.3:  # paper inside
        parts.append((cylinder(radius * taper - 0.01, height * 0.7, 20).moved(z=0.01), liner))
    return Item("bin", parts, radius, radius, height)


def plant(rng: Rng, scale: float = 1.0) -> Item:
    """A pot with leaves."""
    pot, soil = materials.glaze(rng), Material(textures.plain(rng, (0.16, 0.11, 0.08)), 1.0)
    green = Material(
        textures.peel(rng, textures.color(rng.uniform(0.25, 0.37), rng.uniform(0.4, 0.75), rng.uniform(0.25, 0.5))),
        0.7,
    )
    radius, pot_height = scale * rng.uniform(0.1, 0.16), scale * rng.uniform(0.18, 0.32)
    parts = [
        (
            lathe(
                [
                    (0, 0),
                    (radius * 0.75, 0),
                    (radius, pot_height),
                    (radius * 0.9, pot_height),
                    (radius * 0.88, pot_height * 0.9),
                ],
                20,
            ),
            pot,
        ),
        (cylinder(radius * 0.89, 0.01, 16).moved(z=pot_height * 0.88), soil),
    ]
    reach, tip = scale * rng.uniform(0.2, 0.4), scale * rng.uniform(0.35, 0.9)
    for _ in range(int(rng.integers(9, 18))):
        t = np.linspace(0, 1, 6)
        out, up = reach * rng.uniform(0.3, 1), tip * rng.uniform(0.6, 1)
        path = np.stack([out * t**1.6, np.zeros(6), pot_height * 0.9 + up * (t - 0.25 * t**3)], 1)
        width = scale * rng.uniform(0.015, 0.035)
        leaf = tube(path, width * np.array([0.15, 0.6, 1.0, 1.0, 0.7, 0.05]), 6)
        parts.append((leaf.turned(rng.uniform(0, 2 * np.pi)), green))
    return Item("plant", parts, max(radius, 0.7 * reach), max(radius, 0.7 * reach), pot_height + tip)


def floor_lamp(rng: Rng) -> Item:
    stand = materials.metal(rng)
    shade = Material(textures.fabric(rng, (0.93, 0.9, 0.82)), 0.9, emission=rng.uniform(0, 0.6))
    height, radius = rng.uniform(1.3, 1.65), rng.uniform(0.12, 0.2)
    parts = [
        (cylinder(0.14, 0.025, 20), stand),
        (cylinder(0.012, height, 8), stand),
        (
            lathe(
                [
                    (radius, height - 0.1),
                    (radius * 0.7, height + 0.18),
                    (radius * 0.69, height + 0.18),
                    (radius * 0.99, height - 0.1),
                ],
                20,
            ),
            shade,
        ),
    ]
    return Item("lamp", parts, radius, radius, height + 0.18)

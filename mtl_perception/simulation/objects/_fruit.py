# SPDX-License-Identifier: Apache-2.0
"""Fruit."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import textures
from mtl_perception.simulation.meshes import (
    Mesh,
    lathe,
    tube,
)
from mtl_perception.simulation.objects._items import laid_down, one_material
from mtl_perception.simulation.world import Item, Material

Rng = np.random.Generator


def fruit(rng: Rng, max_height_m: float) -> Item:
    """Apple, orange, lemon, pear, banana, plum, melon."""
    kinds = ["apple", "orange", "lemon", "pear", "banana", "plum", "melon"]
    kind = rng.choice(kinds, p=[0.3, 0.21, 0.12, 0.12, 0.15, 0.06, 0.04])
    rough = rng.uniform(0.3, 0.6)
    if kind in ("plum", "melon"):
        plum = kind == "plum" or max_height_m < 0.25
        colors = ((0.35, 0.1, 0.2), (0.75, 0.3, 0.15)) if plum else ((0.75, 0.72, 0.4), (0.25, 0.42, 0.15))
        skin = textures.peel(rng, textures.jitter(rng, colors[int(rng.integers(2))]))
        radius = rng.uniform(0.02, 0.028) if plum else rng.uniform(0.07, 0.1)
        return one_material("fruit", _round_fruit(radius, rng.uniform(0.9, 1.15), 0.05), Material(skin, rough))
    if kind == "apple":
        red, green, yellow = (0.68, 0.10, 0.09), (0.50, 0.66, 0.20), (0.86, 0.70, 0.25)
        base, blush = ((red, None), (green, None), (green, red), (yellow, red))[int(rng.integers(4))]
        mesh = _round_fruit(rng.uniform(0.032, 0.042), 0.92, 0.18)
        stem = tube(np.array([[0, 0, 0], [0.001, 0, 0.01], [0.004, 0, 0.02]]), 0.002, 5).moved(z=mesh.vertices[:, 2].max() - 0.008)
        item = one_material("fruit", mesh, Material(textures.peel(rng, textures.jitter(rng, base), blush), rough))
        item.parts.append((stem, Material(textures.plain(rng, (0.25, 0.17, 0.1)), 0.9)))
        return item
    if kind == "orange":
        return one_material(
            "fruit",
            _round_fruit(rng.uniform(0.033, 0.043), 0.97, 0.04),
            Material(textures.peel(rng, textures.jitter(rng, (0.92, 0.52, 0.10))), rough),
        )
    if kind == "lemon":
        skin = textures.peel(rng, textures.jitter(rng, (0.93, 0.82, 0.22) if rng.uniform() < 0.75 else (0.40, 0.62, 0.18)))
        mesh = _round_fruit(rng.uniform(0.025, 0.03), 1.35, -0.12)
        radius = mesh.vertices[:, 0].max()
        return laid_down(one_material("fruit", mesh, Material(skin, rough)), radius)
    if kind == "pear":
        z = np.linspace(0, 1, 12)
        radius = 0.036 * np.sqrt(np.clip(np.sin(np.pi * z**0.75), 0, None)) * (1.12 - 0.55 * z)
        radius[[0, -1]] = 0
        skin = textures.peel(rng, textures.jitter(rng, (0.70, 0.72, 0.28)), (0.75, 0.5, 0.2) if rng.uniform() < 0.4 else None)
        return one_material("fruit", lathe(list(zip(radius, 0.095 * z, strict=True)), 20), Material(skin, rough))
    bend = np.linspace(-0.75, 0.75, 11)
    path = np.stack([0.1 * np.sin(bend), 0.1 * np.cos(bend) - 0.085, np.full(11, 0.017)], 1)
    radius = 0.017 * np.array([0.2, 0.55, 0.85, 1, 1, 1, 1, 1, 0.9, 0.6, 0.25])
    skin = textures.peel(rng, textures.jitter(rng, (0.92, 0.80, 0.25)))
    return one_material("fruit", tube(path, radius, 10), Material(skin, rough))


def _round_fruit(radius: float, stretch: float, dimple: float) -> Mesh:
    angle = np.linspace(0, np.pi, 14)
    shape = radius * (1 - dimple * (np.cos(angle) ** 8))
    profile = np.stack([shape * np.sin(angle), -shape * stretch * np.cos(angle)], 1)
    profile[[0, -1], 0] = 0
    profile[:, 1] -= profile[:, 1].min()
    return lathe([(r, z) for r, z in profile], 22)

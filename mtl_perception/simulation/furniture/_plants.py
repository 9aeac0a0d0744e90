# SPDX-License-Identifier: Apache-2.0
"""More plants: arching blades, upright blades, bushes, small trees; in pots of many kinds."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.furniture._others import plant
from mtl_perception.simulation.meshes import Mesh, lathe, merge, rotation_y, rounded_box, sheet, tube
from mtl_perception.simulation.world import Item, Material, Part

Rng = np.random.Generator


def any_plant(rng: Rng, scale: float = 1.0) -> Item:
    """``scale`` 1 stands on the floor, some 0.5 to 1.5 m high."""
    kind = rng.choice(["old", "arching", "upright", "bush", "tree"], p=[0.2, 0.24, 0.16, 0.22, 0.18])
    if kind == "old":
        return plant(rng, scale)
    parts, radius, rim = _pot(rng, scale)
    leaf = _leaf_material(rng)
    if kind == "arching":
        top, reach = scale * rng.uniform(0.3, 0.8), scale * rng.uniform(0.25, 0.5)
        meshes = [
            _blade(rng, reach * rng.uniform(0.4, 1), top * rng.uniform(0.6, 1), scale * rng.uniform(0.02, 0.06))
            for _ in range(int(rng.integers(10, 26)))
        ]
    elif kind == "upright":
        top, reach = scale * rng.uniform(0.3, 0.9), scale * 0.15
        meshes = [
            _blade(rng, reach * rng.uniform(0.1, 1), top * rng.uniform(0.5, 1), scale * rng.uniform(0.025, 0.05))
            for _ in range(int(rng.integers(6, 14)))
        ]
    else:
        trunk = 0.0 if kind == "bush" else scale * rng.uniform(0.3, 0.8)
        reach, tall = scale * rng.uniform(0.15, 0.35), scale * rng.uniform(0.15, 0.4)
        top = trunk + 2 * tall
        if trunk:
            bark = Material(textures.wood(rng, (0.35, 0.25, 0.17)), 0.95)
            bend = np.linspace(0, 1, 5)[:, None] * (
                0.03 * scale * rng.normal(),
                0.03 * scale * rng.normal(),
                trunk + tall,
            )
            parts.append((tube(bend, 0.02 * scale, 8).moved(z=rim), bark))
        meshes = _crown(rng, reach, tall, trunk + tall, scale)
    parts.append((merge(meshes).moved(z=rim), leaf))
    half = max(radius, 0.75 * reach)
    return Item("plant", parts, half, half, rim + top)


def _leaf_material(rng: Rng) -> Material:
    green = textures.color(rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.8), rng.uniform(0.2, 0.6))
    edge = textures.color(rng.uniform(0.15, 0.35), rng.uniform(0.2, 0.6), rng.uniform(0.5, 0.85)) if rng.uniform() < 0.35 else None
    return Material(textures.peel(rng, green, edge), rng.uniform(0.4, 0.8))


def _pot(rng: Rng, scale: float) -> tuple[list[Part], float, float]:
    """A pot with soil, its radius, and the height of the soil."""
    stuff = materials.glaze(rng) if rng.uniform() < 0.6 else Material(textures.plain(rng, textures.jitter(rng, (0.62, 0.33, 0.22))), 0.9)
    soil = Material(textures.plain(rng, (0.16, 0.11, 0.08)), 1.0)
    radius, height = scale * rng.uniform(0.1, 0.18), scale * rng.uniform(0.16, 0.36)
    foot, wall = radius * rng.uniform(0.6, 1.0), 0.92
    if rng.uniform() < 0.2:
        body = rounded_box(2 * radius, 2 * radius, height, 0.01 * scale, 1)
        return (
            [
                (body, stuff),
                (rounded_box(2 * wall * radius, 2 * wall * radius, 0.01, 0.002, 1).moved(z=height - 0.004), soil),
            ],
            radius,
            height,
        )
    profile = [(0, 0), (foot, 0), (radius, height), (wall * radius, height), (wall * radius, 0.88 * height)]
    if rng.uniform() < 0.3:  # a rim
        profile[2:3] = [(0.95 * radius, 0.8 * height), (1.06 * radius, 0.8 * height), (1.06 * radius, height)]
    disc = lathe([(wall * radius, 0.88 * height), (0, 0.9 * height)], 16, printed=False)
    return [(lathe(profile, 22), stuff), (disc, soil)], radius, 0.88 * height


def _blade(rng: Rng, reach: float, top: float, half_width: float) -> Mesh:
    """One long leaf from the origin, up and out."""
    t = np.linspace(0, 1, 8)
    middle = np.stack([reach * t**1.7, np.zeros(8), top * (1.3 * t - 0.3 * t**3.5)], 1)
    width = half_width * np.sin(np.pi * (0.12 + 0.88 * t)) ** 0.7
    side = np.zeros((8, 3))
    side[:, 1] = width
    fold = np.zeros((8, 3))
    fold[:, 2] = 0.25 * width
    return sheet(np.stack([middle - side + fold, middle, middle + side + fold], 1)).turned(rng.uniform(0, 2 * np.pi))


def _crown(rng: Rng, reach: float, tall: float, middle: float, scale: float) -> list[Mesh]:
    """Leaves all around a round crown."""
    meshes = []
    length, width = scale * rng.uniform(0.05, 0.12), scale * rng.uniform(0.02, 0.05)
    t = np.linspace(0, 1, 4)
    spine = np.stack([length * t, np.zeros(4), -0.2 * length * t**2], 1)
    side = np.zeros((4, 3))
    side[:, 1] = width * np.sin(np.pi * (0.1 + 0.85 * t))
    leaf = sheet(np.stack([spine - side, spine, spine + side], 1))
    for _ in range(int(rng.integers(50, 130))):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        at = direction * (reach, reach, tall) * rng.uniform(0.4, 1.0) ** 0.5
        yaw, pitch = (
            np.arctan2(direction[1], direction[0]) + rng.normal(0, 0.5),
            -np.arcsin(direction[2]) * 0.6 + rng.normal(0, 0.35),
        )
        meshes.append(leaf.rotated(rotation_y(pitch)).turned(yaw).moved(at[0], at[1], at[2] + middle))
    return meshes

# SPDX-License-Identifier: Apache-2.0
"""Cans, bottles, cups and bowls."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.meshes import (
    Mesh,
    box,
    corners,
    lathe,
    rotation_x,
    tube,
)
from mtl_perception.simulation.objects._items import laid_down, one_material
from mtl_perception.simulation.world import Item, Material

Rng = np.random.Generator


def can(rng: Rng, max_height_m: float) -> Item:
    """A drink, a tin of food, a flat tin of fish or a spray can."""
    radius, height = (
        (0.033, rng.uniform(0.115, 0.168)),
        (rng.uniform(0.036, 0.05), rng.uniform(0.06, 0.12)),
        (rng.uniform(0.04, 0.052), rng.uniform(0.035, 0.055)),
        (rng.uniform(0.05, 0.07), rng.uniform(0.14, 0.19)),
    )[int(rng.choice(4, p=[0.5, 0.33, 0.09, 0.08]))]
    height = min(height, max_height_m - 0.015)
    rim = radius * 0.86
    side = lathe([(0, 0), (rim, 0), (radius, 0.008), (radius, height - 0.012), (rim, height)], 24)
    lid = lathe(
        [(rim, height), (rim * 0.95, height), (rim * 0.93, height - 0.004), (0, height - 0.004)],
        24,
        printed=False,
    )
    print_ = Material(textures.printed_label(rng), rng.uniform(0.25, 0.5), metallic=rng.uniform(0, 0.3))
    tin = Material(textures.plain(rng, (0.75, 0.75, 0.76)), 0.3, metallic=0.6)
    item = Item("can", [(side, print_), (lid, tin)], radius, radius, height)
    return laid_down(item, radius) if rng.uniform() < 0.06 else item


def bottle(rng: Rng, max_height_m: float) -> Item:
    """Wine or water, a squat flask, a sauce bottle, or a sprayer with its trigger."""
    kind = rng.choice(["slim", "squat", "straight", "sprayer"], p=[0.5, 0.2, 0.2, 0.1])
    height = rng.uniform(0.12, 0.2) if kind == "squat" else rng.uniform(0.17, 0.33)
    radius = height * (rng.uniform(0.2, 0.28) if kind == "squat" else rng.uniform(0.11, 0.16))
    neck = radius * (rng.uniform(0.5, 0.75) if kind == "straight" else rng.uniform(0.26, 0.42))
    shoulder = rng.uniform(0.66, 0.74) if kind == "straight" else rng.uniform(0.5, 0.7)
    waist = radius * (rng.uniform(0.78, 0.95) if rng.uniform() < 0.25 else 1.0)
    profile = [
        (0, 0), (radius * 0.92, 0), (radius, 0.012), (waist, height * shoulder * 0.55), (radius, height * shoulder),
        (radius * 0.9, height * (shoulder + 0.06)), (neck * 1.3, height * min(shoulder + 0.2, 0.88)),
        (neck, height * 0.9),
        (neck * 1.15, height * 0.91), (neck * 1.15, height), (0, height),
    ]  # fmt: skip
    material = Material(textures.bottle_skin(rng), rng.uniform(0.1, 0.45))
    meshes = [lathe(profile, 24)]
    if kind == "sprayer":
        head = box(0.022, radius + 0.03, 0.025).moved(0, (radius + 0.03) / 2 - neck, height)
        trigger = box(0.01, 0.006, 0.045).rotated(rotation_x(0.35)).moved(0, radius * 0.7, height - 0.035)
        meshes += [head, trigger]
    item = one_material("bottle", meshes, material)
    if item.height > max_height_m - 0.015 or (kind != "sprayer" and rng.uniform() < 0.05):
        lying = laid_down(item, radius)
        return lying if lying.height < max_height_m - 0.01 else can(rng, max_height_m)
    return item


def cup(rng: Rng, max_height_m: float) -> Item:
    """A mug, a tea cup, a tumbler, or a paper cup with its lid."""
    if rng.uniform() < 0.16:
        return _paper_cup(rng, max_height_m)
    wide = rng.uniform() < 0.25
    radius = rng.uniform(0.042, 0.052) if wide else rng.uniform(0.034, 0.046)
    height = min(rng.uniform(0.05, 0.07) if wide else rng.uniform(0.07, 0.12), max_height_m - 0.015)
    foot, wall = radius * (rng.uniform(0.5, 0.7) if wide else rng.uniform(0.7, 1.0)), 0.004
    belly = (foot + radius) / 2 * (rng.uniform(1.02, 1.14) if rng.uniform() < 0.4 else 1.0)
    body = lathe([
        (0, 0), (foot, 0), (belly, height * 0.45), (radius, height), (radius - wall, height),
        (belly - wall, height * 0.45), (foot - wall, 0.006), (0, 0.006),
    ], 24)  # fmt: skip
    meshes = [body]
    if rng.uniform() < 0.75:
        angle, grip = np.linspace(-np.pi / 2, np.pi / 2, 9), height * 0.28
        middle = (foot + radius) / 2 - 0.003
        path = np.stack([middle + grip * 0.95 * np.cos(angle), np.zeros(9), height / 2 + grip * np.sin(angle)], 1)
        meshes.append(tube(path, 0.0055, 8))
    item = one_material("cup", meshes, materials.glaze(rng))
    if rng.uniform() < 0.4:  # something to drink
        drink = textures.plain(rng, ((0.16, 0.09, 0.05), (0.45, 0.22, 0.08), (0.9, 0.88, 0.82))[int(rng.integers(3))])
        level = height * rng.uniform(0.6, 0.85)
        surface = lathe([((belly + radius) / 2 - wall - 0.002, level), (0, level)], 20, printed=False)
        item.parts.append((surface, Material(drink, 0.15)))
    if wide and rng.uniform() < 0.6:  # on its saucer
        saucer = lathe([(0, 0), (0.04, 0), (0.075, 0.012), (0.073, 0.014), (0.04, 0.004), (0, 0.004)], 24)
        return Item(
            "cup", [(m.moved(z=0.004), stuff) for m, stuff in item.parts] + [(saucer, item.parts[0][1])],
            0.076, 0.076, height + 0.004,
        )  # fmt: skip
    return item


def _paper_cup(rng: Rng, max_height_m: float) -> Item:
    radius, height = rng.uniform(0.038, 0.046), min(rng.uniform(0.09, 0.15), max_height_m - 0.02)
    body = lathe([(0, 0), (radius * 0.7, 0), (radius, height), (0, height)], 24)
    print_ = textures.printed_label(rng) if rng.uniform() < 0.6 else textures.plain(rng, textures.vivid(rng))
    lid = Material(textures.plain(rng, (0.93, 0.92, 0.9) if rng.uniform() < 0.6 else (0.12, 0.11, 0.11)), 0.5)
    rim = radius + 0.003
    top = lathe([(rim, height - 0.004), (rim, height + 0.004), (radius * 0.85, height + 0.01), (0, height + 0.01)], 24)
    return Item("cup", [(body, Material(print_, 0.8)), (top, lid)], rim, rim, height + 0.01)


def bowl(rng: Rng, max_height_m: float) -> Item:
    """A salad bowl, a deep cereal bowl or a wide shallow one."""
    radius, height = (
        (rng.uniform(0.07, 0.14), rng.uniform(0.045, 0.09)),
        (rng.uniform(0.06, 0.085), rng.uniform(0.06, 0.085)),
        (rng.uniform(0.11, 0.16), rng.uniform(0.035, 0.055)),
    )[int(rng.choice(3, p=[0.5, 0.3, 0.2]))]
    wall, height = 0.006, min(height, max_height_m - 0.015)
    angle = np.linspace(0, np.pi / 2, 7)[1:]
    outer = [(radius * (0.42 + 0.58 * np.sin(a)), height * (1 - np.cos(a))) for a in angle]
    inner = [(max(r - wall, 0), z + wall * 0.6) for r, z in outer[::-1][1:]]
    profile = [(0, 0), (radius * 0.42, 0), *outer, (radius - wall, height), *inner, (0, wall)]
    material = materials.glaze(rng) if rng.uniform() < 0.8 else Material(textures.wood(rng), 0.6)
    item = one_material("bowl", lathe(profile, 28), material)
    return replace(item, solids=tuple(_shell_pieces([(0, wall), *inner[::-1]], 12)))


def _shell_pieces(profile: list[tuple[float, float]], sectors: int) -> Iterator[Mesh]:
    """Convex pieces that line the outside of a surface of revolution, given by its (radius, z) upwards."""
    angle = np.arange(sectors + 1) * 2 * np.pi / sectors
    for (r0, z0), (r1, z1) in zip(profile[::2], profile[2::2], strict=False):
        ring = np.array([(r0, z0), (r1, z1), (r1 + 0.006, z1), (r0 + 0.006, max(z0 - 0.006, 0))])
        for a, b in itertools.pairwise(angle):
            points = [(r * np.cos(t), r * np.sin(t), z) for r, z in ring for t in (a, b)]
            yield corners(np.array(points))

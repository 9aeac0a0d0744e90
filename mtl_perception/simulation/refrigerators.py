# SPDX-License-Identifier: Apache-2.0
"""Refrigerators: one door, a freezer above or below, two doors side by side."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import handles, materials, textures
from mtl_perception.simulation.meshes import Mesh, board, box, rounded_box
from mtl_perception.simulation.world import Detail, Item, Material, Part, Support

Rng = np.random.Generator


def refrigerator(rng: Rng) -> Item:
    """Its doors towards +y; some low enough to stand objects on."""
    kind = str(rng.choice(["one", "two", "side by side", "french", "low"], p=[0.17, 0.43, 0.16, 0.09, 0.15]))
    wide = kind in ("side by side", "french")
    half_x = rng.uniform(0.4, 0.47) if wide else rng.uniform(0.26, 0.38)
    half_y, height = rng.uniform(0.28, 0.35), rng.uniform(0.8, 0.95) if kind == "low" else rng.uniform(1.35, 1.95)
    shell = _shell(rng)
    sides = shell if rng.uniform() < 0.6 else Material(textures.plain(rng, (0.25, 0.25, 0.26)), 0.5)
    grip = handles.refrigerator_grip(rng) if rng.uniform() < 0.85 else None
    handle = shell if rng.uniform() < 0.3 else handles.material(rng)
    door_m, gap, round_edges = rng.uniform(0.045, 0.07), 0.005, rng.uniform() < 0.35
    seal = Material(textures.plain(rng, (0.15, 0.15, 0.15)), 0.8)
    parts: list[Part] = [
        (board(-half_x, half_x, -half_y, half_y - door_m - 0.008, 0.0, height), sides),
        (board(-half_x + 0.01, half_x - 0.01, half_y - door_m - 0.008, half_y - door_m, 0.05, height - 0.01), seal),
    ]
    split, foot = height * (rng.uniform(0.28, 0.42) if rng.uniform() < 0.5 else rng.uniform(0.62, 0.75)), 0.04
    hinge = int(rng.choice([-1, 1]))
    whole = (-half_x, half_x)
    leaves = {
        "one": [(*whole, foot, height, hinge)],
        "low": [(*whole, foot, height, hinge)],
        "two": [(*whole, foot, split, hinge), (*whole, split, height, hinge)],
        "side by side": [(-half_x, 0.0, foot, height, -1), (0.0, half_x, foot, height, 1)],
        "french": [(-half_x, 0.0, 0.7, height, -1), (0.0, half_x, 0.7, height, 1), (*whole, foot, 0.7, 0)],
    }[kind]
    doors = [
        _door(
            x0 + gap / 2,
            x1 - gap / 2,
            (low + gap / 2, top - gap / 2),
            half_y,
            door_m,
            side,
            shell,
            grip,
            handle,
            round_edges,
        )
        for x0, x1, low, top, side in leaves
    ]
    if kind == "side by side" and rng.uniform() < 0.5:  # water and ice
        dark = Material(textures.plain(rng, (0.06, 0.06, 0.07)), 0.3)
        panel = box(0.18, 0.012, 0.3).moved(-half_x / 2, half_y + 0.006, rng.uniform(0.95, 1.1))
        doors[0].parts.append((panel, dark))
    if rng.uniform() < 0.25:  # notes under magnets
        for _ in range(int(rng.integers(1, 4))):
            x, z = rng.uniform(-0.5, 0.5) * (half_x - 0.1), rng.uniform(0.5, 1.3)
            if z + 0.14 < leaves[0][3]:
                note = Material(textures.printed_page(rng), 0.9)
                doors[0].parts.append((box(0.1, 0.002, 0.13, printed=True).moved(x, half_y + 0.001, z), note))
    top = Support(0, 0, height, half_x, half_y - 0.05, 0.4)
    return Item("refrigerator", parts, half_x, half_y + 0.05, height, (top,), details=tuple(doors))


def _door(
    x0: float, x1: float, heights: tuple[float, float], face: float, thick: float, hinge: int, shell: Material,
    grip: handles.Grip | None, handle: Material, round_edges: bool,
) -> Detail:  # fmt: skip
    """A door, or a drawer where ``hinge`` is 0."""
    low, high = heights
    leaf: Mesh = (
        rounded_box(x1 - x0, thick, high - low, 0.02).moved((x0 + x1) / 2, face - thick / 2, low)
        if round_edges
        else board(x0, x1, face - thick, face, low, high)
    )
    if grip is None:
        return Detail("refrigerator door", [(leaf, shell)])
    meshes = grip(hinge != 0)
    reach = max(float(np.abs(mesh.vertices[:, 2 if hinge else 0]).max()) for mesh in meshes)
    x = (x0 + x1) / 2 if hinge == 0 else (x0 + 0.05 if hinge > 0 else x1 - 0.05)
    if hinge == 0:
        z = high - 0.08
    else:  # at hand, and on its door
        z = float(np.clip(1.05, low + min(reach, (high - low) / 2) + 0.03, high - min(reach, (high - low) / 2) - 0.03))
        scale = min(1.0, 0.8 * (high - low) / (2 * reach))
        meshes = [Mesh(mesh.vertices * (1, 1, scale), mesh.uv, mesh.normals, mesh.faces) for mesh in meshes]
    return Detail("refrigerator door", [(leaf, shell)], (Detail("handle", [(mesh.moved(x, face, z), handle) for mesh in meshes]),))


def _shell(rng: Rng) -> Material:
    drawn = rng.uniform()
    if drawn < 0.45:
        return Material(textures.plain(rng, textures.jitter(rng, (0.9, 0.9, 0.88))), rng.uniform(0.2, 0.5))
    if drawn < 0.75:
        return materials.metal(rng)
    if drawn < 0.87:
        return Material(textures.plain(rng, (0.06, 0.06, 0.065)), rng.uniform(0.1, 0.4))
    return Material(textures.plain(rng, textures.vivid(rng)), 0.3)

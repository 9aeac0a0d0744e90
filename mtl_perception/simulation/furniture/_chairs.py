# SPDX-License-Identifier: Apache-2.0
"""More chairs: bent shells, cantilevers of tube, lounge chairs of bent wood, office chairs with arms."""

from __future__ import annotations

import itertools

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.furniture._seats import chair as plain_chair
from mtl_perception.simulation.furniture._soft import armchair, cloth
from mtl_perception.simulation.meshes import (
    Mesh,
    cylinder,
    rotation_x,
    rotation_z,
    rounded_box,
    sheet,
    tube,
)
from mtl_perception.simulation.world import Item, Material, Part, Support

Rng = np.random.Generator


def any_chair(rng: Rng) -> Item:
    """A chair for a table or a desk; its back is at -y."""
    kinds = (plain_chair, _shell_chair, _cantilever, office_chair)
    return kinds[int(rng.choice(len(kinds), p=[0.46, 0.22, 0.16, 0.16]))](rng)


def easy_chair(rng: Rng) -> Item:
    """An upholstered armchair, or a lounge chair of bent wood."""
    return armchair(rng) if rng.uniform() < 0.6 else _lounge_chair(rng)


def _stuff(rng: Rng) -> Material:
    drawn = rng.uniform()
    if drawn < 0.35:
        return materials.plastic(rng)
    if drawn < 0.5:
        return Material(textures.plain(rng, textures.jitter(rng, (0.08, 0.08, 0.085), 0.03)), rng.uniform(0.3, 0.8))
    return materials.furniture(rng) if drawn < 0.75 else materials.upholstery(rng)


def _bent(profile: np.ndarray, half_width: np.ndarray, curl: np.ndarray) -> Mesh:
    """A bent board: ``profile`` (N, 2) is its middle line in y and z, ``curl`` (N,) metres by which its sides rise
    out of the seat or come forward from the back."""
    across = np.linspace(-1, 1, 9)
    step = np.gradient(profile, axis=0)
    outwards = np.stack([step[:, 1], -step[:, 0]], 1)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    lift = curl[:, None] * across[None] ** 2
    x = half_width[:, None] * across[None]
    y = profile[:, :1] + lift * outwards[:, :1]
    z = profile[:, 1:] + lift * outwards[:, 1:]
    return sheet(np.stack(np.broadcast_arrays(x, y, z), -1), texture_m=1.0)


def _seat_profile(half: float, height: float, back: float, lean: float) -> np.ndarray:
    """From the front edge of the seat over the bend to the top of the back: (12, 2) of y and z."""
    seat = np.stack([np.linspace(half, -0.65 * half, 5), height - 0.015 + 0.015 * np.linspace(1, -1, 5) ** 2], 1)
    angle = np.linspace(0, np.pi / 2 - lean, 4)[1:]
    radius = 0.35 * half
    bend = np.stack([-0.65 * half - radius * np.sin(angle), height + radius * (1 - np.cos(angle))], 1)
    up = np.linspace(0, 1, 5)[1:, None] * back * np.array([-np.sin(lean), np.cos(lean)])
    return np.concatenate([seat, bend, bend[-1] + up])


def _shell_chair(rng: Rng) -> Item:
    half, height, back = rng.uniform(0.21, 0.25), rng.uniform(0.43, 0.47), rng.uniform(0.26, 0.38)
    profile = _seat_profile(half, height, back, rng.uniform(0.1, 0.3))
    arms = rng.uniform() < 0.35
    curl = np.r_[0.01, 0.02, 0.03, 0.04, 0.05, np.full(3, 0.09 if arms else 0.05), np.linspace(0.1 if arms else 0.05, 0.03, 4)]
    width = np.r_[0.9, 1, 1, 1, 1, 1, 1, 1, np.linspace(1, rng.uniform(0.6, 0.95), 4)] * half
    parts: list[Part] = [(_bent(profile, width, curl), _stuff(rng))]
    legs, splay, thick = materials.leg(rng, materials.furniture(rng)), rng.uniform(0.03, 0.1), rng.uniform(0.018, 0.032)
    for sx in (-1, 1):
        for sy in (-1, 1):
            top = np.array([sx * (half - 0.08), sy * (half - 0.1), height - 0.02])
            foot = np.array([sx * (half - 0.08 + splay), sy * (half - 0.1 + splay), 0.0])
            parts.append((tube(np.linspace(foot, top, 3), thick / 2, 8), legs))
    return Item("chair", parts, half + 0.02, half + 0.08, height + back + 0.05)


def _cantilever(rng: Rng) -> Item:
    half, height, back = rng.uniform(0.21, 0.24), rng.uniform(0.43, 0.47), rng.uniform(0.36, 0.48)
    steel, pad, radius = materials.metal(rng), _stuff(rng), rng.uniform(0.01, 0.014)
    lean = rng.uniform(0.1, 0.22)
    top = np.array([-half - back * np.sin(lean), height + back * np.cos(lean)])
    side = np.array([(-half, 0.012), (half - 0.03, 0.012), (half, 0.04), (half, height - 0.05), (half - 0.03, height - 0.015)])
    line = np.concatenate([side, [(-half + 0.03, height - 0.015), (-half, height + 0.03), top]])
    smooth = np.concatenate([np.linspace(a, b, 4)[:-1] for a, b in itertools.pairwise(line)] + [line[-1:]])
    parts: list[Part] = []
    for sx in (-1, 1):
        path = np.c_[np.full(len(smooth), sx * half), smooth]
        parts.append((tube(path, radius, 8, across=(1.0, 0.0, 0.0)), steel))
    ends = np.array([(-half, -half, 0.012), (half, -half, 0.012)])
    parts.append((tube(np.linspace(*ends, 3), radius, 8), steel))
    parts.append((rounded_box(2 * half, 2 * half - 0.04, 0.03, 0.012, 1).moved(z=height - 0.015), pad))
    low = rng.uniform(0.35, 0.6) * back
    mesh = rounded_box(2 * half, 0.025, back - low, 0.012, 1).moved(z=low).rotated(rotation_x(lean)).moved(0, -half, height)
    parts.append((mesh, pad))
    support = Support(0, 0.02, height + 0.015, half - 0.05, half - 0.07, back)
    return Item("chair", parts, half + 0.01, half + 0.06, height + back, (support,))


def office_chair(rng: Rng) -> Item:
    """On castors, its back bent and its arms padded."""
    cover, black = materials.upholstery(rng), Material(textures.plain(rng, (0.07, 0.07, 0.075)), 0.5)
    cover = black if rng.uniform() < 0.35 else cover
    stand = materials.metal(rng) if rng.uniform() < 0.4 else black
    height, half, back = rng.uniform(0.44, 0.54), rng.uniform(0.22, 0.26), rng.uniform(0.42, 0.75)
    turn = rng.uniform(0, 1.2)
    parts: list[Part] = [
        (rounded_box(2 * half, 2 * half, 0.09, 0.04).moved(z=height - 0.09), cover),
        (cylinder(0.026, height - 0.14, 12).moved(z=0.07), stand),
    ]
    y, z = np.linspace(0, -0.12, 7) - half + 0.02, height + 0.04 + np.linspace(0, back, 7)
    y = y - 0.03 * np.sin(np.linspace(0, np.pi, 7))
    width = half * np.array([0.75, 0.9, 0.97, 1, 1, 0.95, 0.8])
    for shift in (0.0, 0.035):
        parts.append((_bent(np.stack([y + shift, z], 1), width, np.full(7, 0.03)), cover))
    parts.append((rounded_box(0.07, 0.025, 0.3, 0.01, 1).rotated(rotation_x(0.15)).moved(0, -half - 0.02, height - 0.1), stand))
    if rng.uniform() < 0.65:
        for side in (-1, 1):
            x = side * (half + 0.035)
            parts.append((rounded_box(0.03, 0.05, 0.25, 0.01, 1).moved(x, -0.02, height - 0.07), stand))
            parts.append((rounded_box(0.07, 0.26, 0.035, 0.016, 1).moved(x, 0.02, height + 0.17), black))
    for spoke in range(5):
        about = rotation_z(turn + spoke * 2 * np.pi / 5)
        parts.append((rounded_box(0.28, 0.04, 0.035, 0.015, 1).moved(0.14, 0, 0.06).rotated(about), stand))
        parts.append((cylinder(0.028, 0.055, 10).moved(0.28).rotated(about), black))
    return Item("chair", parts, 0.33, 0.33, height + back + 0.04)


def _lounge_chair(rng: Rng) -> Item:
    """Two bent wooden sides that spring, and one long cushion."""
    wood, cover = materials.furniture(rng), cloth(rng)
    half, seat, back = rng.uniform(0.28, 0.33), rng.uniform(0.34, 0.4), rng.uniform(0.55, 0.7)
    lean = rng.uniform(0.35, 0.5)
    profile = _seat_profile(0.34, seat, back, lean)
    profile[:5, 1] += np.linspace(0.06, 0, 5)
    full = np.full(len(profile), half - 0.03)
    parts: list[Part] = [
        (_bent(profile + (0.0, 0.0), full, np.full(len(profile), 0.01)), cover),
        (_bent(profile + (0.05, 0.055), full, np.full(len(profile), 0.01)), cover),
    ]
    for side in (-1, 1):
        x = side * half
        arm = np.array(
            [
                (x, -0.36, 0.02),
                (x, 0.3, 0.02),
                (x, 0.42, 0.08),
                (x, 0.44, 0.3),
                (x, 0.38, 0.52),
                (x, 0.2, 0.56),
                (x, -0.3, 0.5),
            ]
        )
        smooth = np.concatenate([np.linspace(a, b, 4)[:-1] for a, b in itertools.pairwise(arm)] + [arm[-1:]])
        wide = np.stack([smooth - (0.03, 0, 0), smooth + (0.03, 0, 0)], 1)
        parts.append((sheet(wide, texture_m=1.0), wood))
        parts.append((sheet(wide + (0, 0.006, 0.018), texture_m=1.0), wood))
        parts.append((tube(np.linspace((x, -0.3, 0.05), (x, -0.45, seat + back * 0.8), 3), 0.018, 8, (1.0, 0.0, 0.0)), wood))
    return Item("chair", parts, half + 0.04, 0.5, seat + back)

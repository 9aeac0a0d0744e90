# SPDX-License-Identifier: Apache-2.0
"""Chairs, sofas, and benches, which have no class."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials
from mtl_perception.simulation.furniture._legs import FREE, legs_at_corners
from mtl_perception.simulation.meshes import (
    Mesh,
    board,
    box,
    cylinder,
    rotation_x,
    rotation_z,
)
from mtl_perception.simulation.world import Detail, Item, Support

Rng = np.random.Generator


def chair(rng: Rng) -> Item:
    """A dining chair, or a swivel chair; its back is at -y."""
    return _swivel_chair(rng) if rng.uniform() < 0.2 else _dining_chair(rng)


def _dining_chair(rng: Rng) -> Item:
    frame = materials.furniture(rng)
    seat = materials.upholstery(rng) if rng.uniform() < 0.4 else frame
    half, height, back = rng.uniform(0.19, 0.23), rng.uniform(0.43, 0.48), rng.uniform(0.36, 0.52)
    legs, thickness = materials.leg(rng, frame), rng.uniform(0.025, 0.042)
    thick = rng.uniform(0.02, 0.06)
    round_legs = rng.uniform() < 0.4
    parts = legs_at_corners(half, half, height - thick, thickness, round_legs, legs)
    parts.append((box(2 * half, 2 * half, thick).moved(z=height - thick), seat))
    lean = rotation_x(rng.uniform(0.04, 0.2))
    post = cylinder(thickness / 2, back, 10) if round_legs else box(thickness, thickness, back)
    rear = -half + thickness / 2

    def lean_back(mesh: Mesh) -> Mesh:
        return mesh.rotated(lean).moved(0, rear, height - 0.01)

    x = half - thickness / 2
    parts += [(lean_back(post.moved(side * x)), legs) for side in (-1, 1)]
    style = rng.integers(3)
    if style == 0:  # one panel
        low = rng.uniform(0.2, 0.5) * back
        parts.append((lean_back(board(-x, x, -0.012, 0.012, low, back)), seat))
    elif style == 1:  # slats across
        for z in np.linspace(0.3, 0.92, int(rng.integers(2, 5))) * back:
            parts.append((lean_back(board(-x, x, -0.009, 0.009, z - 0.025, z + 0.025)), frame))
    else:  # spindles
        parts.append((lean_back(board(-x, x, -0.012, 0.012, back - 0.06, back)), frame))
        for bar in np.linspace(-x, x, int(rng.integers(4, 7)))[1:-1]:
            parts.append((lean_back(box(0.016, 0.014, back - 0.05).moved(bar)), frame))
    supports = (Support(0, 0.02, height, half - 0.04, half - 0.06, back),)
    return Item("chair", parts, half, half + 0.05, height + back, supports)


def _swivel_chair(rng: Rng) -> Item:
    seat, stand = (
        materials.upholstery(rng),
        materials.metal(rng) if rng.uniform() < 0.5 else materials.plastic(rng),
    )
    height, half, back = rng.uniform(0.44, 0.52), rng.uniform(0.22, 0.25), rng.uniform(0.4, 0.6)
    parts = [
        (box(2 * half, 2 * half, 0.07).moved(z=height - 0.07), seat),
        (cylinder(0.028, height - 0.12, 12).moved(z=0.07), stand),
        (box(2 * half - 0.04, 0.05, back).rotated(rotation_x(0.14)).moved(0, -half, height + 0.06), seat),
        (box(0.07, 0.02, 0.25).rotated(rotation_x(0.14)).moved(0, -half - 0.02, height - 0.06), stand),
    ]
    for spoke in range(5):
        turn = rotation_z(spoke * 2 * np.pi / 5)
        parts.append((box(0.28, 0.035, 0.03).moved(0.14, 0, 0.055).rotated(turn), stand))
        parts.append((cylinder(0.028, 0.055, 10).moved(0.27).rotated(turn), stand))
    return Item("chair", parts, 0.32, 0.32, height + back + 0.06)


def sofa(rng: Rng) -> Item:
    cover = materials.upholstery(rng)
    half_x, half_y, seat = rng.uniform(0.4, 0.95), rng.uniform(0.38, 0.45), rng.uniform(0.38, 0.44)
    arm, back = rng.uniform(0.1, 0.18), rng.uniform(0.72, 0.85)
    parts = [
        (board(-half_x, half_x, -half_y, half_y, 0.08, seat - 0.12), cover),
        (board(-half_x, half_x, -half_y, -half_y + 0.2, 0.08, back), cover),
    ]
    for side in (-1, 1):
        x = side * (half_x - arm / 2)
        parts.append((board(x - arm / 2, x + arm / 2, -half_y, half_y, 0.08, rng.uniform(0.55, 0.62)), cover))
    cushions = 1 if half_x < 0.6 else 2
    width = 2 * (half_x - arm) / cushions
    for i in range(cushions):
        x = -half_x + arm + i * width
        parts.append((board(x + 0.006, x + width - 0.006, -half_y + 0.2, half_y + 0.01, seat - 0.12, seat), cover))
    pillows: tuple[Detail, ...] = ()
    if rng.uniform() < 0.7:
        pillow = materials.upholstery(rng)
        x = rng.uniform(-1, 1) * max(0, half_x - arm - 0.22)
        mesh = box(0.42, 0.13, 0.38).rotated(rotation_x(0.3)).moved(x, -half_y + 0.3, seat)
        pillows = (Detail("pillow", [(mesh, pillow)]),)
    return Item("sofa", parts, half_x, half_y, back, details=pillows)


def bench(rng: Rng) -> Item:
    """A bench to wait on; it has no class."""
    half_x, half_y, height = rng.uniform(0.4, 0.8), rng.uniform(0.17, 0.23), rng.uniform(0.42, 0.47)
    seat, legs = materials.furniture(rng), materials.metal(rng)
    parts = [(box(2 * half_x, 2 * half_y, 0.04).moved(z=height - 0.04), seat)]
    parts += legs_at_corners(half_x - 0.08, half_y - 0.03, height - 0.04, 0.04, False, legs)
    supports = (Support(0, 0, height, half_x, half_y, FREE),) if rng.uniform() < 0.4 else ()
    return Item("bench", parts, half_x, half_y, height, supports)

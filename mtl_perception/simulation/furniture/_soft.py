# SPDX-License-Identifier: Apache-2.0
"""Sofas, armchairs and beds with round edges, and the pillows on them."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.furniture._fronts import front_style
from mtl_perception.simulation.furniture._legs import FREE, legs_at_corners
from mtl_perception.simulation.meshes import (
    Mesh,
    board,
    cushion,
    rotation_x,
    rotation_y,
    rotation_z,
    rounded_box,
    sheet,
)
from mtl_perception.simulation.world import Detail, Item, Material, Part, Support

Rng = np.random.Generator


def cloth(rng: Rng) -> Material:
    """Of covers and bedding: plain, woven, striped, printed."""
    texture = textures.one_of(rng, [
        (3, lambda: textures.fabric(rng)),
        (2, lambda: textures.plain(rng, textures.vivid(rng))),
        (1.5, lambda: textures.plain(rng, textures.pick(rng, textures.WALL_COLORS))),
        (1.5, lambda: textures.wallpaper(rng, textures.vivid(rng))),
        (0.6, lambda: textures.tiles(rng, rng.uniform(0.05, 0.15), textures.vivid(rng))),
    ])  # fmt: skip
    return Material(texture, roughness=rng.uniform(0.8, 1.0))


def pillow(rng: Rng, large: bool = False) -> tuple[Mesh, Material]:
    """Lying flat around the origin."""
    size = (rng.uniform(0.55, 0.8), rng.uniform(0.38, 0.5)) if large else (rng.uniform(0.36, 0.52),) * 2
    return cushion(*size, rng.uniform(0.1, 0.18), rng.uniform(0.25, 0.55)), cloth(rng)


def leaning(mesh: Mesh, x: float, y: float, z: float, lean: float, turn: float = 0.0) -> Mesh:
    """A lying cushion stood on its edge at (x, y, z), leaning back by ``lean`` radians."""
    upright = mesh.rotated(rotation_x(np.pi / 2)).moved(z=-float(mesh.vertices[:, 1].min()))
    return upright.rotated(rotation_x(lean)).turned(turn).moved(x, y, z)


def soft_sofa(rng: Rng) -> Item:
    """Two or three seats."""
    return _couch(rng, "sofa", rng.uniform(0.65, 1.15))


def armchair(rng: Rng) -> Item:
    """One seat; a chair."""
    return _couch(rng, "chair", rng.uniform(0.36, 0.48))


def _couch(rng: Rng, label: str, half_x: float) -> Item:
    cover = materials.upholstery(rng) if rng.uniform() < 0.7 else cloth(rng)
    seat_cover = cover if rng.uniform() < 0.85 else materials.upholstery(rng)
    half_y, seat, back = rng.uniform(0.38, 0.48), rng.uniform(0.38, 0.46), rng.uniform(0.68, 0.95)
    arm, arm_height, leg = rng.uniform(0.07, 0.22), rng.uniform(0.5, 0.66), rng.uniform(0.03, 0.16)
    soft = rng.uniform(0.03, 0.09)
    back_y = -half_y + rng.uniform(0.14, 0.22)
    parts: list[Part] = [
        (rounded_box(2 * half_x - 0.02, 2 * half_y - 0.02, seat - 0.14 - leg, 0.03).moved(z=leg), cover),
        (rounded_box(2 * half_x, back_y + half_y, back - leg, soft).moved(0, (back_y - half_y) / 2, leg), cover),
    ]
    for side in (-1, 1):
        x = side * (half_x - arm / 2)
        parts.append((rounded_box(arm, 2 * half_y, arm_height - leg, min(soft, 0.45 * arm)).moved(x, 0, leg), cover))
    seats = 1 if half_x < 0.55 else int(rng.integers(2, 4))
    width = 2 * (half_x - arm) / seats
    loose_back = rng.uniform() < 0.6
    for i in range(seats):
        x = -half_x + arm + (i + 0.5) * width
        depth = half_y - back_y + 0.02
        parts.append((rounded_box(width - 0.01, depth, 0.15, soft).moved(x, back_y + depth / 2, seat - 0.15), seat_cover))
        if loose_back:
            mesh = rounded_box(width - 0.015, 0.16, back - seat + rng.uniform(-0.08, 0.08), soft)
            parts.append((mesh.rotated(rotation_x(0.15)).moved(x, back_y + 0.06, seat), seat_cover))
    legs = materials.leg(rng, materials.furniture(rng))
    parts += legs_at_corners(half_x - 0.04, half_y - 0.04, leg + 0.01, 0.04, rng.uniform() < 0.5, legs)
    pillows = []
    for _ in range(int(rng.integers(0, 5 if label == "sofa" else 2))):
        mesh, stuff = pillow(rng)
        reach = max(half_x - arm - 0.22, 0.0)
        y = back_y + (0.3 if loose_back else 0.2) + rng.uniform(0, 0.1)
        lean = rng.uniform(0.2, 0.5)
        pillows.append(Detail("pillow", [(leaning(mesh, rng.uniform(-1, 1) * reach, y, seat, lean, rng.normal(0, 0.25)), stuff)]))
    if label == "sofa" and rng.uniform() < 0.2:  # a throw
        x, wide = rng.uniform(-0.6, 0.6) * half_x, rng.uniform(0.2, 0.4)
        parts.append((_over_edge(rng, x, wide, back_y, half_y, seat), cloth(rng)))
    return Item(label, parts, half_x, half_y, back, details=tuple(pillows))


def _over_edge(rng: Rng, x: float, wide: float, back_y: float, front_y: float, top: float) -> Mesh:
    """Cloth that lies on a seat and hangs down over its front edge."""
    drop = rng.uniform(0.1, 0.25)
    y = np.r_[np.linspace(back_y + 0.2, front_y, 6), np.full(4, front_y + 0.03)]
    z = np.r_[np.full(6, top + 0.012), top - np.linspace(0.02, drop, 4)]
    across = np.linspace(-wide, wide, 7)
    ripple = 0.008 * np.sin(np.arange(7) * 2.1)
    grid = np.stack(np.broadcast_arrays(x + across[None], y[:, None], z[:, None] + ripple[None]), -1)
    return sheet(grid, texture_m=1.0)


def bed(rng: Rng, double: bool) -> Item:
    """Its head at -y, made or not."""
    half_x, half_y = rng.uniform(0.7, 0.95) if double else rng.uniform(0.4, 0.55), rng.uniform(0.98, 1.08)
    frame, base = materials.furniture(rng), rng.uniform(0.22, 0.36)
    if rng.uniform() < 0.25:
        frame = materials.upholstery(rng)
    thick = rng.uniform(0.14, 0.26)
    top = base + thick
    linen = cloth(rng) if rng.uniform() < 0.6 else Material(textures.plain(rng, (0.9, 0.9, 0.89)), 0.95)
    mattress = Material(textures.plain(rng, textures.jitter(rng, (0.88, 0.88, 0.87))), 0.95)
    parts: list[Part] = [(rounded_box(2 * half_x - 0.02, 2 * half_y - 0.02, thick, 0.05).moved(z=base), mattress)]
    leg = rng.uniform(0.0, 0.18)
    parts.append((rounded_box(2 * half_x, 2 * half_y, base - leg, 0.01, 1).moved(z=leg), frame))
    if leg > 0.02:
        parts += legs_at_corners(half_x - 0.03, half_y - 0.03, leg, 0.06, rng.uniform() < 0.5, materials.leg(rng, frame))
    if rng.uniform() < 0.8:  # headboard
        height = top + rng.uniform(0.15, 0.6)
        style = rng.uniform()
        if style < 0.6:
            parts.append((rounded_box(2 * half_x + 0.02, 0.06, height, 0.02).moved(0, -half_y - 0.03), frame))
        else:  # bars
            for x in np.linspace(-half_x + 0.02, half_x - 0.02, int(rng.integers(5, 12))):
                parts.append((board(x - 0.012, x + 0.012, -half_y - 0.04, -half_y - 0.015, leg, height), frame))
            parts.append((board(-half_x, half_x, -half_y - 0.045, -half_y - 0.01, height - 0.05, height), frame))
    if rng.uniform() < 0.3:
        parts.append((board(-half_x, half_x, half_y, half_y + 0.04, leg, top + rng.uniform(-0.05, 0.15)), frame))
    cover = linen if rng.uniform() < 0.4 else cloth(rng)
    if rng.uniform() < 0.75:  # made: the cover hangs down at three sides
        start, drop = -half_y + rng.uniform(0.3, 0.75), rng.uniform(0.08, 0.25)
        length, middle = half_y + 0.03 - start, (half_y + 0.03 + start) / 2
        parts.append((rounded_box(2 * half_x + 0.06, length, drop + 0.03, 0.028).moved(0, middle, top - drop), cover))
        if rng.uniform() < 0.5:  # folded back
            fold = rounded_box(2 * half_x + 0.07, rng.uniform(0.2, 0.35), 0.05, 0.024).moved(0, start + 0.05, top + 0.005)
            parts.append((fold, linen))
    else:  # a duvet that was thrown aside
        grid_x, grid_y = np.meshgrid(np.linspace(-1, 1, 14), np.linspace(-1, 1, 16))
        waves = sum(
            rng.uniform(0.01, 0.04) * np.sin(rng.uniform(1, 4) * grid_x + rng.uniform(1, 4) * grid_y + rng.uniform(0, 6)) for _ in range(5)
        )
        border = np.minimum(1 - np.abs(grid_x), 1 - np.abs(grid_y))
        z = top + 0.01 + (0.09 + np.abs(waves)) * np.clip(4 * border, 0, 1) ** 0.5
        wide, long = half_x * rng.uniform(0.75, 0.98), half_y * rng.uniform(0.5, 0.75)
        turn = rotation_z(rng.normal(0, 0.12))
        grid = np.stack([wide * grid_x, long * grid_y, np.zeros_like(z)], -1) @ turn.T
        grid[..., 2] = z
        parts.append((sheet(grid + (rng.uniform(-0.1, 0.1), rng.uniform(0.0, 0.25), 0), texture_m=1.0), cover))
    pillows = []
    for x in (-half_x / 2, half_x / 2) if double else (0.0,):
        for layer in range(int(rng.integers(1, 3))):
            mesh, stuff = pillow(rng, large=True)
            stuff = linen if layer == 0 and rng.uniform() < 0.6 else stuff
            if rng.uniform() < 0.6:
                placed = mesh.rotated(rotation_y(rng.normal(0, 0.04))).turned(rng.normal(0, 0.1))
                placed = placed.moved(x, -half_y + 0.28 + 0.05 * layer, top - 0.01 + 0.11 * layer)
            else:
                placed = leaning(mesh, x, -half_y + 0.2 + 0.16 * layer, top, rng.uniform(0.3, 0.7), rng.normal(0, 0.1))
            pillows.append(Detail("pillow", [(placed, stuff)]))
    return Item("bed", parts, half_x + 0.03, half_y + 0.06, top, details=tuple(pillows))


def nightstand(rng: Rng) -> Item:
    """A small chest beside a bed."""
    body, style = materials.furniture(rng), front_style(rng)
    half_x, half_y, height = rng.uniform(0.2, 0.28), rng.uniform(0.17, 0.23), rng.uniform(0.42, 0.62)
    foot = rng.uniform(0.03, 0.2)
    parts: list[Part] = [(board(-half_x, half_x, -half_y, half_y - 0.02, foot, height), body)]
    parts += legs_at_corners(half_x - 0.01, half_y - 0.02, foot, 0.03, rng.uniform() < 0.5, materials.leg(rng, body))
    doors = style(rng, half_x, half_y, foot, height - 0.02, False, body, body)
    top = Support(0, 0, height, half_x, half_y - 0.02, FREE)
    return Item("cabinet", parts, half_x, half_y + 0.03, height, (top,), details=doors)

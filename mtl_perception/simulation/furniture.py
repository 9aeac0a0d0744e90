# SPDX-License-Identifier: Apache-2.0
"""Tables, chairs, shelves, cabinets, bins, and the large things that have no class.

Every function returns an :class:`~mtl_perception.simulation.world.Item`, sizes drawn from what is sold.
"""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.labels import CLUTTER
from mtl_perception.simulation.meshes import (
    Mesh,
    board,
    box,
    cylinder,
    frame,
    lathe,
    rotation_x,
    rotation_z,
    tube,
)
from mtl_perception.simulation.world import Item, Material, Part, Support

Rng = np.random.Generator
FREE = 2.0  # metres of clearance above a top that nothing covers


def _legs(
    half_x: float, half_y: float, height: float, thickness: float, round_legs: bool, material: Material
) -> list[Part]:
    """Four legs whose outer faces lie ``half_x`` and ``half_y`` from the middle."""
    leg = cylinder(thickness / 2, height, 10) if round_legs else box(thickness, thickness, height)
    x, y = half_x - thickness / 2, half_y - thickness / 2
    return [(leg.moved(sx * x, sy * y), material) for sx in (-1, 1) for sy in (-1, 1)]


def dining_table(rng: Rng) -> Item:
    """Rectangular, with four legs or two panels, or round on a pedestal."""
    top, height, thick = materials.table_top(rng), rng.uniform(0.70, 0.78), rng.uniform(0.02, 0.045)
    legs = materials.leg(rng, top)
    if rng.uniform() < 0.22:
        radius = rng.uniform(0.4, 0.6)
        foot = radius * rng.uniform(0.5, 0.7)
        parts = [
            (cylinder(radius, thick, 36).moved(z=height - thick), top),
            (cylinder(rng.uniform(0.03, 0.06), height - thick, 14), legs),
            (lathe([(0, 0), (foot, 0), (foot, 0.015), (0.06, 0.05), (0, 0.05)], 24, printed=False), legs),
        ]
        inner = radius * 0.68
        return Item("table", parts, radius, radius, height, (Support(0, 0, height, inner, inner, FREE),))
    half_x, half_y = rng.uniform(0.5, 0.9), rng.uniform(0.35, 0.47)
    parts = [(box(2 * half_x, 2 * half_y, thick).moved(z=height - thick), top)]
    inset = rng.uniform(0.0, 0.08)
    if rng.uniform() < 0.8:
        thickness = rng.uniform(0.035, 0.08)
        parts += _legs(half_x - inset, half_y - inset, height - thick, thickness, rng.uniform() < 0.35, legs)
        if rng.uniform() < 0.6:  # apron
            x, y, low = (
                half_x - inset - thickness / 2,
                half_y - inset - thickness / 2,
                height - thick - rng.uniform(0.05, 0.1),
            )
            for side in (-1, 1):
                parts.append((board(-x, x, side * y - 0.01, side * y + 0.01, low, height - thick), legs))
                parts.append((board(side * x - 0.01, side * x + 0.01, -y, y, low, height - thick), legs))
    else:
        for side in (-1, 1):
            x = side * (half_x - inset - 0.02)
            parts.append(
                (board(x - 0.018, x + 0.018, -half_y + 0.03, half_y - 0.03, 0, height - thick), legs)
            )
    return Item("table", parts, half_x, half_y, height, (Support(0, 0, height, half_x, half_y, FREE),))


def coffee_table(rng: Rng) -> Item:
    top, height, thick = materials.table_top(rng), rng.uniform(0.35, 0.5), rng.uniform(0.02, 0.04)
    half_x, half_y = rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.35)
    legs = materials.leg(rng, top)
    parts = [(box(2 * half_x, 2 * half_y, thick).moved(z=height - thick), top)]
    parts += _legs(half_x, half_y, height - thick, rng.uniform(0.03, 0.06), rng.uniform() < 0.4, legs)
    if rng.uniform() < 0.4:
        parts.append((box(2 * half_x - 0.06, 2 * half_y - 0.06, 0.018).moved(z=0.12), top))
    return Item("table", parts, half_x, half_y, height, (Support(0, 0, height, half_x, half_y, FREE),))


def desk(rng: Rng) -> Item:
    """A writing desk for a wall, at times with a block of drawers."""
    top, height, thick = materials.table_top(rng), rng.uniform(0.71, 0.76), rng.uniform(0.02, 0.035)
    half_x, half_y = rng.uniform(0.5, 0.8), rng.uniform(0.28, 0.38)
    legs = materials.leg(rng, top)
    parts = [(box(2 * half_x, 2 * half_y, thick).moved(z=height - thick), top)]
    parts += _legs(half_x - 0.02, half_y - 0.02, height - thick, rng.uniform(0.03, 0.06), False, legs)
    if rng.uniform() < 0.5:
        side, width = rng.choice([-1, 1]), rng.uniform(0.3, 0.4)
        middle, handle = side * (half_x - 0.08 - width / 2), materials.metal(rng)
        parts.append((box(width, 2 * half_y - 0.08, height - thick - 0.12).moved(middle, 0, 0.12), top))
        for row in range(3):
            z = 0.13 + row * (height - thick - 0.13) / 3
            high = (height - thick - 0.13) / 3 - 0.012
            parts.append(
                (
                    board(
                        middle - width / 2 + 0.006,
                        middle + width / 2 - 0.006,
                        half_y - 0.045,
                        half_y - 0.028,
                        z,
                        z + high,
                    ),
                    legs,
                )
            )
            parts.append(
                (
                    board(
                        middle - 0.05,
                        middle + 0.05,
                        half_y - 0.028,
                        half_y - 0.013,
                        z + high * 0.7,
                        z + high * 0.7 + 0.012,
                    ),
                    handle,
                )
            )
    return Item("table", parts, half_x, half_y, height, (Support(0, 0, height, half_x, half_y, FREE),))


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
    parts = _legs(half, half, height - thick, thickness, round_legs, legs)
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


def shelf(rng: Rng) -> Item:
    """A bookcase or an open rack for a wall."""
    wood = materials.furniture(rng)
    half_x, half_y, height = rng.uniform(0.3, 0.65), rng.uniform(0.13, 0.2), rng.uniform(0.75, 2.05)
    thick, levels = rng.uniform(0.016, 0.028), max(2, round(height / rng.uniform(0.28, 0.45)))
    parts: list[Part] = []
    if rng.uniform() < 0.75:  # sides
        posts = wood
        for side in (-1, 1):
            x = side * (half_x - thick / 2)
            parts.append((board(x - thick / 2, x + thick / 2, -half_y, half_y, 0, height), wood))
        if rng.uniform() < 0.65:
            back = materials.furniture(rng) if rng.uniform() < 0.2 else wood
            parts.append((board(-half_x + thick, half_x - thick, -half_y, -half_y + 0.006, 0, height), back))
    else:  # posts at the corners
        posts = materials.metal(rng)
        parts += _legs(half_x, half_y, height, 0.028, False, posts)
    supports = []
    bottom = rng.uniform(0.03, 0.1)
    step = (height - thick - bottom) / levels
    for level in range(levels + 1):
        z = bottom + level * step
        parts.append(
            (board(-half_x + thick, half_x - thick, -half_y + 0.007, half_y - 0.001, z, z + thick), wood)
        )
        clearance = step - thick if level < levels else FREE
        supports.append(Support(0, 0, z + thick, half_x - thick - 0.01, half_y - 0.01, clearance))
    return Item("shelf", parts, half_x, half_y, height, tuple(supports))


def wall_board(rng: Rng, half_x: float | None = None) -> Item:
    """A single shelf board with brackets; its z = 0 is the height it hangs at."""
    wood, bracket = materials.furniture(rng), materials.metal(rng)
    half_x = half_x or rng.uniform(0.3, 0.6)
    half_y, thick = rng.uniform(0.09, 0.13), rng.uniform(0.018, 0.04)
    parts = [(box(2 * half_x, 2 * half_y, thick).moved(z=-thick), wood)]
    for side in (-1, 1):
        x = side * half_x * 0.7
        parts.append((board(x - 0.008, x + 0.008, -half_y, half_y * 0.6, -thick - 0.01, -thick), bracket))
        parts.append((board(x - 0.008, x + 0.008, -half_y, -half_y + 0.01, -thick - 0.14, -thick), bracket))
    return Item("shelf", parts, half_x, half_y, thick, (Support(0, 0, 0, half_x - 0.02, half_y - 0.01, 0.4),))


def cabinet(rng: Rng) -> Item:
    """A sideboard, a chest of drawers, a kitchen counter or a wardrobe, its doors towards +y."""
    body = materials.furniture(rng)
    front = materials.furniture(rng) if rng.uniform() < 0.3 else body
    handle = materials.metal(rng)
    tall = rng.uniform() < 0.22
    half_x = rng.uniform(0.35, 0.55) if tall else rng.uniform(0.3, 0.85)
    half_y = rng.uniform(0.2, 0.3)
    height = rng.uniform(1.6, 2.05) if tall else rng.uniform(0.5, 1.0)
    plinth = rng.uniform(0.03, 0.1)
    parts: list[Part] = []
    if not tall and rng.uniform() < 0.25:  # on legs
        plinth = rng.uniform(0.1, 0.18)
        parts += _legs(half_x - 0.02, half_y - 0.02, plinth, 0.035, True, materials.leg(rng, body))
    else:
        parts.append((box(2 * half_x - 0.04, 2 * half_y - 0.06, plinth).moved(0, -0.02), body))
    parts.append((board(-half_x, half_x, -half_y, half_y - 0.02, plinth, height - 0.025), body))
    top = materials.table_top(rng) if not tall and rng.uniform() < 0.35 else body
    parts.append((board(-half_x - 0.01, half_x + 0.01, -half_y, half_y + 0.01, height - 0.025, height), top))
    parts += cabinet_front(rng, half_x, half_y, plinth, height - 0.025, tall, front, handle)
    supports = (Support(0, 0, height, half_x, half_y, FREE),)
    return Item("cabinet", parts, half_x + 0.01, half_y + 0.03, height, supports)


def cabinet_front(
    rng: Rng,
    half_x: float,
    y: float,
    bottom: float,
    top: float,
    tall: bool,
    front: Material,
    handle: Material,
    grip_m: float = 1.0,
) -> list[Part]:
    """Doors side by side, or drawers, with knobs or bars; their faces lie at ``y``. The grips of ``tall``
    doors are ``grip_m`` above the ground."""
    columns = max(1, round(2 * half_x / rng.uniform(0.35, 0.6)))
    rows = int(rng.integers(2, 5)) if not tall and rng.uniform() < 0.45 else 1
    knobs, panelled = rng.uniform() < 0.35, rng.uniform() < 0.35
    width, pitch = 2 * half_x / columns, (top - bottom) / rows
    parts: list[Part] = []
    for column in range(columns):
        for row in range(rows):
            x, half = -half_x + (column + 0.5) * width, width / 2 - 0.004
            low, high = bottom + row * pitch + 0.004, bottom + (row + 1) * pitch - 0.004
            parts.append((board(x - half, x + half, y - 0.02, y, low, high), front))
            if panelled:
                rim = min(0.06, half / 3, (high - low) / 4)
                parts += [(mesh, front) for mesh in frame(x - half, x + half, y, y + 0.007, low, high, rim)]
            if rows > 1:
                grip_x, grip_z = x, (low + high) / 2 + 0.2 * (high - low)
            else:
                grip_x = x + (half - 0.05) * (1 if column % 2 == 0 else -1)
                grip_z = grip_m if tall else high - min(0.14, 0.3 * (high - low))
            if knobs:
                grip = box(0.024, 0.03, 0.024).moved(grip_x, y + 0.018, grip_z)
            elif rows > 1:
                grip = box(min(0.14, half), 0.012, 0.012).moved(grip_x, y + 0.022, grip_z)
            else:
                grip = box(0.012, 0.012, 0.14).moved(grip_x, y + 0.022, grip_z - 0.07)
            parts.append((grip, handle))
    return parts


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
        parts.append(
            (board(x + 0.006, x + width - 0.006, -half_y + 0.2, half_y + 0.01, seat - 0.12, seat), cover)
        )
    if rng.uniform() < 0.7:
        pillow = materials.upholstery(rng)
        x = rng.uniform(-1, 1) * max(0, half_x - arm - 0.22)
        parts.append((box(0.42, 0.13, 0.38).rotated(rotation_x(0.3)).moved(x, -half_y + 0.3, seat), pillow))
    return Item(CLUTTER, parts, half_x, half_y, back)


def bench(rng: Rng) -> Item:
    """A bench to wait on; it has no class."""
    half_x, half_y, height = rng.uniform(0.4, 0.8), rng.uniform(0.17, 0.23), rng.uniform(0.42, 0.47)
    seat, legs = materials.furniture(rng), materials.metal(rng)
    parts = [(box(2 * half_x, 2 * half_y, 0.04).moved(z=height - 0.04), seat)]
    parts += _legs(half_x - 0.08, half_y - 0.03, height - 0.04, 0.04, False, legs)
    supports = (Support(0, 0, height, half_x, half_y, FREE),) if rng.uniform() < 0.4 else ()
    return Item(CLUTTER, parts, half_x, half_y, height, supports)


def plant(rng: Rng, scale: float = 1.0) -> Item:
    """A pot with leaves."""
    pot, soil = materials.glaze(rng), Material(textures.plain(rng, (0.16, 0.11, 0.08)), 1.0)
    green = Material(
        textures.peel(
            rng, textures.color(rng.uniform(0.25, 0.37), rng.uniform(0.4, 0.75), rng.uniform(0.25, 0.5))
        ),
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
    return Item(CLUTTER, parts, max(radius, 0.7 * reach), max(radius, 0.7 * reach), pot_height + tip)


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
    return Item(CLUTTER, parts, radius, radius, height + 0.18)

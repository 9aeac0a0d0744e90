# SPDX-License-Identifier: Apache-2.0
"""Doors, windows and curtains, in the frame of their wall: x along it, y into the room, y = 0 at its face."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.meshes import board, box, frame
from mtl_perception.simulation.world import Detail, Item, Material, Part

Rng = np.random.Generator


def door(rng: Rng, half: float, high: float, trim: Material, leaf: Material | None = None) -> Item:
    """A closed door for a hole of 2 ``half`` × ``high`` metres: plain, panelled or with frosted glass."""
    leaf, handle = leaf or materials.door(rng), materials.metal(rng)
    casing = trim if rng.uniform() < 0.7 else leaf
    face, rim = -0.035, 0.045
    parts = [(board(-half, half, -0.075, face, 0.0, high), leaf)]
    for side in (-1, 1):
        parts.append((board(side * half - rim, side * half + rim, -0.08, 0.022, 0, high + rim), casing))
    parts.append((board(-half, half, -0.08, 0.022, high - rim, high + rim), casing))
    style = rng.choice(["plain", "panelled", "glazed"], p=[0.5, 0.25, 0.25])
    if style == "panelled":
        for z0, z1 in ((0.22, 0.85), (1.1, high - 0.22)):
            parts += [(mesh, leaf) for mesh in frame(-half + 0.13, half - 0.13, face, face + 0.012, z0, z1, 0.03)]
    elif style == "glazed":
        glass = Material(textures.plain(rng, textures.jitter(rng, (0.78, 0.83, 0.84))), 0.25)
        parts.append((board(-half + 0.17, half - 0.17, face, face + 0.004, 1.0, high - 0.2), glass))
    lock_side = int(rng.choice([-1, 1]))
    x = lock_side * (half - 0.115)
    grip = sorted((x, x - lock_side * 0.12))
    lever: list[Part] = [
        (box(0.045, 0.008, 0.2).moved(x, face + 0.004, 0.92), handle),
        (box(0.018, 0.05, 0.018).moved(x, face + 0.025, 1.03), handle),
        (board(grip[0], grip[1], face + 0.04, face + 0.058, 1.03, 1.05), handle),
    ]
    return Item("door", parts, half, 0.1, high, details=(Detail("handle", lever),))


def window(rng: Rng, half: float, low: float, high: float, trim: Material, daylight: float = 1.0) -> list[Part]:
    """A window for a hole of 2 ``half`` metres from ``low`` to ``high``: a view, a frame with mullions, a
    sill. ``daylight`` is how bright it is out there."""
    pane, rim = materials.outdoors(rng, daylight), rng.uniform(0.045, 0.075)
    parts = [(box(2 * half, 0.01, high - low, printed=True).moved(0, -0.1, low), pane)]
    parts += [(mesh, trim) for mesh in frame(-half, half, -0.1, -0.045, low, high, rim)]
    if half > 0.5 or rng.uniform() < 0.4:
        for x in np.linspace(-half, half, 3 if half < 0.7 else 4)[1:-1]:
            parts.append((board(x - rim / 2, x + rim / 2, -0.1, -0.045, low, high), trim))
    if rng.uniform() < 0.35:
        z = low + (high - low) * rng.uniform(0.5, 0.75)
        parts.append((board(-half, half, -0.1, -0.047, z - rim / 2, z + rim / 2), trim))
    parts.append((board(-half - 0.05, half + 0.05, -0.046, 0.07, low - 0.025, low + 0.004), trim))
    return parts


def curtains(rng: Rng, half: float, high: float) -> list[Part]:
    """Two curtains on a rod over a window of this half width and upper edge."""
    cloth, rod = materials.upholstery(rng), materials.metal(rng)
    top, width, bottom = high + 0.12, half * rng.uniform(0.25, 0.5), float(rng.choice([0.03, 0.6]))
    parts = [(box(2 * half + 2 * width, 0.02, 0.02).moved(0, 0.09, top), rod)]
    fold_half = width / 12
    for side in (-1, 1):
        for fold in range(6):
            x = side * (half + 0.05 - width * 0.6 + width * fold / 5)
            front = 0.075 + 0.03 * (fold % 2)
            parts.append((board(x - fold_half, x + fold_half, 0.055, front, bottom, top), cloth))
    return parts

# SPDX-License-Identifier: Apache-2.0
"""Content of a warehouse: racks, pallets, large boxes, storage bins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.furniture import FREE
from mtl_perception.simulation.meshes import board, box, merge, rotation_x
from mtl_perception.simulation.world import Item, Material, Part, Support

Rng = np.random.Generator


@dataclass(frozen=True)
class RackStyle:
    """Shared by all racks of one hall."""

    posts: Material
    beams: Material
    deck: Material
    half_x: float
    half_y: float
    height: float
    step: float


def draw_style(rng: Rng) -> RackStyle:
    """Light shelving for boxes, or heavy racks for pallets."""
    heavy = rng.uniform() < 0.45
    posts = materials.rack(rng)
    beams = materials.rack(rng) if rng.uniform() < 0.6 else posts
    deck = materials.furniture(rng) if rng.uniform() < 0.5 else materials.metal(rng)
    if heavy:
        size = (rng.uniform(0.9, 1.3), rng.uniform(0.38, 0.5), rng.uniform(2.6, 4.2), rng.uniform(0.8, 1.2))
    else:
        size = (
            rng.uniform(0.45, 0.75),
            rng.uniform(0.2, 0.32),
            rng.uniform(1.9, 2.6),
            rng.uniform(0.38, 0.6),
        )
    return RackStyle(posts, beams, deck, *size)


def rack(rng: Rng, style: RackStyle, height: float) -> Item:
    """Posts, beams and decks; loads stand on the decks."""
    half_x, half_y = style.half_x, style.half_y
    post = 0.05 if half_x < 0.8 else 0.09
    parts: list[Part] = []
    for side in (-1, 1):
        for front in (-1, 1):
            x, y = side * (half_x - post / 2), front * (half_y - post / 2)
            parts.append((board(x - post / 2, x + post / 2, y - post / 2, y + post / 2, 0, height), style.posts))
        for z in np.arange(0.3, height - 0.3, 0.7):  # braces between the posts of one side
            x = side * (half_x - post / 2)
            brace = box(0.02, 0.02, 0.7).moved(z=-0.35).rotated(rotation_x(0.8 if int(z / 0.7) % 2 else -0.8))
            scale = np.array([1.0, (half_y - post) / 0.27, 1.0])
            parts.append((replace(brace, vertices=brace.vertices * scale).moved(x, 0, z + 0.3), style.posts))
    supports = []
    for z in np.arange(0.12, height - 0.1, style.step):
        for front in (-1, 1):
            y = front * (half_y - 0.02)
            low = z - 0.09 if z > 0.12 else z - 0.05
            parts.append((board(-half_x + post, half_x - post, y - 0.02, y + 0.02, low, z), style.beams))
        parts.append((board(-half_x + post, half_x - post, -half_y + 0.04, half_y - 0.04, z - 0.02, z), style.deck))
        clearance = style.step - 0.1 if z + style.step < height - 0.1 else FREE
        supports.append(Support(0, 0, float(z), half_x - post - 0.01, half_y - 0.01, clearance))
    return Item("shelf", parts, half_x, half_y, height, tuple(supports), loads=True)


def load(rng: Rng, max_height_m: float, half_y: float) -> Item:
    """A large box or a storage bin."""
    drawn = rng.uniform()
    if drawn < 0.2:
        return storage_bin(rng, max_height_m, half_y)
    x, y = rng.uniform(0.2, 0.6), min(rng.uniform(0.2, 0.55), 2 * half_y - 0.02)
    z = min(rng.uniform(0.15, 0.5), max_height_m - 0.03)
    card = Material(textures.cardboard(rng), rng.uniform(0.6, 0.9))
    return Item("box", [(box(x, y, z, printed=True), card)], x / 2, y / 2, z)


def storage_bin(rng: Rng, max_height_m: float, half_y: float) -> Item:
    """A plastic crate, its front lower than its back, as in stores."""
    x, y = rng.uniform(0.18, 0.4), min(rng.uniform(0.25, 0.5), 2 * half_y - 0.02)
    z, thick = min(rng.uniform(0.14, 0.3), max_height_m - 0.04), 0.006
    color = ((0.1, 0.25, 0.6), (0.8, 0.15, 0.12), (0.85, 0.7, 0.1), (0.2, 0.5, 0.3), (0.5, 0.5, 0.52))
    plastic = Material(textures.plain(rng, textures.pick(rng, color)), rng.uniform(0.35, 0.6))
    low = z * rng.uniform(0.45, 0.9)
    meshes = [
        box(x, y, thick),
        box(x, thick, z).moved(0, -(y - thick) / 2),
        box(x, thick, low).moved(0, (y - thick) / 2),
        *(box(thick, y, (z + low) / 2).moved(side * (x - thick) / 2) for side in (-1, 1)),
    ]
    parts: list[Part] = [(merge(meshes), plastic)]
    if rng.uniform() < 0.6:  # a label, and what is in it
        paper = Material(textures.plain(rng, (0.93, 0.93, 0.9)), 0.9)
        parts.append((box(0.08, 0.002, 0.04).moved(0, y / 2 + 0.001, low * 0.5), paper))
        filling = Material(textures.cardboard(rng), 0.8)
        parts.append((box(x - 0.03, y - 0.03, low * 0.8, printed=True).moved(z=thick), filling))
    return Item("bin", parts, x / 2, y / 2, z)


def pallet(rng: Rng) -> Item:
    """A wooden pallet; boxes stand on it."""
    wood = Material(textures.wood(rng, (0.72, 0.58, 0.4)), 0.9)
    half_x, half_y = 0.6, 0.4
    parts: list[Part] = [(board(-half_x, half_x, y - 0.05, y + 0.05, 0.122, 0.144), wood) for y in np.linspace(-0.35, 0.35, 5)]
    parts += [(board(x - 0.05, x + 0.05, -half_y, half_y, 0.1, 0.122), wood) for x in (-0.55, 0, 0.55)]
    parts += [(box(0.1, 0.1, 0.1).moved(x, y), wood) for x in (-0.55, 0, 0.55) for y in (-0.35, 0, 0.35)]
    return Item("pallet", parts, half_x, half_y, 0.144, (Support(0, 0, 0.144, half_x, half_y, 1.2),), loads=True)

# SPDX-License-Identifier: Apache-2.0
"""More books and boxes: magazines, notebooks, binders; shoe boxes, padded envelopes, packets of tea."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import textures
from mtl_perception.simulation.meshes import box, cushion, cylinder, rotation_x, rounded_box, sheet
from mtl_perception.simulation.objects._items import one_material
from mtl_perception.simulation.objects._paper import book, parcel
from mtl_perception.simulation.world import Item, Material, Part

Rng = np.random.Generator


def any_book(rng: Rng, max_height_m: float) -> Item:
    """Lying: a bound book, a magazine, a notebook with a spiral, a ring binder."""
    makers = (book, _magazine, _notebook, _binder)
    return makers[int(rng.choice(len(makers), p=[0.55, 0.18, 0.17, 0.1]))](rng, max_height_m)


def any_parcel(rng: Rng, max_height_m: float) -> Item:
    """A carton or a packet, a shoe box with its lid, a padded envelope."""
    makers = (parcel, _shoe_box, _envelope)
    item = makers[int(rng.choice(len(makers), p=[0.72, 0.14, 0.14]))](rng, max_height_m)
    return item if item.height < max_height_m - 0.01 else parcel(rng, max_height_m)


def _cover(rng: Rng) -> Material:
    texture = textures.picture(rng) if rng.uniform() < 0.5 else textures.book_cover(rng)
    return Material(texture, rng.uniform(0.2, 0.6))


def _magazine(rng: Rng, max_height_m: float) -> Item:
    """A few millimetres thick, its edges a little raised."""
    half_x, half_y, thick = rng.uniform(0.09, 0.11), rng.uniform(0.13, 0.15), rng.uniform(0.003, 0.008)
    x, y = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(-1, 1, 7))
    lift = rng.uniform(0, 0.012) * (x > 0) * x**2
    top = np.stack([half_x * x, half_y * y, thick + lift], -1)
    pages = Material(textures.plain(rng, (0.9, 0.89, 0.86)), 0.9)
    parts: list[Part] = [(box(2 * half_x - 0.002, 2 * half_y - 0.002, thick), pages), (sheet(top[::-1]), _cover(rng))]
    return Item("book", parts, half_x, half_y, float(thick + lift.max()) + 0.001)


def _notebook(rng: Rng, max_height_m: float) -> Item:
    """With a wire along one edge, shut or showing lines."""
    half_x, half_y, thick = rng.uniform(0.07, 0.105), rng.uniform(0.1, 0.15), rng.uniform(0.006, 0.016)
    page = Material(textures.printed_page(rng), 0.9) if rng.uniform() < 0.35 else _cover(rng)
    wire = Material(textures.plain(rng, (0.3, 0.3, 0.3)), 0.4, metallic=0.5)
    ring = cylinder(0.6 * thick, 0.003, 10).rotated(rotation_x(-np.pi / 2))
    parts: list[Part] = [(box(2 * half_x, 2 * half_y, thick, printed=True), page)]
    parts += [(ring.moved(-half_x, y, 0.6 * thick), wire) for y in np.arange(-half_y + 0.01, half_y - 0.005, 0.012)]
    return Item("book", parts, half_x + 0.6 * thick, half_y, 1.2 * thick)


def _binder(rng: Rng, max_height_m: float) -> Item:
    """Lying on its side."""
    thick = min(rng.uniform(0.035, 0.075), max_height_m - 0.015)
    stuff = Material(textures.plain(rng, textures.vivid(rng) if rng.uniform() < 0.6 else (0.1, 0.1, 0.1)), 0.6)
    label = Material(textures.printed_page(rng), 0.9)
    boards = [
        box(0.28, 0.315, 0.003),
        box(0.28, 0.315, 0.003).moved(z=thick - 0.003),
        box(0.003, 0.315, thick).moved(-0.1385),
    ]
    parts: list[Part] = [(mesh, stuff) for mesh in boards]
    parts.append((box(0.22, 0.295, 0.5 * thick).moved(-0.02, 0, 0.003), Material(textures.plain(rng, (0.93, 0.93, 0.9)), 0.9)))
    parts.append((box(0.002, 0.1, 0.75 * thick, printed=True).moved(-0.141, 0, 0.12 * thick), label))
    return Item("book", parts, 0.142, 0.158, thick)


def _shoe_box(rng: Rng, max_height_m: float) -> Item:
    x, y, z = rng.uniform(0.25, 0.36), rng.uniform(0.16, 0.24), rng.uniform(0.09, 0.14)
    body = Material(textures.plain(rng, textures.vivid(rng)) if rng.uniform() < 0.5 else textures.cardboard(rng), 0.7)
    lid = body if rng.uniform() < 0.5 else Material(textures.printed_label(rng), 0.6)
    edge = rng.uniform(0.025, 0.06)
    parts: list[Part] = [
        (box(x, y, z, printed=True), body),
        (box(x + 0.006, y + 0.006, edge, printed=True).turned(rng.normal(0, 0.01)).moved(z=z - edge + 0.002), lid),
    ]
    return Item("box", parts, x / 2 + 0.006, y / 2 + 0.006, z + 0.002)


def _envelope(rng: Rng, max_height_m: float) -> Item:
    """Padded, brown, white or grey, with a label."""
    colors = ((0.75, 0.58, 0.36), (0.92, 0.91, 0.88), (0.55, 0.56, 0.58), (0.85, 0.72, 0.3))
    paper = Material(textures.plain(rng, textures.pick(rng, colors)), rng.uniform(0.4, 0.9))
    wide, deep, thick = rng.uniform(0.18, 0.36), rng.uniform(0.14, 0.27), rng.uniform(0.015, 0.05)
    body = cushion(wide, deep, thick, 0.15) if rng.uniform() < 0.6 else rounded_box(wide, deep, thick, 0.48 * thick)
    item = one_material("box", body, paper)
    if rng.uniform() < 0.8:
        sticker = box(0.4 * wide, 0.35 * deep, 0.002, printed=True).moved(0.1 * wide, 0, thick - 0.0015)
        item.parts.append((sticker, Material(textures.printed_page(rng), 0.8)))
    return item

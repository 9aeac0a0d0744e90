# SPDX-License-Identifier: Apache-2.0
"""Boxes and books."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import textures
from mtl_perception.simulation.meshes import (
    box,
    rotation_x,
)
from mtl_perception.simulation.objects._items import one_material
from mtl_perception.simulation.world import Item, Material, Part

Rng = np.random.Generator


def parcel(rng: Rng, max_height_m: float) -> Item:
    """A cardboard box, closed or open, or a printed packet."""
    if max_height_m > 0.3 and rng.uniform() < 0.12:
        return _open_carton(rng, max_height_m)
    if rng.uniform() < 0.5:
        x, y = rng.uniform(0.12, 0.36), rng.uniform(0.1, 0.28)
        z, texture = rng.uniform(0.07, 0.28), textures.cardboard(rng)
    else:
        x, y, z = rng.uniform(0.07, 0.2), rng.uniform(0.04, 0.09), rng.uniform(0.1, 0.28)
        texture = textures.printed_label(rng)
    z = min(z, max_height_m - 0.015)
    return one_material("box", box(x, y, z, printed=True), Material(texture, rng.uniform(0.5, 0.9)))


def _open_carton(rng: Rng, max_height_m: float) -> Item:
    """Four walls, a bottom and four flaps that hang outwards."""
    x, y = rng.uniform(0.18, 0.4), rng.uniform(0.15, 0.3)
    z, thick = min(rng.uniform(0.12, 0.28), max_height_m - 0.1), 0.004
    card = Material(textures.cardboard(rng), rng.uniform(0.7, 0.9))
    meshes = [box(x, y, thick, printed=True)]
    for along, across, yaw in ((x, y, 0.0), (x, y, np.pi), (y, x, np.pi / 2), (y, x, -np.pi / 2)):
        side = box(along, thick, z, printed=True).moved(0, (across - thick) / 2)
        flap = box(along - 0.01, thick, 0.4 * min(x, y), printed=True).rotated(rotation_x(-rng.uniform(0.3, 2.4)))
        meshes += [side.turned(yaw), flap.moved(0, across / 2, z).turned(yaw)]
    return one_material("box", meshes, card)


def book(rng: Rng, max_height_m: float, upright: bool = False) -> Item:
    """A closed book, lying, or ``upright`` with its spine towards +y; at times an open one. Pages are set
    back a little."""
    if not upright and rng.uniform() < 0.08:
        return _open_book(rng)
    cover = Material(textures.book_cover(rng), rng.uniform(0.4, 0.8))
    pages = Material(textures.plain(rng, (0.92, 0.90, 0.84)), 0.9)
    width, depth, thick = rng.uniform(0.12, 0.2), rng.uniform(0.18, 0.28), rng.uniform(0.014, 0.045)
    width, depth = (min(width, max_height_m - 0.02), depth) if upright else (width, depth)
    board_ = 0.003
    if upright:
        height = min(depth, max_height_m - 0.015)
        parts = [(box(board_, width, height, printed=True).moved(side * (thick - board_) / 2), cover) for side in (-1, 1)]
        parts.append((box(thick, board_, height, printed=True).moved(0, (width - board_) / 2), cover))
        parts.append((box(thick - 2 * board_, width - 0.012, height - 0.01).moved(0, 0.004, 0.004), pages))
        return Item("book", parts, thick / 2, width / 2, height)
    parts = [
        (box(width, depth, board_, printed=True), cover),
        (box(width, depth, board_, printed=True).moved(z=thick - board_), cover),
        (box(board_, depth, thick, printed=True).moved(-(width - board_) / 2), cover),
        (box(width - 0.012, depth - 0.012, thick - 2 * board_).moved(-0.004, 0, board_), pages),
    ]
    return Item("book", parts, width / 2, depth / 2, thick)


def _open_book(rng: Rng) -> Item:
    """Lying open: two blocks of pages that slope towards the fold, print on both."""
    half, depth, thick = rng.uniform(0.11, 0.17), rng.uniform(0.18, 0.26), rng.uniform(0.012, 0.025)
    cover = Material(textures.book_cover(rng), 0.6)
    pages = Material(textures.printed_page(rng), 0.9)
    parts: list[Part] = [(box(2 * half, depth, 0.003, printed=True), cover)]
    for side in (-1, 1):
        block = box(half - 0.008, depth - 0.012, thick, printed=True)
        shift = side * (half - 0.008) / 2
        slope = block.vertices[:, 2] - thick * 0.35 * (side * block.vertices[:, 0] / (half - 0.008) + 0.5)
        vertices = np.c_[block.vertices[:, :2], np.where(block.vertices[:, 2] > 0, slope, 0)]
        parts.append((replace(block, vertices=vertices).moved(shift, 0, 0.003), pages))
    return Item("book", parts, half, depth / 2, thick + 0.003)

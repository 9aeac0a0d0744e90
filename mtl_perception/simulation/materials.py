# SPDX-License-Identifier: Apache-2.0
"""Materials of rooms, furniture and small objects: likely colours first, odd ones at times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import textures
from mtl_perception.simulation.mood import DAY, Mood
from mtl_perception.simulation.world import Material

Rng = np.random.Generator


def _matt(rng: Rng, texture: textures.Texture) -> Material:
    return Material(texture, roughness=rng.uniform(0.7, 1.0))


def _satin(rng: Rng, texture: textures.Texture) -> Material:
    return Material(texture, roughness=rng.uniform(0.35, 0.75))


def floor(rng: Rng) -> Material:
    texture = textures.one_of(rng, [
        (4, lambda: textures.planks(rng)),
        (2, lambda: textures.carpet(rng)),
        (1.6, lambda: textures.tiles(rng, rng.uniform(0.2, 0.6))),
        (1, lambda: textures.stone(rng)),
    ])  # fmt: skip
    return _satin(rng, texture)


def hall_floor(rng: Rng) -> Material:
    """Concrete, bare or sealed."""
    texture = textures.concrete(rng) if rng.uniform() < 0.85 else textures.stone(rng)
    return Material(texture, roughness=rng.uniform(0.3, 0.9))


def public_floor(rng: Rng) -> Material:
    """Of corridors: tiles, stone, linoleum, carpet."""
    texture = textures.one_of(rng, [
        (2, lambda: textures.tiles(rng, rng.uniform(0.25, 0.6))),
        (2, lambda: textures.stone(rng)),
        (1.6, lambda: textures.carpet(rng)),
        (1, lambda: textures.planks(rng)),
        (1, lambda: textures.concrete(rng)),
    ])  # fmt: skip
    return _satin(rng, texture)


def hall_wall(rng: Rng) -> Material:
    """Sheet metal, concrete, painted bricks."""
    texture = textures.one_of(rng, [
        (3, lambda: textures.corrugated(rng)),
        (3, lambda: textures.concrete(rng)),
        (2, lambda: textures.plaster(rng, textures.pick(rng, textures.WALL_COLORS))),
        (1.5, lambda: textures.bricks(rng)),
    ])  # fmt: skip
    return _matt(rng, texture)


def hall_ceiling(rng: Rng, mood: Mood) -> Material:
    texture = textures.corrugated(rng) if rng.uniform() < 0.6 else textures.concrete(rng)
    return Material(texture, roughness=0.95, emission=rng.uniform(0.05, 0.2) * mood.ambient)


def rack(rng: Rng) -> Material:
    """Painted steel of racks: blue, orange, grey, green."""
    colors = ((0.12, 0.25, 0.5), (0.85, 0.4, 0.1), (0.6, 0.61, 0.62), (0.2, 0.35, 0.28), (0.75, 0.15, 0.12))
    return Material(textures.plain(rng, textures.pick(rng, colors)), roughness=rng.uniform(0.4, 0.7))


def backsplash(rng: Rng) -> Material:
    """The tiles over a worktop."""
    base = textures.pick(rng, textures.WALL_COLORS if rng.uniform() < 0.75 else textures.ACCENT_COLORS)
    return _satin(rng, textures.tiles(rng, rng.uniform(0.08, 0.2), base))


def wall(rng: Rng) -> Material:
    base = textures.pick(rng, textures.ACCENT_COLORS if rng.uniform() < 0.08 else textures.WALL_COLORS)
    texture = textures.one_of(rng, [
        (7, lambda: textures.plaster(rng, base)),
        (1, lambda: textures.wallpaper(rng, base)),
        (0.6, lambda: textures.bricks(rng)),
        (0.7, lambda: textures.tiles(rng, rng.uniform(0.1, 0.25), base)),
        (0.3, lambda: textures.wood(rng)),
    ])  # fmt: skip
    return _matt(rng, texture)


def accent_wall(rng: Rng) -> Material:
    return _matt(rng, textures.plaster(rng, textures.pick(rng, textures.ACCENT_COLORS)))


def ceiling(rng: Rng, mood: Mood = DAY) -> Material:
    light = textures.jitter(rng, (0.93, 0.93, 0.92), 0.025)
    texture = textures.one_of(rng, [
        (8, lambda: textures.plaster(rng, light)),
        (0.6, lambda: textures.wood(rng, (0.78, 0.66, 0.5))),
    ])  # fmt: skip
    # It glows a little: a real ceiling lives on light that the room throws back, which the renderer lacks.
    return Material(texture, roughness=0.95, emission=rng.uniform(0.15, 0.4) * mood.ambient)


def trim(rng: Rng) -> Material:
    """Skirting, door frames, window frames."""
    if rng.uniform() < 0.7:
        return _satin(rng, textures.plain(rng, textures.jitter(rng, (0.92, 0.91, 0.89), 0.03)))
    return _satin(rng, textures.wood(rng))


def door(rng: Rng) -> Material:
    texture = textures.one_of(rng, [
        (5, lambda: textures.wood(rng)),
        (4, lambda: textures.plain(rng, textures.jitter(rng, (0.9, 0.9, 0.88)))),
        (1.5, lambda: textures.plain(rng, textures.pick(rng, textures.ACCENT_COLORS))),
    ])  # fmt: skip
    return _satin(rng, texture)


def furniture(rng: Rng) -> Material:
    """Wood, white or grey laminate, at times black or painted."""
    texture = textures.one_of(rng, [
        (6, lambda: textures.wood(rng)),
        (2.6, lambda: textures.plain(rng, textures.jitter(rng, (0.9, 0.9, 0.89)))),
        (0.8, lambda: textures.plain(rng, textures.jitter(rng, (0.55, 0.55, 0.56), 0.1))),
        (0.5, lambda: textures.plain(rng, textures.jitter(rng, (0.12, 0.12, 0.13), 0.03))),
        (0.7, lambda: textures.plain(rng, textures.pick(rng, textures.ACCENT_COLORS))),
        (0.06, lambda: textures.plain(rng, textures.vivid(rng))),
    ])  # fmt: skip
    return _satin(rng, texture)


def table_top(rng: Rng) -> Material:
    if rng.uniform() < 0.12:
        return Material(textures.stone(rng), roughness=rng.uniform(0.25, 0.6))
    return furniture(rng)


def upholstery(rng: Rng) -> Material:
    if rng.uniform() < 0.25:  # leather
        brown = textures.jitter(rng, ((0.32, 0.2, 0.13), (0.12, 0.11, 0.11), (0.6, 0.45, 0.32))[int(rng.integers(3))])
        return Material(textures.plain(rng, brown), roughness=rng.uniform(0.4, 0.6))
    return _matt(rng, textures.fabric(rng))


def metal(rng: Rng) -> Material:
    return Material(textures.metal(rng), roughness=rng.uniform(0.25, 0.5), metallic=rng.uniform(0.3, 0.8))


def leg(rng: Rng, like: Material) -> Material:
    """Legs: mostly of the same stuff as the rest."""
    return metal(rng) if rng.uniform() < 0.3 else (furniture(rng) if rng.uniform() < 0.2 else like)


def glaze(rng: Rng) -> Material:
    """Cups and bowls: mostly white or one colour, at times wood or a pattern."""
    texture = textures.one_of(rng, [
        (3, lambda: textures.plain(rng, textures.jitter(rng, (0.92, 0.91, 0.89)))),
        (4, lambda: textures.plain(rng, textures.vivid(rng))),
        (1, lambda: textures.plain(rng, textures.pick(rng, textures.ACCENT_COLORS))),
        (0.7, lambda: textures.wallpaper(rng, textures.vivid(rng))),
        (0.5, lambda: textures.stone(rng)),
    ])  # fmt: skip
    return Material(texture, roughness=rng.uniform(0.15, 0.5))


def plastic(rng: Rng) -> Material:
    base = textures.vivid(rng) if rng.uniform() < 0.5 else textures.jitter(rng, (0.3, 0.3, 0.31), 0.2)
    return Material(textures.plain(rng, base), roughness=rng.uniform(0.3, 0.7))


def black(rng: Rng) -> Material:
    """The plastic of screens and keyboards."""
    return Material(textures.plain(rng, textures.jitter(rng, (0.06, 0.06, 0.065), 0.02)), rng.uniform(0.3, 0.6))


def screen(rng: Rng) -> Material:
    """Switched off, or showing something."""
    drawn = rng.uniform()
    if drawn < 0.4:
        return Material(textures.plain(rng, (0.03, 0.03, 0.035)), rng.uniform(0.05, 0.3))
    texture = textures.desktop(rng) if drawn < 0.8 else textures.picture(rng)
    return Material(texture, 0.3, emission=rng.uniform(0.2, 1.1))


def outdoors(rng: Rng, daylight: float = 1.0) -> Material:
    """The view through a window; at night its glass is all but black."""
    texture = textures.outdoors(rng)
    if daylight < 0.3:
        dim = (texture.rgb * (0.1 + daylight)).astype(np.uint8)
        texture = replace(texture, rgb=dim)
    return Material(texture, roughness=0.3, emission=rng.uniform(0.5, 1.1) * float(np.clip(daylight, 0.05, 1.2)))

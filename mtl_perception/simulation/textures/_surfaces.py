# SPDX-License-Identifier: Apache-2.0
"""Surfaces of rooms and furniture, sized in metres; they repeat without a seam."""

from __future__ import annotations

import cv2
import numpy as np

from mtl_perception.simulation.textures._basics import (
    ACCENT_COLORS,
    WALL_COLORS,
    WOOD_COLORS,
    Color,
    Texture,
    jitter,
    noise,
    pick,
    shade,
    textured,
)


def plain(rng: np.random.Generator, base: Color) -> Texture:
    """Paint, lacquer or plastic: an almost even colour."""
    return textured(shade(base, 1 + 0.012 * noise(rng, 64, 0.8)), 0.5)


def plaster(rng: np.random.Generator, base: Color) -> Texture:
    """A painted wall: faint clouds, faint grain."""
    factor = 1 + 0.012 * noise(rng, 256, 1.6, coarsest=2) + rng.uniform(0.005, 0.025) * noise(rng, 256, 0.3)
    return textured(shade(base, factor), rng.uniform(1.2, 2.4))


def wood(rng: np.random.Generator, base: Color | None = None) -> Texture:
    """A board, its grain along u."""
    base = base or pick(rng, WOOD_COLORS)
    contrast = rng.uniform(0.5, 1.3)
    figure = noise(rng, 256, 1.1, stretch=rng.uniform(9, 16), coarsest=5)
    pores = noise(rng, 256, 0.25, stretch=30, coarsest=20)
    factor = 1 + contrast * (0.075 * figure + 0.035 * pores)
    image = shade(base, factor)
    image[..., 2] *= 1 - contrast * 0.03 * figure
    return textured(image, rng.uniform(0.6, 1.1))


def planks(rng: np.random.Generator) -> Texture:
    """A wooden floor: rows of boards with their joints."""
    base, pixels, rows = pick(rng, WOOD_COLORS), 512, 8
    figure = noise(rng, pixels, 1.1, stretch=12, coarsest=8)
    pores = noise(rng, pixels, 0.25, stretch=30, coarsest=20)
    factor = 1 + rng.uniform(0.5, 1.2) * (0.07 * figure + 0.03 * pores)
    spread, height = rng.uniform(0.02, 0.09), pixels // rows
    for row in range(rows):
        band = factor[row * height : (row + 1) * height]
        joint = int(rng.integers(pixels))
        band[:] = np.roll(band, int(rng.integers(pixels)), 1)
        band[:, :joint] *= 1 + rng.normal(0, spread)
        band[:, joint:] *= 1 + rng.normal(0, spread)
        band[:, joint : joint + 2] *= 0.6
        band[:2] *= 0.62
    return textured(shade(base, factor), rows * rng.uniform(0.09, 0.2))


def tiles(rng: np.random.Generator, tile_m: float, base: Color | None = None) -> Texture:
    """Square tiles with grout, each with a shade of its own."""
    pixels, count = 512, 4
    base = base or pick(rng, (*WALL_COLORS, (0.55, 0.45, 0.38), (0.42, 0.43, 0.45), (0.75, 0.66, 0.55)))
    factor = 1 + rng.uniform(0.005, 0.05) * noise(rng, pixels, 1.4, coarsest=4)
    side, width = pixels // count, int(rng.integers(2, 5))
    spread = rng.uniform(0.0, 0.05)
    checker = rng.uniform(0.45, 0.8) if rng.uniform() < 0.15 else 1.0
    for i in range(count):
        for j in range(count):
            tile = factor[i * side : (i + 1) * side, j * side : (j + 1) * side]
            tile *= (1 + rng.normal(0, spread)) * (checker if (i + j) % 2 else 1.0)
    image = shade(base, factor)
    grout = np.full(3, rng.uniform(0.4, 0.85), np.float32)
    for k in range(count):
        image[k * side : k * side + width] = grout
        image[:, k * side : k * side + width] = grout
    return textured(image, count * tile_m)


def bricks(rng: np.random.Generator) -> Texture:
    """A brick wall, bare or painted."""
    pixels, rows, columns = 512, 8, 3
    painted = rng.uniform() < 0.5
    base = pick(rng, WALL_COLORS) if painted else jitter(rng, (0.58, 0.36, 0.28))
    spread = 0.02 if painted else 0.1
    factor = 1 + 0.05 * noise(rng, pixels, 0.8)
    height, length = pixels // rows, pixels // columns
    mortar = np.zeros((pixels, pixels), bool)
    for row in range(rows):
        offset = (row % 2) * length // 2
        band = np.roll(factor[row * height : (row + 1) * height], -offset, 1)
        for column in range(columns):
            band[:, column * length : (column + 1) * length] *= 1 + rng.normal(0, spread)
        factor[row * height : (row + 1) * height] = np.roll(band, offset, 1)
        mortar[row * height : row * height + 5] = True
        for column in range(columns):
            x = (column * length + offset) % pixels
            mortar[row * height : (row + 1) * height, x : x + 5] = True
    image = shade(base, factor)
    image[mortar] = np.asarray(base) * 0.85 if painted else rng.uniform(0.55, 0.8)
    return textured(image, rows * 0.075)


def wallpaper(rng: np.random.Generator, base: Color) -> Texture:
    """Stripes or a small motif, a little lighter or darker than the base."""
    pixels = 256
    x, y = np.meshgrid(np.arange(pixels), np.arange(pixels))
    waves = int(rng.integers(2, 7))
    if rng.uniform() < 0.6:
        pattern = np.sin(x * 2 * np.pi * waves / pixels) > rng.uniform(-0.4, 0.6)
    else:
        pattern = np.sin(x * 2 * np.pi * waves / pixels) * np.sin(y * 2 * np.pi * waves / pixels) > rng.uniform(0.5, 0.85)
    soft = cv2.GaussianBlur(pattern.astype(np.float32), (0, 0), 1.2, borderType=cv2.BORDER_REFLECT)
    factor = 1 + rng.choice([-1, 1]) * rng.uniform(0.03, 0.13) * soft + 0.01 * noise(rng, pixels, 0.5)
    return textured(shade(base, factor), rng.uniform(0.4, 1.2))


def carpet(rng: np.random.Generator) -> Texture:
    """A pile carpet: flecks, and faint clouds where feet went."""
    greys = WALL_COLORS + ACCENT_COLORS + ((0.45, 0.43, 0.41), (0.33, 0.34, 0.37), (0.60, 0.52, 0.44))
    factor = 1 + rng.uniform(0.04, 0.14) * noise(rng, 256, 0.25) + 0.025 * noise(rng, 256, 1.6, coarsest=2)
    return textured(shade(pick(rng, greys), factor), rng.uniform(0.6, 1.0))


def stone(rng: np.random.Generator, base: Color | None = None) -> Texture:
    """Stone, terrazzo or concrete: clouds, with faint veins at times."""
    base = base or pick(
        rng,
        ((0.85, 0.84, 0.82), (0.66, 0.65, 0.63), (0.45, 0.45, 0.46), (0.72, 0.66, 0.58), (0.22, 0.22, 0.24)),
    )
    factor = 1 + 0.03 * noise(rng, 256, 1.5, coarsest=3) + 0.02 * noise(rng, 256, 0.2)
    if rng.uniform() < 0.4:
        factor -= rng.uniform(0.04, 0.15) * np.exp(-((noise(rng, 256, 1.9, coarsest=2) / 0.06) ** 2))
    return textured(shade(base, factor), rng.uniform(0.8, 1.6))


def fabric(rng: np.random.Generator, base: Color | None = None) -> Texture:
    """A woven cover."""
    base = base or pick(rng, ACCENT_COLORS + WALL_COLORS[:6] + ((0.3, 0.3, 0.32), (0.45, 0.42, 0.4)))
    x, y = np.meshgrid(np.arange(128), np.arange(128))
    weave = np.sin(x * np.pi / 2) * np.sin(y * np.pi / 2)
    return textured(shade(base, 1 + 0.06 * weave + 0.05 * noise(rng, 128, 0.5)), 0.25)


def metal(rng: np.random.Generator) -> Texture:
    base = jitter(
        rng,
        ((0.72, 0.72, 0.74), (0.55, 0.56, 0.58), (0.16, 0.16, 0.17), (0.78, 0.68, 0.5))[int(rng.integers(4))],
        0.03,
    )
    return textured(shade(base, 1 + 0.02 * noise(rng, 128, 0.6, stretch=12)), 0.4)


def concrete(rng: np.random.Generator) -> Texture:
    """A hall's floor or wall: grey clouds, stains, joints."""
    base = jitter(rng, ((0.58, 0.57, 0.55), (0.48, 0.48, 0.48), (0.66, 0.64, 0.6))[int(rng.integers(3))], 0.05)
    factor = 1 + 0.05 * noise(rng, 256, 1.5, coarsest=3) + rng.uniform(0.01, 0.04) * noise(rng, 256, 0.3)
    factor -= rng.uniform(0, 0.12) * (noise(rng, 256, 1.8, coarsest=2) > 1.2)
    if rng.uniform() < 0.5:
        factor[:2] *= 0.75
        factor[:, :2] *= 0.75
    return textured(shade(base, factor), rng.uniform(1.5, 3.0))


def corrugated(rng: np.random.Generator) -> Texture:
    """Sheet metal in waves that run up the wall."""
    base = pick(rng, ((0.75, 0.76, 0.77), (0.62, 0.66, 0.7), (0.82, 0.8, 0.74), (0.4, 0.5, 0.55)))
    waves = 1 + 0.14 * np.sin(np.arange(256) * 2 * np.pi * 8 / 256)[None, :].repeat(256, 0)
    return textured(shade(base, waves + 0.02 * noise(rng, 256, 1.0)), rng.uniform(0.8, 1.6))

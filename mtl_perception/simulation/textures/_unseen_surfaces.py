# SPDX-License-Identifier: Apache-2.0
"""Held out from training: for every family of surfaces another one with its meaning and its arguments, but not its
pattern."""

from __future__ import annotations

import itertools

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

Rng = np.random.Generator


def _grid(pixels: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:pixels, 0:pixels].astype(np.float32) / pixels
    return x, y


def plain(rng: Rng, base: Color) -> Texture:
    """Hammered paint: small dents side by side."""
    dents = np.tanh(2 * noise(rng, 64, 0.4, coarsest=12)) * rng.uniform(0.03, 0.08)
    return textured(shade(base, 1 + dents), 0.3)


def plaster(rng: Rng, base: Color) -> Texture:
    """Trowelled in arcs."""
    x, y = _grid(256)
    bent = y * 6 + 0.35 * np.abs(np.sin(np.pi * 3 * x)) + 0.15 * noise(rng, 256, 1.8)
    return textured(shade(base, 1 + rng.uniform(0.02, 0.06) * np.sin(2 * np.pi * bent)), rng.uniform(1.0, 1.8))


def wood(rng: Rng, base: Color | None = None) -> Texture:
    """Burl: closed rings around knots."""
    base = base or pick(rng, WOOD_COLORS)
    field = noise(rng, 256, 1.9, coarsest=3)
    rings = np.sin(field * rng.uniform(7, 12)) * 0.12 + 0.03 * noise(rng, 256, 0.4)
    return textured(shade(base, 1 + rings), rng.uniform(0.4, 0.8))


def planks(rng: Rng) -> Texture:
    """Parquet in squares, each turned against its neighbours."""
    base, pixels, squares = pick(rng, WOOD_COLORS), 512, 4
    side = pixels // squares
    grain = 1 + 0.07 * noise(rng, pixels, 1.1, stretch=12, coarsest=8)
    factor = np.empty((pixels, pixels), np.float32)
    for i in range(squares):
        for j in range(squares):
            square = grain[i * side : (i + 1) * side, j * side : (j + 1) * side].copy()
            for k in range(4):
                square[k * side // 4 : (k + 1) * side // 4] *= 1 + rng.normal(0, 0.08)
                square[k * side // 4 : k * side // 4 + 2] *= 0.6
            factor[i * side : (i + 1) * side, j * side : (j + 1) * side] = square.T if (i + j) % 2 else square
    return textured(shade(base, factor), squares * rng.uniform(0.25, 0.45))


def tiles(rng: Rng, tile_m: float, base: Color | None = None) -> Texture:
    """Octagons with small dark squares between."""
    base = base or pick(rng, (*WALL_COLORS, (0.55, 0.45, 0.38), (0.42, 0.43, 0.45)))
    pixels, count = 512, 4
    x, y = _grid(pixels)
    u, v = np.abs((x * count) % 1 - 0.5), np.abs((y * count) % 1 - 0.5)
    image = shade(base, 1 + 0.03 * noise(rng, pixels, 1.4, coarsest=4))
    image[(u + v > 0.72) | (np.maximum(u, v) > 0.485)] = rng.uniform(0.5, 0.8)
    image[u + v > 0.76] = np.asarray(pick(rng, ACCENT_COLORS)) * rng.uniform(0.3, 1.0)
    return textured(image, count * tile_m)


def bricks(rng: Rng) -> Texture:
    """Large blocks of different heights."""
    pixels = 512
    base = pick(rng, ((0.7, 0.68, 0.62), (0.55, 0.55, 0.56), (0.78, 0.72, 0.6)))
    factor = 1 + 0.08 * noise(rng, pixels, 1.2, coarsest=6)
    edges = [0, 150, 240, 390, 512]
    for k, (top, bottom) in enumerate(itertools.pairwise(edges)):
        for left in (0, 256):
            block = slice((left + 128 * (k % 2)) % pixels, (left + 128 * (k % 2)) % pixels + 256)
            factor[top:bottom, block] *= 1 + rng.normal(0, 0.07)
            factor[top:bottom, block.start : block.start + 6] *= 0.6
        factor[top : top + 6] *= 0.6
    return textured(shade(base, factor), rng.uniform(1.0, 1.6))


def wallpaper(rng: Rng, base: Color) -> Texture:
    """Chevrons, or discs in rows."""
    x, y = _grid(256)
    waves = int(rng.integers(3, 7))
    if rng.uniform() < 0.5:
        pattern = (y * waves * 2 + np.abs((x * waves) % 1 - 0.5) * 2) % 1 < 0.5
    else:
        row = np.floor(y * waves)
        pattern = np.hypot((x * waves + 0.5 * (row % 2)) % 1 - 0.5, (y * waves) % 1 - 0.5) < rng.uniform(0.2, 0.4)
    soft = cv2.GaussianBlur(pattern.astype(np.float32), (0, 0), 1.0)
    return textured(shade(base, 1 + rng.choice([-1, 1]) * rng.uniform(0.05, 0.18) * soft), rng.uniform(0.5, 1.2))


def carpet(rng: Rng) -> Texture:
    """Carpet tiles in two shades, combed to and fro."""
    base = pick(rng, WALL_COLORS + ACCENT_COLORS + ((0.45, 0.43, 0.41), (0.33, 0.34, 0.37)))
    x, y = _grid(256)
    turned = (np.floor(x * 2) + np.floor(y * 2)) % 2 > 0
    lines = np.where(turned, np.sin(2 * np.pi * 40 * x), np.sin(2 * np.pi * 40 * y))
    factor = np.where(turned, rng.uniform(0.75, 0.95), 1.0) + 0.06 * lines + 0.05 * noise(rng, 256, 0.2)
    return textured(shade(base, factor.astype(np.float32)), rng.uniform(0.8, 1.2))


def stone(rng: Rng, base: Color | None = None) -> Texture:
    """Terrazzo: chips of several colours in a light ground."""
    base = base or pick(rng, ((0.85, 0.84, 0.82), (0.66, 0.65, 0.63), (0.72, 0.66, 0.58), (0.3, 0.3, 0.32)))
    image = np.ascontiguousarray(shade(base, 1 + 0.01 * noise(rng, 256, 0.3)))
    for _ in range(120):
        x, y = (int(v) for v in rng.integers(8, 248, 2))
        size = rng.uniform(2, 7)
        corners = np.array([(x, y)]) + rng.normal(0, size, (5, 2))
        tint = jitter(rng, base, 0.2)
        cv2.fillConvexPoly(image, cv2.convexHull(corners.astype(np.int32)), [float(v) for v in tint])
    return textured(image, rng.uniform(0.6, 1.2))


def fabric(rng: Rng, base: Color | None = None) -> Texture:
    """Plaid."""
    base = base or pick(rng, ACCENT_COLORS + WALL_COLORS[:6] + ((0.3, 0.3, 0.32), (0.45, 0.42, 0.4)))
    lines = np.ones(128, np.float32)
    for _ in range(4):
        at, wide = int(rng.integers(0, 110)), int(rng.integers(3, 16))
        lines[at : at + wide] *= rng.uniform(0.6, 1.25)
    return textured(shade(base, lines[:, None] * lines[None] * (1 + 0.04 * noise(rng, 128, 0.3))), 0.25)


def metal(rng: Rng) -> Texture:
    """Turned in circles, as plates of machines are."""
    base = jitter(rng, ((0.72, 0.72, 0.74), (0.45, 0.46, 0.48), (0.2, 0.2, 0.21))[int(rng.integers(3))], 0.03)
    x, y = _grid(128)
    u, v = (x * 4) % 1 - 0.5, (y * 4) % 1 - 0.5
    sheen = 0.12 * np.cos(4 * np.arctan2(v, u)) + 0.04 * np.sin(80 * np.hypot(u, v))
    return textured(shade(base, 1 + sheen.astype(np.float32)), 0.2)


def concrete(rng: Rng) -> Texture:
    """The print of the boards that it was cast in, with holes of anchors."""
    base = jitter(rng, ((0.58, 0.57, 0.55), (0.48, 0.48, 0.48), (0.66, 0.64, 0.6))[int(rng.integers(3))], 0.05)
    factor = 1 + 0.05 * noise(rng, 256, 1.0, stretch=10)
    for k in range(8):
        factor[k * 32 : (k + 1) * 32] *= 1 + rng.normal(0, 0.05)
        factor[k * 32 : k * 32 + 1] *= 0.7
    image = np.ascontiguousarray(shade(base, factor))
    for x in (64, 192):
        for y in (64, 192):
            cv2.circle(image, (x, y), 4, (0.2, 0.2, 0.2), -1, cv2.LINE_AA)
    return textured(image, rng.uniform(1.5, 2.5))


def corrugated(rng: Rng) -> Texture:
    """Panels with narrow ribs that lie across."""
    base = pick(rng, ((0.75, 0.76, 0.77), (0.62, 0.66, 0.7), (0.82, 0.8, 0.74), (0.55, 0.3, 0.25)))
    along = (np.arange(256) % 64)[:, None].repeat(256, 1)
    ribs = 1 - 0.25 * (along < 5) + 0.12 * ((along >= 5) & (along < 9))
    return textured(shade(base, ribs + 0.02 * noise(rng, 256, 1.0)), rng.uniform(0.8, 1.6))

# SPDX-License-Identifier: Apache-2.0
"""Held out from training: for every family of prints another one with its meaning and its arguments, but not its
pattern."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from mtl_perception.simulation.textures._basics import (
    ACCENT_COLORS,
    WALL_COLORS,
    Color,
    Texture,
    color,
    jitter,
    noise,
    pick,
    shade,
    textured,
    vivid,
)
from mtl_perception.simulation.textures._prints import ink_color

Rng = np.random.Generator


def _page(base: Color, pixels: int) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(np.uint8(np.asarray(base) * 255), (pixels, pixels, 3)))


def _initial(rng: Rng, image: np.ndarray, x: int, y: int, scale: float) -> None:
    """One large letter in script."""
    face = int(rng.choice([cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX]))
    letter = str(rng.choice(list("FJQWXYHC")))
    cv2.putText(image, letter, (x, y), face, scale, ink_color(rng), int(rng.integers(3, 7)), cv2.LINE_AA)


def printed_label(rng: Rng, base: Color | None = None) -> Texture:
    """Rays, rings or a chequered ground behind one large letter in a frame."""
    image = _page(base or vivid(rng), 256)
    design, ink = rng.integers(3), ink_color(rng)
    if design == 0:
        for k in range(0, 24, 2):
            a, b = k * np.pi / 12, (k + 1) * np.pi / 12
            tips = [(128, 128), *((int(128 + 200 * np.cos(t)), int(128 + 200 * np.sin(t))) for t in (a, b))]
            cv2.fillPoly(image, [np.array(tips)], ink)
    elif design == 1:
        for radius in range(150, 10, -24):
            cv2.circle(image, (128, 128), radius, ink_color(rng), -1, cv2.LINE_AA)
    else:
        for i in range(8):
            for j in range(i % 2, 8, 2):
                cv2.rectangle(image, (32 * i, 32 * j), (32 * i + 31, 32 * j + 31), ink, -1)
    for x in (10, 138):
        cv2.rectangle(image, (x, 70), (x + 100, 190), ink_color(rng), -1)
        cv2.rectangle(image, (x + 6, 76), (x + 94, 184), ink_color(rng), 3)
        _initial(rng, image, x + 25, 160, 3.0)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)


def bottle_skin(rng: Rng) -> Texture:
    """A sleeve all over whose colour changes upwards, with waves."""
    low, high = np.asarray(vivid(rng)), np.asarray(vivid(rng))
    y = np.linspace(0, 1, 256)[:, None, None]
    image = np.ascontiguousarray(((low * (1 - y) + high * y) * np.ones((1, 256, 1)) * 255).astype(np.uint8))
    x = np.arange(256)
    for _ in range(int(rng.integers(1, 4))):
        height, swing = rng.uniform(40, 200), rng.uniform(5, 25)
        wave = np.stack([x, height + swing * np.sin(x * 2 * np.pi * int(rng.integers(1, 4)) / 256)], 1)
        cv2.polylines(image, [wave.astype(np.int32)], False, ink_color(rng), int(rng.integers(4, 14)), cv2.LINE_AA)
    return Texture(image, 1.0)


def cardboard(rng: Rng) -> Texture:
    """White or coloured board with a frame and an arrow."""
    image = _page(jitter(rng, (0.9, 0.9, 0.88), 0.03) if rng.uniform() < 0.6 else vivid(rng), 256)
    ink = ink_color(rng)
    cv2.rectangle(image, (14, 14), (242, 242), ink, int(rng.integers(4, 12)))
    cv2.arrowedLine(image, (128, 190), (128, 70), ink, 10, cv2.LINE_AA, tipLength=0.4)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)


def book_cover(rng: Rng) -> Texture:
    """A frame, and triangles or a disc in it."""
    image = _page(vivid(rng) if rng.uniform() < 0.7 else pick(rng, WALL_COLORS + ACCENT_COLORS), 128)
    cv2.rectangle(image, (8, 8), (120, 120), ink_color(rng), 3)
    if rng.uniform() < 0.5:
        cv2.circle(image, (64, int(rng.integers(50, 80))), int(rng.integers(15, 35)), ink_color(rng), -1, cv2.LINE_AA)
    else:
        for _ in range(3):
            cv2.fillPoly(image, [rng.integers(12, 116, (3, 2)).astype(np.int32)], ink_color(rng))
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)


def printed_page(rng: Rng) -> Texture:
    """Two columns of dots."""
    image = np.full((128, 128, 3), 228, np.uint8)
    for left in (12, 70):
        for y in range(14, 118, 6):
            for x in range(left, left + 44, 5):
                if rng.uniform() < 0.85:
                    cv2.circle(image, (x, y), 1, (90, 90, 95), -1)
    return Texture(image, 1.0)


def peel(rng: Rng, base: Color, blush: Color | None = None) -> Texture:
    """Streaks from stem to blossom, the second colour in them."""
    streaks = (noise(rng, 128, 1.0, stretch=1, coarsest=4).mean(0, keepdims=True) * 4).clip(-1, 1)
    amount = (0.5 + 0.5 * streaks).repeat(128, 0)[..., None]
    dots = 1 - 0.25 * (noise(rng, 128, 0.0) > 2.2)
    return textured(shade(base, dots) * (1 - amount) + shade(blush or jitter(rng, base, 0.12), dots) * amount, 1.0)


def outdoors(rng: Rng) -> Texture:
    """The front of the house across the yard: rows of windows."""
    image = _page(pick(rng, ((0.7, 0.65, 0.58), (0.6, 0.4, 0.33), (0.75, 0.75, 0.74))), 256)
    dark, rows, columns = ink_color(rng), int(rng.integers(2, 5)), int(rng.integers(2, 5))
    for i in range(rows):
        for j in range(columns):
            x, y = (2 * j + 1) * 128 // columns, (2 * i + 1) * 128 // rows
            half = (48 // columns, 70 // rows)
            cv2.rectangle(image, (x - half[0], y - half[1]), (x + half[0], y + half[1]), dark, -1)
            cv2.line(image, (x, y - half[1]), (x, y + half[1]), (230, 230, 225), 2)
    return Texture(image, 1.0)


def picture(rng: Rng) -> Texture:
    """Fields of colour between black lines, or portraits of discs."""
    image = _page(pick(rng, WALL_COLORS), 128)
    if rng.uniform() < 0.5:
        edges = [0, *sorted(int(v) for v in rng.integers(10, 118, 3)), 128]
        for x0, x1 in itertools.pairwise(edges):
            for y0, y1 in itertools.pairwise(edges):
                fill = tuple(int(255 * v) for v in color(rng.uniform(), rng.uniform(0, 1), 0.9))
                cv2.rectangle(image, (x0, y0), (x1, y1), fill, -1)
                cv2.rectangle(image, (x0, y0), (x1, y1), (15, 15, 15), 3)
    else:
        for _ in range(9):
            x, y, radius = (int(v) for v in rng.integers((0, 0, 8), (128, 128, 36)))
            cv2.circle(image, (x, y), radius, ink_color(rng), -1, cv2.LINE_AA)
    return Texture(image, 1.0)


def desktop(rng: Rng) -> Texture:
    """Charts: bars and a curve over a grid."""
    dark = rng.uniform() < 0.5
    image = _page((0.1, 0.12, 0.16) if dark else (0.95, 0.95, 0.93), 256)
    grid = (60, 64, 72) if dark else (205, 205, 205)
    for step in range(16, 256, 32):
        cv2.line(image, (0, step), (256, step), grid, 1)
        cv2.line(image, (step, 0), (step, 256), grid, 1)
    ink = ink_color(rng)
    for x in range(24, 240, 24):
        cv2.rectangle(image, (x, 240 - int(rng.integers(20, 200))), (x + 12, 240), ink, -1)
    wave = 128 + 60 * noise(rng, 256, 1.8)[0].clip(-1.8, 1.8)
    points = np.stack([np.arange(256), wave], 1).astype(np.int32)
    cv2.polylines(image, [points], False, ink_color(rng), 3, cv2.LINE_AA)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)


def keys(rng: Rng) -> Texture:
    """Round keys."""
    image = _page(pick(rng, ((0.2, 0.2, 0.22), (0.6, 0.6, 0.58))), 128)
    cap = ink_color(rng)
    for y in range(14, 120, 22):
        for x in range(12, 122, 14):
            cv2.circle(image, (x, y), 5, cap, -1, cv2.LINE_AA)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)

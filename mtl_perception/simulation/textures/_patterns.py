# SPDX-License-Identifier: Apache-2.0
"""Patterns of no material at all, to put over those of the families: domain randomisation (Tobin et al. 2017).

A network that has seen a floor in twenty patterns learns those twenty; one that has seen it in any pattern learns to
look at what stays, the room's shape. None of these kinds is one of the held-out families'.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mtl_perception.simulation.textures._basics import Texture, noise, vivid

Rng = np.random.Generator


def overlaid(rng: Rng, texture: Texture) -> Texture:
    """``texture`` under a pattern: lighter and darker, or in parts of another colour; at another scale."""
    pixels = 128 if len(texture.rgb) <= 128 else 256
    rgb = cv2.resize(texture.rgb, (pixels, pixels), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    if rng.uniform() < 0.4:  # the pattern takes the place of the family's, of which the colour stays
        rgb[:] = rgb.mean((0, 1))
    field = KINDS[int(rng.integers(len(KINDS)))](rng, pixels)[..., None]
    if rng.uniform() < 0.2:
        amount = (0.5 + 0.5 * field) * rng.uniform(0.3, 0.9)
        rgb = rgb * (1 - amount) + np.asarray(vivid(rng), np.float32) * amount
    else:
        rgb = rgb * (1 + np.exp(rng.uniform(np.log(0.05), np.log(0.4))) * field)
    return replace(texture, rgb=(rgb.clip(0, 1) * 255).astype(np.uint8), size_m=texture.size_m * rng.uniform(0.6, 1.6))


def _waves(rng: Rng, pixels: int) -> np.ndarray:
    """Stripes at any slant but level, straight or bent, soft or sharp, narrow or wide: (pixels, pixels), -1 to 1."""
    y, x = np.mgrid[0:pixels, 0:pixels].astype(np.float32) / pixels
    across, up = (int(v) for v in rng.integers(-9, 10, 2))
    phase = 2 * np.pi * ((across or 1) * x + up * y) + rng.uniform(0, 2.5) * noise(rng, pixels, 1.8, coarsest=2)
    return np.tanh(rng.choice([0.8, 2.0, 8.0]) * (np.sin(phase) - rng.uniform(-0.6, 0.6)))


def _cells(rng: Rng, pixels: int) -> np.ndarray:
    """Irregular cells, each with a shade of its own, at times with seams."""
    small = pixels // 2
    points = rng.uniform(0, small, (int(rng.integers(8, 60)), 2)).astype(np.float32)
    y, x = np.mgrid[0:small, 0:small].astype(np.float32)
    apart = [np.abs(grid[..., None] - points[:, k]) for k, grid in enumerate((x, y))]
    square = sum(np.minimum(d, small - d) ** 2 for d in apart)  # around the edges: it repeats without a seam
    field = rng.uniform(-1, 1, len(points)).astype(np.float32)[square.argmin(-1)]
    if rng.uniform() < 0.5:
        first, second = np.sqrt(np.partition(square, 1, -1)[..., :2]).transpose(2, 0, 1)
        field[second - first < rng.uniform(1.0, 3.0)] = rng.choice([-1, 1])
    return cv2.resize(field, (pixels, pixels), interpolation=cv2.INTER_LINEAR)


def _blotches(rng: Rng, pixels: int) -> np.ndarray:
    """Clouds with soft or sharp edges, round or drawn out."""
    field = noise(rng, pixels, rng.choice([1.2, 1.6, 2.0]), rng.choice([1, 3, 8]), rng.choice([2, 5, 9]))
    field = field.T if rng.uniform() < 0.5 else field
    return np.tanh(rng.choice([0.6, 2.0, 6.0]) * (field - rng.uniform(-0.8, 0.8)))


def _motif(rng: Rng, pixels: int) -> np.ndarray:
    """One crooked shape again and again, in rows."""
    count = int(rng.choice([2, 4, 8]))
    side = pixels // count
    corners = rng.uniform(0.05, 0.95, (int(rng.integers(3, 9)), 2)) * side
    stamp = np.full((side, side), -1, np.float32)
    cv2.fillPoly(stamp, [corners.astype(np.int32)], 1.0, cv2.LINE_AA)
    stamp = cv2.GaussianBlur(stamp, (0, 0), rng.uniform(0.5, 2.0), borderType=cv2.BORDER_REPLICATE)
    row = np.tile(stamp, (1, count))
    shift = side // 2 if rng.uniform() < 0.5 else 0
    return np.concatenate([np.roll(row, shift * (k % 2), 1) for k in range(count)])


def _strokes(rng: Rng, pixels: int) -> np.ndarray:
    """Lines drawn by hand, all over the place."""
    image = np.zeros((pixels, pixels), np.float32)
    for _ in range(int(rng.integers(6, 60))):
        begin = rng.uniform(0, pixels, 2)
        path = np.cumsum(np.vstack([begin, rng.normal(0, pixels / 12, (5, 2)) + rng.normal(0, pixels / 12, 2)]), 0)
        ink = float(rng.uniform(-1, 1))
        # Once more for each side that it may cross, so that it comes in where it went out.
        copies = [(path + (dx, dy)).astype(np.int32) for dx in (-pixels, 0, pixels) for dy in (-pixels, 0, pixels)]
        cv2.polylines(image, copies, False, ink, int(rng.integers(1, 7)), cv2.LINE_AA)
    return image


KINDS = (_waves, _cells, _blotches, _motif, _strokes)

# SPDX-License-Identifier: Apache-2.0
"""Procedural textures, sized in metres.

Every generator takes a random generator and returns a :class:`Texture`. Surfaces repeat without a seam:
their noise is made in the frequency domain, where everything is periodic.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

Color = tuple[float, float, float]
"""sRGB, 0..1."""

WOOD_COLORS = (
    (0.80, 0.65, 0.46), (0.72, 0.54, 0.35), (0.62, 0.44, 0.28), (0.47, 0.32, 0.20), (0.36, 0.24, 0.16),
    (0.84, 0.73, 0.57), (0.66, 0.55, 0.43), (0.55, 0.33, 0.21), (0.74, 0.70, 0.63), (0.30, 0.22, 0.18),
)  # fmt: skip
WALL_COLORS = (
    (0.93, 0.92, 0.90), (0.90, 0.88, 0.83), (0.88, 0.84, 0.76), (0.82, 0.83, 0.83), (0.86, 0.82, 0.78),
    (0.76, 0.77, 0.76), (0.80, 0.84, 0.86), (0.81, 0.85, 0.79), (0.89, 0.82, 0.76), (0.71, 0.76, 0.79),
    (0.66, 0.70, 0.64), (0.92, 0.88, 0.74), (0.60, 0.62, 0.65),
)  # fmt: skip
ACCENT_COLORS = (
    (0.30, 0.42, 0.50), (0.36, 0.45, 0.36), (0.62, 0.35, 0.27), (0.25, 0.29, 0.36), (0.72, 0.58, 0.32),
    (0.52, 0.40, 0.47),
)  # fmt: skip


@dataclass(frozen=True)
class Texture:
    """``rgb`` (H, W, 3) uint8, one repetition of which covers ``size_m`` metres in both directions."""

    rgb: np.ndarray
    size_m: float


def color(hue: float, saturation: float, value: float) -> Color:
    """sRGB of a hue (0..1), a saturation and a value."""
    pixel = np.uint8([[[hue % 1 * 179, saturation * 255, value * 255]]])
    r, g, b = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0] / 255.0
    return float(r), float(g), float(b)


def vivid(rng: np.random.Generator) -> Color:
    """The colour of a small thing: often saturated."""
    return color(rng.uniform(), 0.9 * rng.beta(2.0, 1.8), rng.uniform(0.3, 0.95))


def jitter(rng: np.random.Generator, base: Color, amount: float = 0.04) -> Color:
    """``base``, a little lighter or darker and with a little tint."""
    shift = rng.normal(0, amount) + rng.normal(0, amount / 3, 3)
    r, g, b = np.clip(np.asarray(base) + shift, 0.02, 0.98)
    return float(r), float(g), float(b)


def pick(rng: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    return jitter(rng, colors[int(rng.integers(len(colors)))])


def noise(
    rng: np.random.Generator, pixels: int, slope: float, stretch: float = 1.0, coarsest: float = 1.0
) -> np.ndarray:
    """(pixels, pixels) periodic noise of mean 0 and deviation 1.

    ``slope`` is the fall of amplitude with frequency (0 white, 2 cloudy). ``stretch`` elongates it along x.
    ``coarsest`` waves per side is where the spectrum flattens out.
    """
    variant, dy, dx = (int(v) for v in rng.integers((_NOISE_VARIANTS, pixels, pixels)))
    field = _noise_field(pixels, float(slope), round(stretch), float(coarsest), variant)
    return np.roll(field[::-1] if rng.uniform() < 0.5 else field, (dy, dx), (0, 1))


_NOISE_VARIANTS = 8


@functools.lru_cache(maxsize=512)
def _noise_field(pixels: int, slope: float, stretch: int, coarsest: float, variant: int) -> np.ndarray:
    """One of a few fields that all noise is cut from: making a new one each time took half of a room's time."""
    rng = np.random.default_rng(variant)
    fy = np.fft.fftfreq(pixels)[:, None] * pixels
    fx = np.fft.rfftfreq(pixels)[None] * pixels
    amplitude = (np.hypot(fx * stretch, fy) + coarsest) ** -slope
    amplitude[0, 0] = 0
    spectrum = amplitude * (rng.standard_normal(amplitude.shape) + 1j * rng.standard_normal(amplitude.shape))
    field = np.fft.irfft2(spectrum, s=(pixels, pixels))
    return (field / field.std()).astype(np.float32)


def _texture(image: np.ndarray, size_m: float) -> Texture:
    return Texture((np.clip(image, 0, 1) * 255).astype(np.uint8), float(size_m))


def _shade(base: Color, factor: np.ndarray) -> np.ndarray:
    return np.asarray(base, np.float32) * factor[..., None]


def plain(rng: np.random.Generator, base: Color) -> Texture:
    """Paint, lacquer or plastic: an almost even colour."""
    return _texture(_shade(base, 1 + 0.012 * noise(rng, 64, 0.8)), 0.5)


def plaster(rng: np.random.Generator, base: Color) -> Texture:
    """A painted wall: faint clouds, faint grain."""
    factor = 1 + 0.012 * noise(rng, 256, 1.6, coarsest=2) + rng.uniform(0.005, 0.025) * noise(rng, 256, 0.3)
    return _texture(_shade(base, factor), rng.uniform(1.2, 2.4))


def wood(rng: np.random.Generator, base: Color | None = None) -> Texture:
    """A board, its grain along u."""
    base = base or pick(rng, WOOD_COLORS)
    contrast = rng.uniform(0.5, 1.3)
    figure = noise(rng, 256, 1.1, stretch=rng.uniform(9, 16), coarsest=5)
    pores = noise(rng, 256, 0.25, stretch=30, coarsest=20)
    factor = 1 + contrast * (0.075 * figure + 0.035 * pores)
    image = _shade(base, factor)
    image[..., 2] *= 1 - contrast * 0.03 * figure
    return _texture(image, rng.uniform(0.6, 1.1))


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
    return _texture(_shade(base, factor), rows * rng.uniform(0.09, 0.2))


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
    image = _shade(base, factor)
    grout = np.full(3, rng.uniform(0.4, 0.85), np.float32)
    for k in range(count):
        image[k * side : k * side + width] = grout
        image[:, k * side : k * side + width] = grout
    return _texture(image, count * tile_m)


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
    image = _shade(base, factor)
    image[mortar] = np.asarray(base) * 0.85 if painted else rng.uniform(0.55, 0.8)
    return _texture(image, rows * 0.075)


def wallpaper(rng: np.random.Generator, base: Color) -> Texture:
    """Stripes or a small motif, a little lighter or darker than the base."""
    pixels = 256
    x, y = np.meshgrid(np.arange(pixels), np.arange(pixels))
    waves = int(rng.integers(2, 7))
    if rng.uniform() < 0.6:
        pattern = np.sin(x * 2 * np.pi * waves / pixels) > rng.uniform(-0.4, 0.6)
    else:
        pattern = np.sin(x * 2 * np.pi * waves / pixels) * np.sin(
            y * 2 * np.pi * waves / pixels
        ) > rng.uniform(0.5, 0.85)
    soft = cv2.GaussianBlur(pattern.astype(np.float32), (0, 0), 1.2, borderType=cv2.BORDER_REFLECT)
    factor = 1 + rng.choice([-1, 1]) * rng.uniform(0.03, 0.13) * soft + 0.01 * noise(rng, pixels, 0.5)
    return _texture(_shade(base, factor), rng.uniform(0.4, 1.2))


def carpet(rng: np.random.Generator) -> Texture:
    """A pile carpet: flecks, and faint clouds where feet went."""
    greys = WALL_COLORS + ACCENT_COLORS + ((0.45, 0.43, 0.41), (0.33, 0.34, 0.37), (0.60, 0.52, 0.44))
    factor = 1 + rng.uniform(0.04, 0.14) * noise(rng, 256, 0.25) + 0.025 * noise(rng, 256, 1.6, coarsest=2)
    return _texture(_shade(pick(rng, greys), factor), rng.uniform(0.6, 1.0))


def stone(rng: np.random.Generator, base: Color | None = None) -> Texture:
    """Stone, terrazzo or concrete: clouds, with faint veins at times."""
    base = base or pick(
        rng,
        ((0.85, 0.84, 0.82), (0.66, 0.65, 0.63), (0.45, 0.45, 0.46), (0.72, 0.66, 0.58), (0.22, 0.22, 0.24)),
    )
    factor = 1 + 0.03 * noise(rng, 256, 1.5, coarsest=3) + 0.02 * noise(rng, 256, 0.2)
    if rng.uniform() < 0.4:
        factor -= rng.uniform(0.04, 0.15) * np.exp(-((noise(rng, 256, 1.9, coarsest=2) / 0.06) ** 2))
    return _texture(_shade(base, factor), rng.uniform(0.8, 1.6))


def fabric(rng: np.random.Generator, base: Color | None = None) -> Texture:
    """A woven cover."""
    base = base or pick(rng, ACCENT_COLORS + WALL_COLORS[:6] + ((0.3, 0.3, 0.32), (0.45, 0.42, 0.4)))
    x, y = np.meshgrid(np.arange(128), np.arange(128))
    weave = np.sin(x * np.pi / 2) * np.sin(y * np.pi / 2)
    return _texture(_shade(base, 1 + 0.06 * weave + 0.05 * noise(rng, 128, 0.5)), 0.25)


def metal(rng: np.random.Generator) -> Texture:
    base = jitter(
        rng,
        ((0.72, 0.72, 0.74), (0.55, 0.56, 0.58), (0.16, 0.16, 0.17), (0.78, 0.68, 0.5))[int(rng.integers(4))],
        0.03,
    )
    return _texture(_shade(base, 1 + 0.02 * noise(rng, 128, 0.6, stretch=12)), 0.4)


def _ink(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = vivid(rng) if rng.uniform() < 0.6 else (float(rng.choice([0.06, 0.12, 0.93, 0.97])),) * 3
    return int(r * 255), int(g * 255), int(b * 255)


def _word(rng: np.random.Generator) -> str:
    return "".join(rng.choice(list("AAEEIOURSTLNMKBDGPVZ")) for _ in range(int(rng.integers(3, 8))))


def _write(rng: np.random.Generator, image: np.ndarray, x: int, y: int, width: int) -> None:
    """A word of about ``width`` pixels with its left end at x and its baseline at y."""
    text, face = (
        _word(rng),
        int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX])),
    )
    thickness = int(rng.integers(1, 4))
    (natural, _), _ = cv2.getTextSize(text, face, 1.0, thickness)
    cv2.putText(image, text, (x, y), face, width / natural, _ink(rng), thickness, cv2.LINE_AA)


def printed_label(rng: np.random.Generator, base: Color | None = None) -> Texture:
    """The print of a can or a packet: bands, a badge, a name, small print. Covers the whole surface once."""
    pixels = 256
    base = base or vivid(rng)
    image = np.ascontiguousarray(np.broadcast_to(np.uint8(np.asarray(base) * 255), (pixels, pixels, 3)))
    design = rng.choice(["bands", "diagonal", "stripes", "scene"], p=[0.55, 0.15, 0.15, 0.15])
    if design == "bands":
        for _ in range(int(rng.integers(1, 4))):
            top, height = int(rng.integers(0, 220)), int(rng.integers(6, 70))
            cv2.rectangle(image, (0, top), (pixels, top + height), _ink(rng), -1)
    elif design == "diagonal":
        low, high = (int(v) for v in rng.integers(20, 236, 2))
        cv2.fillPoly(image, [np.array([(0, low), (pixels, high), (pixels, pixels), (0, pixels)])], _ink(rng))
    elif design == "stripes":
        ink, step = _ink(rng), int(rng.choice([16, 32, 64]))
        for x in range(0, pixels, step):
            cv2.rectangle(image, (x, 0), (x + step // 2 - 1, pixels), ink, -1)
    else:
        blend = np.clip(0.5 + 0.5 * noise(rng, pixels, 2.0, coarsest=2), 0, 1)[..., None]
        image = np.ascontiguousarray((image * (1 - blend) + np.array(_ink(rng)) * blend).astype(np.uint8))
    for x in (0, pixels // 2):
        if rng.uniform() < 0.6:
            centre, radius = (x + 64, int(rng.integers(80, 180))), int(rng.integers(18, 48))
            cv2.ellipse(
                image,
                centre,
                (radius, int(radius * rng.uniform(0.5, 1.2))),
                0,
                0,
                360,
                _ink(rng),
                -1,
                cv2.LINE_AA,
            )
        _write(rng, image, x + 14, int(rng.integers(80, 190)), 98)
        ink, y = _ink(rng), int(rng.integers(200, 230))
        for line in range(3):
            cv2.line(
                image,
                (x + 20, y + 7 * line),
                (x + int(rng.integers(60, 110)), y + 7 * line),
                ink,
                1,
                cv2.LINE_AA,
            )
    image = image[::-1]  # v grows upwards
    return Texture(np.ascontiguousarray(image), 1.0)


def bottle_skin(rng: np.random.Generator) -> Texture:
    """Coloured glass or plastic with a paper label around the belly. Covers the whole surface once."""
    glass = (
        (0.10, 0.24, 0.12),
        (0.22, 0.12, 0.06),
        (0.75, 0.82, 0.84),
        (0.85, 0.86, 0.84),
        (0.08, 0.09, 0.1),
        (0.20, 0.42, 0.62),
    )
    body = jitter(rng, glass[int(rng.integers(len(glass)))]) if rng.uniform() < 0.65 else vivid(rng)
    image = (_shade(body, 1 + 0.02 * noise(rng, 256, 1.0)) * 255).clip(0, 255).astype(np.uint8)
    if rng.uniform() < 0.8:
        paper = printed_label(rng, (0.92, 0.9, 0.84) if rng.uniform() < 0.5 else None).rgb
        low, high = int(rng.integers(40, 60)), int(rng.integers(90, 125))
        image[low:high] = cv2.resize(paper, (256, high - low), interpolation=cv2.INTER_AREA)
    if rng.uniform() < 0.7:  # the cap
        image[int(rng.integers(212, 228)) :] = np.uint8(np.asarray(vivid(rng)) * 255)
    return Texture(image, 1.0)


def cardboard(rng: np.random.Generator) -> Texture:
    """A parcel: brown board, tape, at times a sticker. Covers each face once."""
    pixels = 256
    base = jitter(rng, (0.68, 0.53, 0.37), 0.05)
    image = _shade(base, 1 + 0.02 * noise(rng, pixels, 1.2, stretch=6) + 0.01 * noise(rng, pixels, 0.2))
    if rng.uniform() < 0.75:
        half = int(rng.integers(8, 18))
        image[pixels // 2 - half : pixels // 2 + half] *= rng.uniform(0.8, 1.18)
        image[pixels // 2 - 1 : pixels // 2 + 1] *= 0.8
    rgb = np.ascontiguousarray((image.clip(0, 1) * 255).astype(np.uint8))
    if rng.uniform() < 0.6:
        x, y = (int(v) for v in rng.integers(15, 140, 2))
        cv2.rectangle(rgb, (x, y), (x + 85, y + 55), (235, 233, 228), -1)
        _write(rng, rgb, x + 6, y + 22, 60)
        for line in range(3):
            cv2.line(
                rgb,
                (x + 6, y + 32 + 7 * line),
                (x + int(rng.integers(40, 80)), y + 32 + 7 * line),
                (60, 60, 60),
                1,
            )
    elif rng.uniform() < 0.5:
        _write(rng, rgb, 40, int(rng.integers(60, 220)), 150)
    return Texture(np.ascontiguousarray(rgb[::-1]), 1.0)


def book_cover(rng: np.random.Generator) -> Texture:
    """A cover, also good as a spine: bands, a title. Covers each face once."""
    base = vivid(rng) if rng.uniform() < 0.7 else pick(rng, WALL_COLORS + ACCENT_COLORS)
    image = np.ascontiguousarray(np.broadcast_to(np.uint8(np.asarray(base) * 255), (128, 128, 3)))
    ink = _ink(rng)
    for y in rng.integers(6, 118, int(rng.integers(1, 4))):
        cv2.rectangle(image, (0, int(y)), (128, int(y) + int(rng.integers(2, 14))), ink, -1)
    _write(rng, image, 14, int(rng.integers(40, 90)), 98)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)


def printed_page(rng: np.random.Generator) -> Texture:
    """A page of a book: grey lines, at times a picture. Covers each face once."""
    image = np.full((128, 128, 3), 238, np.uint8)
    top = 12
    if rng.uniform() < 0.35:
        top = int(rng.integers(45, 75))
        cv2.rectangle(image, (14, 12), (114, top - 8), _ink(rng), -1)
    for y in range(top, 118, 7):
        cv2.line(image, (14, y), (114 if rng.uniform() < 0.85 else 70, y), (120, 118, 112), 2)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)


def concrete(rng: np.random.Generator) -> Texture:
    """A hall's floor or wall: grey clouds, stains, joints."""
    base = jitter(rng, ((0.58, 0.57, 0.55), (0.48, 0.48, 0.48), (0.66, 0.64, 0.6))[int(rng.integers(3))], 0.05)
    factor = 1 + 0.05 * noise(rng, 256, 1.5, coarsest=3) + rng.uniform(0.01, 0.04) * noise(rng, 256, 0.3)
    factor -= rng.uniform(0, 0.12) * (noise(rng, 256, 1.8, coarsest=2) > 1.2)
    if rng.uniform() < 0.5:
        factor[:2] *= 0.75
        factor[:, :2] *= 0.75
    return _texture(_shade(base, factor), rng.uniform(1.5, 3.0))


def corrugated(rng: np.random.Generator) -> Texture:
    """Sheet metal in waves that run up the wall."""
    base = pick(rng, ((0.75, 0.76, 0.77), (0.62, 0.66, 0.7), (0.82, 0.8, 0.74), (0.4, 0.5, 0.55)))
    waves = 1 + 0.14 * np.sin(np.arange(256) * 2 * np.pi * 8 / 256)[None, :].repeat(256, 0)
    return _texture(_shade(base, waves + 0.02 * noise(rng, 256, 1.0)), rng.uniform(0.8, 1.6))


def striped_tape(rng: np.random.Generator) -> Texture:
    """Yellow and black, as on the floors of halls."""
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    stripe = ((x + y) % 32 < 16)[..., None]
    return _texture(np.where(stripe, (0.9, 0.75, 0.1), (0.08, 0.08, 0.08)).astype(np.float32), 0.3)


def peel(rng: np.random.Generator, base: Color, blush: Color | None = None) -> Texture:
    """The skin of a fruit: speckles, and a second colour on one side."""
    factor = 1 + 0.05 * noise(rng, 128, 0.8) + 0.02 * noise(rng, 128, 0.1)
    image = _shade(base, factor)
    if blush is not None:
        amount = (0.5 + 0.4 * noise(rng, 128, 1.8)).clip(0, 1)[..., None]
        image = image * (1 - amount) + _shade(blush, factor) * amount
    return _texture(image, 1.0)


def outdoors(rng: np.random.Generator) -> Texture:
    """What a window shows: sky, then hills, trees or houses. Covers the pane once."""
    pixels = 256
    y = np.linspace(0, 1, pixels, dtype=np.float32)[:, None]
    top, low = (
        np.asarray(color(rng.uniform(0.54, 0.6), rng.uniform(0.1, 0.45), rng.uniform(0.85, 1.0))),
        np.full(3, rng.uniform(0.9, 1.0)),
    )
    image = (top * (1 - y[..., None]) + low * y[..., None]) * np.ones((pixels, pixels, 1), np.float32)
    image += 0.04 * noise(rng, pixels, 2.0, coarsest=2)[..., None]
    for layer in range(int(rng.integers(1, 4))):
        horizon = rng.uniform(0.4, 0.65) + 0.12 * layer
        shade = np.asarray(color(rng.uniform(0.2, 0.36), rng.uniform(0.1, 0.5), rng.uniform(0.3, 0.65)))
        if rng.uniform() < 0.35:  # roofs
            steps = np.repeat(rng.uniform(-0.1, 0.1, 8), pixels // 8)
            shade = np.asarray(jitter(rng, (0.6, 0.5, 0.45), 0.1))
        else:
            steps = 0.05 * noise(rng, pixels, 1.3)[0]
        below = y > horizon + steps[None, :]
        image[below] = (shade * (1 + 0.1 * noise(rng, pixels, 0.9))[..., None])[below]
    return _texture(cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0)[::-1], 1.0)


def picture(rng: np.random.Generator) -> Texture:
    """A picture for the wall: a landscape or fields of colour."""
    if rng.uniform() < 0.5:
        return outdoors(rng)
    first, second, third = (
        np.asarray(c) for c in (vivid(rng), pick(rng, WALL_COLORS), pick(rng, ACCENT_COLORS))
    )
    a, b = noise(rng, 128, 2.0)[..., None], noise(rng, 128, 1.8)[..., None]
    image = np.where(a > 0.3, first, np.where(b > 0.2, second, third))
    return _texture(cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.8), 1.0)


def one_of(rng: np.random.Generator, choices: list[tuple[float, Callable[[], Texture]]]) -> Texture:
    """Calls one of ``choices``, (weight, generator) pairs."""
    weights = np.array([weight for weight, _ in choices])
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))][1]()

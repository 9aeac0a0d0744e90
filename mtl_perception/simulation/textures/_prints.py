# SPDX-License-Identifier: Apache-2.0
"""Prints, plants, and the views of windows and pictures; most cover a whole surface once."""

from __future__ import annotations

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


def ink_color(rng: np.random.Generator) -> tuple[int, int, int]:
    """A colour to print with."""
    r, g, b = vivid(rng) if rng.uniform() < 0.6 else (float(rng.choice([0.06, 0.12, 0.93, 0.97])),) * 3
    return int(r * 255), int(g * 255), int(b * 255)


def _word(rng: np.random.Generator) -> str:
    return "".join(rng.choice(list("AAEEIOURSTLNMKBDGPVZ")) for _ in range(int(rng.integers(3, 8))))


def write(rng: np.random.Generator, image: np.ndarray, x: int, y: int, width: int) -> None:
    """A word of about ``width`` pixels with its left end at x and its baseline at y."""
    text, face = (
        _word(rng),
        int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX])),
    )
    thickness = int(rng.integers(1, 4))
    (natural, _), _ = cv2.getTextSize(text, face, 1.0, thickness)
    cv2.putText(image, text, (x, y), face, width / natural, ink_color(rng), thickness, cv2.LINE_AA)


def printed_label(rng: np.random.Generator, base: Color | None = None) -> Texture:
    """The print of a can or a packet: bands, a badge, a name, small print. Covers the whole surface once."""
    pixels = 256
    base = base or vivid(rng)
    image = np.ascontiguousarray(np.broadcast_to(np.uint8(np.asarray(base) * 255), (pixels, pixels, 3)))
    design = rng.choice(["bands", "diagonal", "stripes", "scene"], p=[0.55, 0.15, 0.15, 0.15])
    if design == "bands":
        for _ in range(int(rng.integers(1, 4))):
            top, height = int(rng.integers(0, 220)), int(rng.integers(6, 70))
            cv2.rectangle(image, (0, top), (pixels, top + height), ink_color(rng), -1)
    elif design == "diagonal":
        low, high = (int(v) for v in rng.integers(20, 236, 2))
        cv2.fillPoly(image, [np.array([(0, low), (pixels, high), (pixels, pixels), (0, pixels)])], ink_color(rng))
    elif design == "stripes":
        ink, step = ink_color(rng), int(rng.choice([16, 32, 64]))
        for x in range(0, pixels, step):
            cv2.rectangle(image, (x, 0), (x + step // 2 - 1, pixels), ink, -1)
    else:
        blend = np.clip(0.5 + 0.5 * noise(rng, pixels, 2.0, coarsest=2), 0, 1)[..., None]
        image = np.ascontiguousarray((image * (1 - blend) + np.array(ink_color(rng)) * blend).astype(np.uint8))
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
                ink_color(rng),
                -1,
                cv2.LINE_AA,
            )
        write(rng, image, x + 14, int(rng.integers(80, 190)), 98)
        ink, y = ink_color(rng), int(rng.integers(200, 230))
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
    image = (shade(body, 1 + 0.02 * noise(rng, 256, 1.0)) * 255).clip(0, 255).astype(np.uint8)
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
    image = shade(base, 1 + 0.02 * noise(rng, pixels, 1.2, stretch=6) + 0.01 * noise(rng, pixels, 0.2))
    if rng.uniform() < 0.75:
        half = int(rng.integers(8, 18))
        image[pixels // 2 - half : pixels // 2 + half] *= rng.uniform(0.8, 1.18)
        image[pixels // 2 - 1 : pixels // 2 + 1] *= 0.8
    rgb = np.ascontiguousarray((image.clip(0, 1) * 255).astype(np.uint8))
    if rng.uniform() < 0.6:
        x, y = (int(v) for v in rng.integers(15, 140, 2))
        cv2.rectangle(rgb, (x, y), (x + 85, y + 55), (235, 233, 228), -1)
        write(rng, rgb, x + 6, y + 22, 60)
        for line in range(3):
            cv2.line(
                rgb,
                (x + 6, y + 32 + 7 * line),
                (x + int(rng.integers(40, 80)), y + 32 + 7 * line),
                (60, 60, 60),
                1,
            )
    elif rng.uniform() < 0.5:
        write(rng, rgb, 40, int(rng.integers(60, 220)), 150)
    return Texture(np.ascontiguousarray(rgb[::-1]), 1.0)


def book_cover(rng: np.random.Generator) -> Texture:
    """A cover, also good as a spine: bands, a title. Covers each face once."""
    base = vivid(rng) if rng.uniform() < 0.7 else pick(rng, WALL_COLORS + ACCENT_COLORS)
    image = np.ascontiguousarray(np.broadcast_to(np.uint8(np.asarray(base) * 255), (128, 128, 3)))
    ink = ink_color(rng)
    for y in rng.integers(6, 118, int(rng.integers(1, 4))):
        cv2.rectangle(image, (0, int(y)), (128, int(y) + int(rng.integers(2, 14))), ink, -1)
    write(rng, image, 14, int(rng.integers(40, 90)), 98)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)


def printed_page(rng: np.random.Generator) -> Texture:
    """A page of a book: grey lines, at times a picture. Covers each face once."""
    image = np.full((128, 128, 3), 238, np.uint8)
    top = 12
    if rng.uniform() < 0.35:
        top = int(rng.integers(45, 75))
        cv2.rectangle(image, (14, 12), (114, top - 8), ink_color(rng), -1)
    for y in range(top, 118, 7):
        cv2.line(image, (14, y), (114 if rng.uniform() < 0.85 else 70, y), (120, 118, 112), 2)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)


def peel(rng: np.random.Generator, base: Color, blush: Color | None = None) -> Texture:
    """The skin of a fruit: speckles, and a second colour on one side."""
    factor = 1 + 0.05 * noise(rng, 128, 0.8) + 0.02 * noise(rng, 128, 0.1)
    image = shade(base, factor)
    if blush is not None:
        amount = (0.5 + 0.4 * noise(rng, 128, 1.8)).clip(0, 1)[..., None]
        image = image * (1 - amount) + shade(blush, factor) * amount
    return textured(image, 1.0)


def outdoors(rng: np.random.Generator) -> Texture:
    """The view from a window: sky, then hills, trees or houses. Covers the pane once."""
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
    return textured(cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0)[::-1], 1.0)


def picture(rng: np.random.Generator) -> Texture:
    """A picture for the wall: a landscape or fields of colour."""
    if rng.uniform() < 0.5:
        return outdoors(rng)
    first, second, third = (np.asarray(c) for c in (vivid(rng), pick(rng, WALL_COLORS), pick(rng, ACCENT_COLORS)))
    a, b = noise(rng, 128, 2.0)[..., None], noise(rng, 128, 1.8)[..., None]
    image = np.where(a > 0.3, first, np.where(b > 0.2, second, third))
    return textured(cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.8), 1.0)


def desktop(rng: np.random.Generator) -> Texture:
    """A computer's screen: windows with lines of text over a picture. Covers the screen once."""
    image = cv2.resize(picture(rng).rgb, (256, 256), interpolation=cv2.INTER_LINEAR)
    for _ in range(int(rng.integers(1, 4))):
        x, y = (int(v) for v in rng.integers(0, 130, 2))
        wide, high = (int(v) for v in rng.integers(60, 250, 2))
        dark = rng.uniform() < 0.35
        paper, ink = ((38, 40, 44), (190, 195, 190)) if dark else ((244, 244, 244), (70, 72, 80))
        cv2.rectangle(image, (x, y), (x + wide, y + high), paper, -1)
        cv2.rectangle(image, (x, y), (x + wide, y + 9), ink_color(rng), -1)
        for line in range(y + 18, min(y + high - 6, 250), 7):
            cv2.line(image, (x + 8, line), (x + 8 + int(wide * rng.uniform(0.1, 0.85)), line), ink, 2)
    if rng.uniform() < 0.6:
        cv2.rectangle(image, (0, 246), (256, 256), ink_color(rng), -1)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)


def keys(rng: np.random.Generator) -> Texture:
    """The keys of a keyboard. Covers it once."""
    light = rng.uniform() < 0.3
    base, cap = ((0.75, 0.75, 0.74), (0.92, 0.92, 0.91)) if light else ((0.07, 0.07, 0.075), (0.16, 0.16, 0.17))
    image = np.ascontiguousarray(np.broadcast_to(np.uint8(np.asarray(base) * 255), (128, 256, 3)))
    fill, ink = tuple(int(255 * v) for v in cap), (60, 60, 60) if light else (200, 200, 200)
    for row in range(6):
        shift = int(rng.integers(0, 8))
        for x in range(4 + shift, 250, 16):
            cv2.rectangle(image, (x, 4 + 21 * row), (x + 12, 20 + 21 * row), fill, -1)
            cv2.circle(image, (x + 5, 11 + 21 * row), 1, ink, -1)
    cv2.rectangle(image, (70, 109), (170, 125), fill, -1)
    return Texture(np.ascontiguousarray(image[::-1]), 1.0)

# SPDX-License-Identifier: Apache-2.0
"""Building blocks of textures: colours, and noise that repeats without a seam.

Noise is made in the frequency domain, where everything is periodic.
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
    family: str = ""
    """The name of the generator; those of held-out textures start with "unseen"."""


def color(hue: float, saturation: float, value: float) -> Color:
    """sRGB of a hue (0..1), a saturation and a value."""
    pixel = np.uint8([[[hue % 1 * 179, saturation * 255, value * 255]]])
    r, g, b = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0] / 255.0
    return float(r), float(g), float(b)


def vivid(rng: np.random.Generator) -> Color:
    """The colour of a small object: often saturated."""
    return color(rng.uniform(), 0.9 * rng.beta(2.0, 1.8), rng.uniform(0.3, 0.95))


def jitter(rng: np.random.Generator, base: Color, amount: float = 0.04) -> Color:
    """``base``, a little lighter or darker and with a little tint."""
    shift = rng.normal(0, amount) + rng.normal(0, amount / 3, 3)
    r, g, b = np.clip(np.asarray(base) + shift, 0.02, 0.98)
    return float(r), float(g), float(b)


def pick(rng: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    return jitter(rng, colors[int(rng.integers(len(colors)))])


def noise(rng: np.random.Generator, pixels: int, slope: float, stretch: float = 1.0, coarsest: float = 1.0) -> np.ndarray:
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


def textured(image: np.ndarray, size_m: float) -> Texture:
    """A texture of ``image`` (H, W, 3), 0..1."""
    return Texture((np.clip(image, 0, 1) * 255).astype(np.uint8), float(size_m))


def shade(base: Color, factor: np.ndarray) -> np.ndarray:
    """(H, W, 3): ``base`` times ``factor`` (H, W)."""
    return np.asarray(base, np.float32) * factor[..., None]


def one_of(rng: np.random.Generator, choices: list[tuple[float, Callable[[], Texture]]]) -> Texture:
    """Calls one of ``choices``, (weight, generator) pairs."""
    weights = np.array([weight for weight, _ in choices])
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))][1]()

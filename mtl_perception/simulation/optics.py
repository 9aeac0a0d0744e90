# SPDX-License-Identifier: Apache-2.0
"""Effects of a camera on a picture: it moves, exposes, darkens towards its corners, adds noise.

The first camera is mild, for training adds its own; the second makes pictures whose statistics are those of photographs.
The lens does not distort, so that labels stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Rng = np.random.Generator
_GAMMA = 2.2


def through_camera(rng: Rng, rgb: np.ndarray) -> np.ndarray:
    """``rgb`` (H, W, 3) uint8 sRGB as a camera would deliver it; a copy."""
    light = _linear(rgb)
    if rng.uniform() < 0.3:
        light = _moved(rng, light)
    gain = _gain(rng, light)
    light *= gain * _white_balance(rng, light)
    if rng.uniform() < 0.5:
        light *= _vignette(light.shape[:2], rng.uniform(0.05, 0.4))
    light = _noisy(rng, light, gain)
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / _GAMMA)).astype(np.uint8)


def photograph(rng: Rng, rgb: np.ndarray) -> np.ndarray:
    """``rgb`` (H, W, 3) uint8 sRGB as photographs of rooms look: exposed for the brightest parts, soft, with little
    noise, paler than the renderer's colours. What it is matched to is in docs/rendering.md.
    """
    light = _linear(rgb)
    if rng.uniform() < 0.25:
        light = _moved(rng, light)
    light = _soft(light, rng.lognormal(np.log(0.56), 0.25))
    light *= _white_balance(rng, light)
    gain = _metered(rng, light)
    light *= gain
    if rng.uniform() < 0.5:
        light *= _vignette(light.shape[:2], rng.uniform(0.05, 0.4))
    light = _noisy(rng, light, 0.22 * gain)
    if rng.uniform() < 0.6:  # noise reduction, which sees no edges
        light = _soft(light, rng.uniform(0.3, 0.6))
    if rng.uniform() < 0.6:
        light += rng.uniform(0.2, 0.8) * (light - _soft(light, 1.2))
    shown = np.clip(light, 0, 1) ** (rng.uniform(0.76, 1.0) / _GAMMA)  # phones lift the shadows
    shown = _contrast(shown, rng.normal(0.4, 0.3))
    grey = (shown @ np.float32([0.3, 0.59, 0.11]))[..., None]
    shown = grey + (shown - grey) * rng.lognormal(np.log(0.68), 0.33)
    return np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8)


CAMERAS: dict[str, Callable[[Rng, np.ndarray], np.ndarray]] = {
    "mild": through_camera,
    "photographic": photograph,
}
"""By the name that ``mtl-perception render --camera`` takes."""


def _soft(light: np.ndarray, sigma: float) -> np.ndarray:
    """Blurred by a lens; ``sigma`` in pixels of a picture 384 wide."""
    sigma *= light.shape[1] / 384
    return light if sigma < 0.15 else cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def _metered(rng: Rng, light: np.ndarray) -> float:
    """Exposure that brings all but the brightest percents below white, most of the way."""
    bright = float(np.percentile(light.mean(2), rng.uniform(93, 99))) + 1e-4
    wanted = (np.exp(rng.normal(np.log(0.6), 0.33)) / bright) ** rng.uniform(0.85, 1.0)
    return float(np.clip(wanted, 0.4, 10.0))


def _contrast(shown: np.ndarray, amount: float) -> np.ndarray:
    """Darker shadows and brighter lights for ``amount`` > 0, the reverse below; 0 to 1 stays 0 to 1."""
    return shown + amount * shown * (1 - shown) * (2 * shown - 1)


def jpeg_quality(rng: Rng) -> int:
    """Mostly good, seldom poor."""
    return int(np.clip(95 - rng.exponential(9), 55, 95))


def _linear(rgb: np.ndarray) -> np.ndarray:
    levels = ((np.arange(256) / 255) ** _GAMMA).astype(np.float32)
    return cv2.LUT(rgb, levels)


def _moved(rng: Rng, light: np.ndarray) -> np.ndarray:
    """Blurred along a line, as when the camera turns while the shutter is open."""
    length = min(rng.exponential(0.006), 0.02) * light.shape[1]
    angle, reach = rng.uniform(0, np.pi), max(1, int(np.ceil(length / 2)))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for along in np.linspace(-length / 2, length / 2, 4 * reach + 1):
        x, y = reach + along * np.cos(angle), reach + along * np.sin(angle)
        kernel[round(y), round(x)] += 1
    return cv2.filter2D(light, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _gain(rng: Rng, light: np.ndarray) -> float:
    """Automatic exposure that never quite gets there: dark rooms stay darker than bright ones."""
    middle = float(np.mean(light)) + 1e-4
    wanted = (0.2 / middle) ** rng.uniform(0.5, 0.9)
    return float(np.clip(wanted * np.exp(rng.normal(0.0, 0.25)), 0.4, 8.0))


def _white_balance(rng: Rng, light: np.ndarray) -> np.ndarray:
    """(3,) factors that take back a part of the light's colour, never exactly."""
    means = light.reshape(-1, 3).mean(0) + 1e-4
    factors = (means.mean() / means) ** rng.uniform(0.1, 0.8) * rng.normal(1.0, 0.03, 3)
    return factors.astype(np.float32)


def _vignette(shape: tuple[int, int], strength: float) -> np.ndarray:
    """(H, W, 1): 1 in the middle, 1 - ``strength`` in the corners."""
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in shape)
    return (1 - strength * (y[:, None] ** 2 + x[None] ** 2) / 2)[..., None]


def _noisy(rng: Rng, light: np.ndarray, gain: float) -> np.ndarray:
    """Shot noise, which grows with the light, and the noise of reading it out, both amplified by ``gain``."""
    shot, read = rng.uniform(0.0, 2.5e-4) * gain, rng.uniform(0.0, 0.0015) * gain
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    return light + noise * np.sqrt(shot * np.clip(light, 0, None) + read**2)

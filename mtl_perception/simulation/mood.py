# SPDX-License-Identifier: Apache-2.0
"""The time of day in a room, and which lamps are on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator
Color = tuple[float, float, float]


@dataclass(frozen=True)
class Mood:
    """Factors on the light of an ordinary day with its lamps on."""

    name: str
    daylight: float = 1.0
    """Light that comes in by the windows, and how bright they look."""
    lamps: float = 1.0
    ambient: float = 1.0
    """Ambient light."""
    tint: Color = (1.0, 1.0, 1.0)
    """Of the lamps."""


DAY = Mood("day")


def draw_mood(rng: Rng) -> Mood:
    """Day, evening by lamplight, or nearly dark."""
    name = str(rng.choice(["day", "lamp", "dark"], p=[0.5, 0.35, 0.15]))
    if name == "day":
        lamps = 0.0 if rng.uniform() < 0.4 else rng.uniform(0.5, 1.1)
        return Mood(name, rng.uniform(0.7, 1.8), lamps, rng.uniform(0.7, 1.3), _white(rng, 0.15))
    if name == "lamp":
        ambient = rng.uniform(0.3, 0.8)
        return Mood(name, rng.uniform(0.0, 0.12), rng.uniform(0.7, 1.4), ambient, _white(rng, 0.35))
    if rng.uniform() < 0.3:  # dusk without a lamp
        return Mood(name, rng.uniform(0.05, 0.25), 0.0, rng.uniform(0.06, 0.2), (1.0, 1.0, 1.0))
    return Mood(name, rng.uniform(0.0, 0.05), rng.uniform(0.12, 0.5), rng.uniform(0.04, 0.16), _white(rng, 0.4))


def _white(rng: Rng, most: float) -> Color:
    """From daylight tubes to candle light, seldom a coloured bulb."""
    if rng.uniform() < 0.05 * (most > 0.3):
        r, g, b = rng.uniform(0.45, 1.0, 3)
        return float(r), float(g), float(b)
    warm = rng.uniform(-0.06, most)
    return (1.0 + min(warm, 0.0), 1.0 - 0.35 * abs(warm), 1.0 - max(warm, 0.0))

# SPDX-License-Identifier: Apache-2.0
"""What lights a room beside its windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import textures
from mtl_perception.simulation.labels import CLUTTER
from mtl_perception.simulation.meshes import cylinder
from mtl_perception.simulation.plan import Room
from mtl_perception.simulation.world import Lamp, Material, Spot

Rng = np.random.Generator
MAX_SHADOWS = 2  # each costs a quarter of the rendering time


def add_lights(rng: Rng, room: Room, brightness: float = 1.0) -> None:
    """Ceiling lamps beside the daylight, and the light that comes back from everywhere.

    Args:
        brightness: factor on all of it, daylight included.
    """
    world = room.world
    warm = rng.uniform(0.0, 0.16)
    tint = (1.0, 1.0 - 0.35 * warm, 1.0 - warm)
    spots = [(0.0, 0.0)] if rng.uniform() < 0.6 else [(-0.45, 0.0), (0.45, 0.0)]
    glow = Material(textures.plain(rng, (0.97, 0.95, 0.9)), 0.9, emission=rng.uniform(0.3, 0.9))
    power = rng.uniform(1.2e5, 2.5e5) / len(spots)
    for fx, fy in spots:
        x = fx * room.half_x + rng.normal(0, 0.2)
        y = fy * room.half_y + rng.normal(0, 0.2)
        disc = cylinder(rng.uniform(0.12, 0.25), 0.05, 24)
        world.add(CLUTTER, [(disc, glow)], Spot(x, y, room.height - 0.05))
        world.lamps.append(Lamp((x, y, room.height - 0.07), (0.0, 0.0, -1.0), power, tint, 86, 0.15, True))
    shadowed = sorted(range(len(world.lamps)), key=lambda i: -world.lamps[i].intensity_cd)[:MAX_SHADOWS]
    world.lamps = [replace(lamp, shadow=i in shadowed) for i, lamp in enumerate(world.lamps)]
    # What the floor throws back: from far below, so that it is even.
    bounce = rng.uniform(0.9e5, 2.0e5)
    world.lamps.append(Lamp((0.0, 0.0, -2.0), (0.0, 0.0, 1.0), bounce, (1.0, 0.96, 0.92), 85, 0.1, False))
    world.lamps = [replace(lamp, intensity_cd=brightness * lamp.intensity_cd) for lamp in world.lamps]
    world.ambient_lux = brightness * rng.uniform(7_000, 14_000)
    world.ambient_color = tuple(float(c) for c in 1 + rng.normal(0, 0.03, 3))

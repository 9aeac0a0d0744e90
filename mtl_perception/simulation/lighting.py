# SPDX-License-Identifier: Apache-2.0
"""Lights of a room beside its windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import textures
from mtl_perception.simulation.meshes import box, cylinder
from mtl_perception.simulation.plan import Room
from mtl_perception.simulation.world import Lamp, Material, Spot

Rng = np.random.Generator
MAX_SHADOWS = 2  # each costs a quarter of the rendering time


def add_lights(rng: Rng, room: Room, brightness: float = 1.0, rows: int | None = None, columns: int = 1) -> None:
    """Ceiling lamps beside the daylight, and the light that comes back from everywhere.

    Args:
        brightness: factor on all of it, daylight included.
        rows: lamps one behind the other along y, in as many ``columns``; one or two across where None.
    """
    world, mood = room.world, room.mood
    if rows is not None:
        spots = [(x, y) for x in (np.arange(columns) + 0.5) * 2 / columns - 1 for y in (np.arange(rows) + 0.5) * 2 / rows - 1]
    else:
        spots = [(0.0, 0.0)] if rng.uniform() < 0.6 else [(-0.45, 0.0), (0.45, 0.0)]
    on = mood.lamps > 0
    glow = Material(textures.plain(rng, (0.97, 0.95, 0.9)), 0.9, emission=rng.uniform(0.3, 0.9) * min(1.0, mood.lamps))
    power = mood.lamps * rng.uniform(1.2e5, 2.5e5) / min(len(spots), 2) * (room.height / 2.6) ** 2
    long = rows is not None or rng.uniform() < 0.2
    for fx, fy in spots:
        x = fx * room.half_x + rng.normal(0, 0.05 if rows else 0.2)
        y = fy * room.half_y + rng.normal(0, 0.05 if rows else 0.2)
        disc = box(0.18, 1.2, 0.06) if long else cylinder(rng.uniform(0.12, 0.25), 0.05, 24)
        world.add("lamp", [(disc, glow)], Spot(x, y, room.height - 0.06))
        if on:
            at = (x, y, room.height - 0.08)
            world.lamps.append(Lamp(at, (0.0, 0.0, -1.0), power, mood.tint, 86, 0.15, True))
    if mood.name == "dark" and on and rng.uniform() < 0.6:  # one lamp aside instead of those above
        world.lamps = [lamp for lamp in world.lamps if lamp.position[2] < room.height - 0.1]
        x, y = rng.uniform(-0.7, 0.7) * room.half_x, rng.uniform(-0.7, 0.7) * room.half_y
        at = (float(x), float(y), float(rng.uniform(1.2, 1.7)))
        world.lamps.append(Lamp(at, (0.0, 0.0, -1.0), power, mood.tint, 88, 0.1, True))
    shadows = int(rng.integers(1, MAX_SHADOWS + 1))
    shadowed = sorted(range(len(world.lamps)), key=lambda i: -world.lamps[i].intensity_cd)[:shadows]
    world.lamps = [replace(lamp, shadow=i in shadowed) for i, lamp in enumerate(world.lamps)]
    # What the floor throws back: from far below, so that it is even.
    bounce = mood.ambient * rng.uniform(0.9e5, 2.0e5)
    world.lamps.append(Lamp((0.0, 0.0, -2.0), (0.0, 0.0, 1.0), bounce, (1.0, 0.96, 0.92), 85, 0.1, False))
    world.lamps = [replace(lamp, intensity_cd=brightness * lamp.intensity_cd) for lamp in world.lamps]
    world.ambient_lux = brightness * mood.ambient * rng.uniform(7_000, 14_000)
    lit_by_day = min(1.0, mood.daylight)
    tint = np.asarray(mood.tint) * (1 - lit_by_day) + lit_by_day
    world.ambient_color = tuple(float(c) for c in tint * (1 + rng.normal(0, 0.03, 3)))

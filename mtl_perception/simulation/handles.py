# SPDX-License-Identifier: Apache-2.0
"""Handles of cabinets, refrigerators and doors, in the frame of what they are fixed to: its face at y = 0, y outwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.meshes import (
    Mesh,
    box,
    cylinder,
    lathe,
    rotation_x,
    rotation_y,
    rounded_box,
    tube,
)
from mtl_perception.simulation.world import Material

Rng = np.random.Generator
Grip = Callable[[bool], list[Mesh]]
"""Makes a handle around the origin: along z where upright, else along x."""


def material(rng: Rng) -> Material:
    """Steel or brass, at times black, white or of one colour."""
    drawn = rng.uniform()
    if drawn < 0.6:
        return materials.metal(rng)
    color = (0.05, 0.05, 0.05) if drawn < 0.8 else (0.9, 0.9, 0.88) if drawn < 0.9 else textures.vivid(rng)
    return Material(textures.plain(rng, color), roughness=rng.uniform(0.3, 0.6))


def _outwards(mesh: Mesh) -> Mesh:
    """Turns what was built along z to point along y."""
    return mesh.rotated(rotation_x(-np.pi / 2))


def cabinet_grip(rng: Rng, length_m: float | None = None) -> Grip:
    """One kind for a whole piece of furniture: straight and bent bars, knobs, cups, edges."""
    kind = rng.choice(["bar", "square bar", "bow", "knob", "cup", "edge"], p=[0.27, 0.15, 0.2, 0.24, 0.07, 0.07])
    length = length_m or (rng.uniform(0.09, 0.2) if rng.uniform() < 0.8 else rng.uniform(0.2, 0.45))
    thick, out = rng.uniform(0.009, 0.017), rng.uniform(0.022, 0.04)

    if kind in ("bar", "square bar"):
        rod = (
            cylinder(thick / 2, length, 10).moved(z=-length / 2).rotated(rotation_y(np.pi / 2))
            if kind == "bar"
            else box(length, thick, thick).moved(z=-thick / 2)
        )
        post = _outwards(cylinder(0.4 * thick, out, 8))
        reach = length * rng.uniform(0.36, 0.48)
        meshes = [rod.moved(0, out), *(post.moved(side * reach) for side in (-1, 1))]
    elif kind == "bow":
        along = np.linspace(-1, 1, 11)
        path = np.stack([along * length / 2, out * (1 - along**4), np.zeros(11)], 1)
        meshes = [tube(path, thick / 2, 8)]
    elif kind == "knob":
        radius = rng.uniform(0.011, 0.02)
        profile = [(0, 0), (0.5 * radius, 0), (0.4 * radius, 0.5 * out), (radius, 0.65 * out)]
        profile += [(radius, 0.8 * out), (0.7 * radius, out), (0, out)]
        meshes = [_outwards(lathe(profile, 14, printed=False))]
        if rng.uniform() < 0.3:
            meshes = [rounded_box(2 * radius, out, 2 * radius, 0.004, 1).moved(0, out / 2, -radius)]
    elif kind == "cup":
        meshes = [rounded_box(min(length, 0.1), 2 * out, 0.035, 0.014).moved(z=-0.018)]
    else:
        meshes = [box(length, 0.018, 0.006).moved(0, 0.009), box(length, 0.004, 0.014).moved(0, 0.018, -0.008)]

    def grip(upright: bool) -> list[Mesh]:
        turn = upright and kind not in ("knob", "cup")
        return [mesh.rotated(rotation_y(np.pi / 2)) for mesh in meshes] if turn else meshes

    return grip


def door_handle(rng: Rng, towards: int) -> list[Mesh]:
    """A lever, a knob or a bar, its axis at the origin; levers point along ``towards`` times x."""
    kind = rng.choice(["lever", "plate lever", "knob", "bar", "panic bar"], p=[0.4, 0.2, 0.22, 0.14, 0.04])
    if kind == "panic bar":
        length = rng.uniform(0.5, 0.65)
        return [
            box(length, 0.035, 0.045).moved(towards * length / 2, 0.06, -0.02),
            *(box(0.05, 0.06, 0.06).moved(x, 0.03, -0.03) for x in (0, towards * length)),
        ]
    if kind == "bar":
        length, out, thick = rng.uniform(0.25, 0.9), rng.uniform(0.04, 0.06), rng.uniform(0.018, 0.032)
        post = _outwards(cylinder(0.4 * thick, out, 8))
        rod = cylinder(thick / 2, length, 12) if rng.uniform() < 0.7 else box(thick, thick, length)
        return [rod.moved(0, out, -length / 2), *(post.moved(z=z) for z in (-0.4 * length, 0.4 * length))]
    disc = _outwards(cylinder(rng.uniform(0.022, 0.03), 0.009, 18))
    lock = _outwards(cylinder(0.014, 0.012, 12)).moved(z=-rng.uniform(0.06, 0.085))
    if kind == "knob":
        radius, out = rng.uniform(0.023, 0.033), rng.uniform(0.05, 0.065)
        profile = [(0, 0), (0.4 * radius, 0), (0.4 * radius, 0.4 * out), (radius, 0.6 * out), (radius, 0.8 * out)]
        profile += [(0.75 * radius, out), (0, out)]
        return [disc, _outwards(lathe(profile, 18, printed=False)), *([lock] if rng.uniform() < 0.4 else [])]
    base = [disc] if kind == "lever" else [rounded_box(0.04, 0.008, rng.uniform(0.17, 0.26), 0.003, 1).moved(0, 0.004, -0.14)]
    reach, out, thick = rng.uniform(0.1, 0.135), rng.uniform(0.045, 0.06), rng.uniform(0.014, 0.022)
    neck = _outwards(cylinder(0.45 * thick, out, 10))
    if rng.uniform() < 0.5:
        lever = cylinder(thick / 2, reach, 10).rotated(rotation_y(towards * np.pi / 2))
    elif rng.uniform() < 0.5:
        lever = rounded_box(reach, 0.6 * thick, 1.2 * thick, 0.004, 1).moved(towards * reach / 2, 0, -0.6 * thick)
    else:  # bent, the end turned back to the door
        along = np.linspace(0, 1, 9)
        path = np.stack([reach * along, -0.02 * along**4, 0.008 * np.sin(2 * np.pi * along)], 1)
        lever = tube(path * (towards, 1, 1), thick / 2, 8)
    with_lock = [lock] if kind == "lever" and rng.uniform() < 0.6 else []
    return [*base, neck, lever.moved(0, out), *with_lock]


def refrigerator_grip(rng: Rng) -> Grip:
    """A long bar or bow; upright on most doors."""
    length, thick, out = rng.uniform(0.25, 0.75), rng.uniform(0.018, 0.03), rng.uniform(0.035, 0.055)
    if rng.uniform() < 0.5:
        along = np.linspace(-1, 1, 11)
        path = np.stack([along * length / 2, out * (1 - along**6), np.zeros(11)], 1)
        meshes = [tube(path, thick / 2, 8)]
    else:
        post = _outwards(cylinder(0.4 * thick, out, 8))
        meshes = [rounded_box(length, 0.7 * thick, thick, 0.004, 1).moved(0, out, -thick / 2)]
        meshes += [post.moved(side * 0.42 * length) for side in (-1, 1)]
    return lambda upright: [mesh.rotated(rotation_y(np.pi / 2)) for mesh in meshes] if upright else meshes

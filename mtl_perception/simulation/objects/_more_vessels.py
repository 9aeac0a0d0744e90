# SPDX-License-Identifier: Apache-2.0
"""More cups, bottles, bowls and cans, in the shapes that stand on tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.meshes import (
    Mesh,
    box,
    cylinder,
    lathe,
    rotation_x,
    rounded_box,
    tube,
)
from mtl_perception.simulation.objects._fruit import fruit
from mtl_perception.simulation.objects._items import laid_down, one_material
from mtl_perception.simulation.objects._vessels import bottle, bowl, can, cup
from mtl_perception.simulation.world import Item, Material, Part

Rng = np.random.Generator


def any_cup(rng: Rng, max_height_m: float) -> Item:
    """Mugs with handles of many forms, tumblers, plastic and paper cups, travel mugs, wine glasses."""
    makers = (cup, _mug, _tumbler, _plastic_cup, _travel_mug, _wine_glass)
    item = makers[int(rng.choice(len(makers), p=[0.2, 0.34, 0.12, 0.16, 0.1, 0.08]))](rng, max_height_m)
    return item if item.height < max_height_m - 0.01 else cup(rng, max_height_m)


def any_bottle(rng: Rng, max_height_m: float) -> Item:
    """Wine, water, sauce; detergent, pump bottles, jars, flasks."""
    makers = (bottle, _water_bottle, _detergent, _pump_bottle, _jar, _flask)
    item = makers[int(rng.choice(len(makers), p=[0.34, 0.2, 0.12, 0.12, 0.12, 0.1]))](rng, max_height_m)
    if item.height > max_height_m - 0.015:
        return bottle(rng, max_height_m)
    lies = item.half_x < 0.06 and item.half_y < 0.06 and rng.uniform() < 0.05
    return laid_down(item, max(item.half_x, item.half_y)) if lies else item


def any_bowl(rng: Rng, max_height_m: float) -> Item:
    """At times with food in it."""
    item = bowl(rng, max_height_m)
    if rng.uniform() < 0.55:
        return item
    radius, level = 0.8 * item.half_x, 0.62 * item.height
    if rng.uniform() < 0.5:  # soup, cereal, salad
        colors = ((0.75, 0.5, 0.2), (0.9, 0.87, 0.78), (0.35, 0.5, 0.15), (0.6, 0.2, 0.1), (0.8, 0.65, 0.4))
        food = Material(textures.stone(rng, textures.pick(rng, colors)), 0.7)
        filling = lathe([(radius, level), (0.5 * radius, level + 0.008), (0, level + 0.01)], 20, printed=False)
        return replace(item, parts=[*item.parts, (filling, food)])
    green = Material(textures.peel(rng, textures.color(rng.uniform(0.05, 0.35), 0.7, rng.uniform(0.4, 0.8))), 0.8)
    lumps = []
    for _ in range(int(rng.integers(6, 16))):
        size = rng.uniform(0.02, 0.04)
        angle, out = rng.uniform(-np.pi, np.pi), 0.75 * radius * np.sqrt(rng.uniform())
        lump = rounded_box(size, size, 0.7 * size, 0.3 * size, 1).rotated(rotation_x(rng.uniform(-0.6, 0.6)))
        lumps.append((lump.turned(angle).moved(out * np.cos(angle), out * np.sin(angle), level - 0.01), green))
    return replace(item, parts=[*item.parts, *lumps], height=item.height + 0.02)


def any_can(rng: Rng, max_height_m: float) -> Item:
    """At times an opened one, with its ring."""
    item = can(rng, max_height_m)
    if item.half_x != item.half_y or rng.uniform() < 0.6 or item.height < 0.1:
        return item
    ring = tube(_loop(0.011, 0.008, 0.0), 0.0014, 6).rotated(rotation_x(-np.pi / 2))
    tin = item.parts[1][1]
    return replace(item, parts=[*item.parts, (ring.moved(0, 0.008, item.height - 0.001), tin)])


def _loop(wide: float, high: float, x: float) -> np.ndarray:
    """(13, 3): a closed ring in the plane of x and z."""
    angle = np.linspace(0, 2 * np.pi, 13)
    return np.stack([x + wide * np.cos(angle), np.zeros(13), high * np.sin(angle)], 1)


def _ear(rng: Rng, radius_low: float, radius_high: float, height: float) -> Mesh:
    """A handle at +x of a vessel with these radii at its lower and upper joints."""
    low, high = height * rng.uniform(0.12, 0.3), height * rng.uniform(0.72, 0.9)
    reach, thick = height * rng.uniform(0.25, 0.42), rng.uniform(0.004, 0.0075)
    inside = 0.003
    kind = rng.integers(3)
    if kind == 0:  # round
        angle = np.linspace(-np.pi / 2, np.pi / 2, 11)
        x, z = reach * np.cos(angle), (low + high) / 2 + (high - low) / 2 * np.sin(angle)
    elif kind == 1:  # square with round corners
        x = reach * np.array([0, 0.6, 0.92, 1, 1, 1, 0.92, 0.6, 0])
        z = low + (high - low) * np.array([0, 0, 0.06, 0.25, 0.5, 0.75, 0.94, 1, 1])
    else:  # an ear: wide above, back to the body below
        t = np.linspace(0, 1, 11)
        x, z = reach * np.sin(np.pi * t) ** 0.7 * (0.55 + 0.45 * t), low + (high - low) * t
    base = np.interp(z, (low, high), (radius_low, radius_high)) - inside
    return tube(np.stack([base + x, np.zeros(len(x)), z], 1), thick, 8)


def _print_or_glaze(rng: Rng) -> Material:
    drawn = rng.uniform()
    if drawn < 0.55:
        return materials.glaze(rng)
    if drawn < 0.75:
        return Material(textures.printed_label(rng, (0.93, 0.92, 0.9)), rng.uniform(0.15, 0.5))
    if drawn < 0.9:
        return Material(textures.picture(rng), rng.uniform(0.15, 0.5))
    return materials.metal(rng)


def _open_vessel(profile: list[tuple[float, float]], wall: float) -> Mesh:
    """A vessel whose outside is ``profile`` from its foot to its rim, and its inside ``wall`` further in."""
    inner = [(max(radius - wall, 0.001), max(z, wall)) for radius, z in profile[::-1]]
    return lathe([(0, 0), *profile, *inner, (0, wall)], 26)


def _mug(rng: Rng, max_height_m: float) -> Item:
    radius, height = rng.uniform(0.036, 0.05), min(rng.uniform(0.075, 0.115), max_height_m - 0.015)
    foot = radius * rng.uniform(0.72, 1.0)
    belly = radius * (rng.uniform(1.0, 1.18) if rng.uniform() < 0.35 else 1.0)
    profile = [
        (0.9 * foot, 0),
        (foot, 0.006),
        ((belly + foot) / 2, 0.3 * height),
        (belly, 0.55 * height),
        (radius, height),
    ]
    ear = _ear(rng, (foot + belly) / 2, (belly + radius) / 2, height)
    outside = _print_or_glaze(rng)
    item = one_material("cup", [_open_vessel(profile, 0.004)], outside)
    item.parts.append((ear, outside if rng.uniform() < 0.8 else materials.glaze(rng)))
    if rng.uniform() < 0.45:
        item.parts.append(_drink(rng, 0.94 * belly - 0.004, height * rng.uniform(0.55, 0.85)))
    reach = float(ear.vertices[:, 0].max())
    return replace(item, half_x=reach)


def _drink(rng: Rng, radius: float, level: float) -> Part:
    colors = ((0.16, 0.09, 0.05), (0.45, 0.22, 0.08), (0.9, 0.88, 0.82), (0.75, 0.55, 0.35), (0.55, 0.1, 0.12))
    drink = Material(textures.plain(rng, textures.pick(rng, colors)), 0.15)
    return lathe([(radius, level), (0, level)], 22, printed=False), drink


def _tumbler(rng: Rng, max_height_m: float) -> Item:
    """A drinking glass, pale, at times full."""
    radius, height = rng.uniform(0.03, 0.043), min(rng.uniform(0.08, 0.15), max_height_m - 0.015)
    foot = radius * rng.uniform(0.65, 1.0)
    pale = textures.jitter(rng, ((0.8, 0.85, 0.86), (0.7, 0.76, 0.74), (0.88, 0.9, 0.9))[int(rng.integers(3))])
    glass = Material(textures.plain(rng, pale), rng.uniform(0.03, 0.15))
    item = one_material("cup", [_open_vessel([(foot, 0), (radius, height)], 0.0025)], glass)
    if rng.uniform() < 0.5:
        item.parts.append(_drink(rng, (foot + radius) / 2, height * rng.uniform(0.3, 0.85)))
    return item


def _plastic_cup(rng: Rng, max_height_m: float) -> Item:
    """Tall, wider above, with a rolled rim; some with print, some upside down."""
    radius, height = rng.uniform(0.036, 0.048), min(rng.uniform(0.09, 0.16), max_height_m - 0.015)
    foot = radius * rng.uniform(0.62, 0.8)
    drawn = rng.uniform()
    if drawn < 0.45:
        skin = Material(textures.plain(rng, textures.jitter(rng, (0.85, 0.86, 0.86))), rng.uniform(0.2, 0.5))
    elif drawn < 0.75:
        skin = Material(textures.printed_label(rng, (0.9, 0.9, 0.9)), rng.uniform(0.3, 0.6))
    else:
        skin = Material(textures.plain(rng, textures.vivid(rng)), rng.uniform(0.3, 0.6))
    profile = [(foot, 0), (radius, height - 0.006), (radius + 0.002, height - 0.004), (radius + 0.002, height)]
    item = one_material("cup", [_open_vessel(profile, 0.002)], skin)
    if rng.uniform() < 0.12:
        turned = [(mesh.rotated(rotation_x(np.pi)).moved(z=height), stuff) for mesh, stuff in item.parts]
        return replace(item, parts=turned)
    if rng.uniform() < 0.2:
        item.parts.append(_drink(rng, 0.92 * radius, height * 0.8))
    return item


def _travel_mug(rng: Rng, max_height_m: float) -> Item:
    """A steel or lacquered cup with a lid."""
    radius, height = rng.uniform(0.036, 0.044), min(rng.uniform(0.14, 0.2), max_height_m - 0.02)
    foot = radius * rng.uniform(0.72, 0.95)
    skin = materials.metal(rng) if rng.uniform() < 0.5 else Material(textures.plain(rng, textures.vivid(rng)), 0.35)
    lid = Material(textures.plain(rng, (0.06, 0.06, 0.06)), 0.5)
    body = lathe(
        [(0, 0), (foot, 0), (foot, 0.35 * height), (radius, 0.5 * height), (radius, height - 0.02), (0, height - 0.02)],
        24,
    )
    top = lathe(
        [(radius + 0.002, height - 0.024), (radius + 0.002, height - 0.008), (0.8 * radius, height), (0, height)],
        24,
        printed=False,
    )
    parts: list[Part] = [(body, skin), (top, lid)]
    if rng.uniform() < 0.4:
        parts.append((_ear(rng, foot, radius, height), lid))
    half_x = max(float(np.abs(mesh.vertices[:, 0]).max()) for mesh, _ in parts)
    return Item("cup", parts, half_x, radius + 0.002, height)


def _wine_glass(rng: Rng, max_height_m: float) -> Item:
    height, radius = min(rng.uniform(0.15, 0.22), max_height_m - 0.015), rng.uniform(0.03, 0.042)
    glass = Material(textures.plain(rng, textures.jitter(rng, (0.82, 0.85, 0.86))), 0.05)
    stem = height * rng.uniform(0.35, 0.5)
    mouth = radius * rng.uniform(0.75, 0.95)
    outer = [
        (0.032, 0),
        (0.032, 0.002),
        (0.004, 0.008),
        (0.004, stem),
        (0.7 * radius, stem + 0.02),
        (radius, stem + 0.4 * (height - stem)),
        (mouth, height),
    ]
    inner = [
        (mouth - 0.002, height),
        (radius - 0.002, stem + 0.4 * (height - stem)),
        (0.6 * radius, stem + 0.024),
        (0, stem + 0.012),
    ]
    item = one_material("cup", [lathe([(0, 0), *outer, *inner], 24)], glass)
    if rng.uniform() < 0.5:
        item.parts.append(_drink(rng, radius - 0.004, stem + 0.38 * (height - stem)))
    return item


def _water_bottle(rng: Rng, max_height_m: float) -> Item:
    """Of thin plastic with grooves, a label and a screw cap."""
    height = rng.uniform(0.19, 0.32)
    radius = height * rng.uniform(0.13, 0.17)
    grooves = [(radius * (0.965 if k % 2 else 1.0), height * (0.03 + 0.62 * k / 12)) for k in range(13)]
    profile = [
        (0, 0),
        (0.8 * radius, 0),
        *grooves,
        (0.85 * radius, 0.74 * height),
        (0.4 * radius, 0.88 * height),
        (0.36 * radius, 0.93 * height),
    ]
    clear = textures.jitter(rng, ((0.75, 0.83, 0.86), (0.6, 0.75, 0.85), (0.85, 0.87, 0.87), (0.4, 0.6, 0.45))[int(rng.integers(4))])
    skin = Material(textures.plain(rng, clear), rng.uniform(0.08, 0.3))
    label = Material(textures.printed_label(rng), 0.5)
    low = height * rng.uniform(0.25, 0.4)
    band = lathe([(radius + 0.001, low), (radius + 0.001, low + height * rng.uniform(0.15, 0.25))], 24)
    cap = cylinder(0.43 * radius, 0.07 * height, 14).moved(z=0.93 * height)
    parts: list[Part] = [(lathe(profile, 24), skin), (band, label), (cap, materials.plastic(rng))]
    return Item("bottle", parts, radius + 0.001, radius + 0.001, height)


def _detergent(rng: Rng, max_height_m: float) -> Item:
    """Flat, with shoulders, at times with a grip."""
    height, half_x, half_y = rng.uniform(0.18, 0.29), rng.uniform(0.04, 0.07), rng.uniform(0.025, 0.04)
    skin = Material(textures.plain(rng, textures.vivid(rng)), rng.uniform(0.3, 0.6))
    body = rounded_box(2 * half_x, 2 * half_y, 0.75 * height, 0.8 * half_y)
    shoulder = lathe(
        [
            (half_y, 0.6 * height),
            (0.9 * half_y, 0.76 * height),
            (0.35 * half_y, 0.86 * height),
            (0.35 * half_y, 0.9 * height),
        ],
        20,
    )
    label = box(1.3 * half_x, 2 * half_y + 0.002, 0.35 * height, printed=True).moved(z=0.2 * height)
    cap = cylinder(0.5 * half_y, 0.1 * height, 14).moved(z=0.9 * height)
    parts: list[Part] = [
        (body, skin),
        (shoulder, skin),
        (label, Material(textures.printed_label(rng), 0.5)),
        (cap, materials.plastic(rng)),
    ]
    return Item("bottle", parts, half_x, half_y + 0.001, height)


def _pump_bottle(rng: Rng, max_height_m: float) -> Item:
    """Soap or lotion with a pump."""
    height, radius = rng.uniform(0.12, 0.19), rng.uniform(0.028, 0.042)
    skin = Material(
        textures.bottle_skin(rng) if rng.uniform() < 0.6 else textures.plain(rng, textures.vivid(rng)),
        rng.uniform(0.2, 0.5),
    )
    body = lathe(
        [(0, 0), (radius, 0), (radius, 0.75 * height), (0.6 * radius, 0.84 * height), (0.35 * radius, 0.87 * height)],
        24,
    )
    pump = Material(textures.plain(rng, (0.92, 0.92, 0.91) if rng.uniform() < 0.6 else (0.07, 0.07, 0.07)), 0.4)
    spout = np.array([(0, 0, height + 0.02), (0.03, 0, height + 0.022), (0.045, 0, height + 0.012)])
    parts: list[Part] = [
        (body, skin),
        (cylinder(0.42 * radius, 0.1 * height, 14).moved(z=0.87 * height), pump),
        (cylinder(0.004, 0.04, 8).moved(z=0.95 * height), pump),
        (tube(spout, 0.005, 8), pump),
    ]
    return Item("bottle", parts, max(radius, 0.05), radius, height + 0.028)


def _jar(rng: Rng, max_height_m: float) -> Item:
    """Of jam or pickles, with a wide lid; or a small spice jar."""
    small = rng.uniform() < 0.4
    radius, height = (rng.uniform(0.02, 0.026), rng.uniform(0.08, 0.11)) if small else (rng.uniform(0.032, 0.045), rng.uniform(0.09, 0.16))
    inside = Material(textures.plain(rng, textures.vivid(rng)), rng.uniform(0.08, 0.3))
    body = lathe(
        [
            (0, 0),
            (0.92 * radius, 0),
            (radius, 0.008),
            (radius, 0.75 * height),
            (0.8 * radius, 0.85 * height),
            (0.8 * radius, 0.87 * height),
            (0, 0.87 * height),
        ],
        24,
    )
    lid = cylinder(0.87 * radius, 0.14 * height, 22).moved(z=0.86 * height)
    top = materials.metal(rng) if rng.uniform() < 0.5 else materials.plastic(rng)
    parts: list[Part] = [(body, inside), (lid, top)]
    if rng.uniform() < 0.6:
        band = lathe([(radius + 0.0008, 0.2 * height), (radius + 0.0008, 0.6 * height)], 24)
        parts.append((band, Material(textures.printed_label(rng), 0.7)))
    return Item("bottle", parts, radius, radius, height)


def _flask(rng: Rng, max_height_m: float) -> Item:
    """A steel bottle for hikes, or a thermos."""
    height, radius = rng.uniform(0.18, 0.28), rng.uniform(0.031, 0.042)
    skin = materials.metal(rng) if rng.uniform() < 0.4 else Material(textures.plain(rng, textures.vivid(rng)), rng.uniform(0.25, 0.6))
    neck = radius * rng.uniform(0.45, 0.9)
    body = lathe([(0, 0), (radius, 0), (radius, 0.76 * height), (neck, 0.86 * height), (0, 0.86 * height)], 24)
    cap = cylinder(neck + 0.002, 0.14 * height, 20).moved(z=0.86 * height)
    parts: list[Part] = [(body, skin), (cap, materials.plastic(rng) if rng.uniform() < 0.6 else materials.metal(rng))]
    if rng.uniform() < 0.3:
        loop = tube(_loop(0.018, 0.018, 0.0), 0.003, 6).moved(z=height + 0.012)
        parts.append((loop, parts[1][1]))
        return Item("bottle", parts, radius, radius, height + 0.034)
    return Item("bottle", parts, radius, radius, height)


def plate(rng: Rng, max_height_m: float) -> Item:
    """Flat, at times with fruit on it; it has no class."""
    radius = rng.uniform(0.085, 0.14)
    profile = [(0, 0), (0.6 * radius, 0), (radius, 0.018), (radius - 0.003, 0.021), (0.6 * radius, 0.005), (0, 0.005)]
    item = one_material("plate", [lathe(profile, 30)], materials.glaze(rng))
    if rng.uniform() < 0.3 and max_height_m > 0.2:
        inner = fruit(rng, 0.12)
        if max(inner.half_x, inner.half_y) < 0.6 * radius:
            parts = [(mesh.moved(z=0.005), stuff) for mesh, stuff in inner.parts]
            return replace(item, carries=(replace(inner, parts=parts),), height=inner.height + 0.01)
    return item

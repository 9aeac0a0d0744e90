# SPDX-License-Identifier: Apache-2.0
"""Objects that stand about in kitchens and living rooms without a label: a cup is not whatever stands on a table."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.meshes import (
    Mesh,
    box,
    cushion,
    cylinder,
    lathe,
    rotation_x,
    rounded_box,
    sheet,
    tube,
)
from mtl_perception.simulation.world import Item, Material, Part

Rng = np.random.Generator


def kitchen_object(rng: Rng, max_height_m: float) -> Item:
    """A kettle, a toaster, a microwave, a pot, a pan, a board, a roll of paper, a jar of spoons."""
    makers = [_kettle, _toaster, _pot, _pan, _cutting_board, _paper_roll, _spoons, _microwave]
    return _fitting(rng, makers, max_height_m)


def household_object(rng: Rng, max_height_m: float) -> Item:
    """A vase, a remote control, a ball, a clock, a basket, a folded cloth, a box of tissues, a toy of blocks."""
    makers = [_vase, _remote, _ball, _clock, _basket, _folded_cloth, _tissues, _blocks]
    return _fitting(rng, makers, max_height_m)


def _fitting(rng: Rng, makers: list, max_height_m: float) -> Item:
    """One that fits below ``max_height_m``; a cloth always does."""
    for _ in range(4):
        item = makers[int(rng.integers(len(makers)))](rng)
        if item.height < max_height_m - 0.01:
            return item
    return _folded_cloth(rng)


def _item(label: str, parts: list[Part]) -> Item:
    vertices = np.concatenate([mesh.vertices for mesh, _ in parts])
    half_x, half_y = np.abs(vertices[:, :2]).max(0)
    return Item(label, parts, float(half_x), float(half_y), float(vertices[:, 2].max()))


def _lacquer(rng: Rng) -> Material:
    return materials.metal(rng) if rng.uniform() < 0.4 else materials.plastic(rng)


def _kettle(rng: Rng) -> Item:
    body, grip = _lacquer(rng), Material(textures.plain(rng, (0.07, 0.07, 0.07)), 0.5)
    radius, height = rng.uniform(0.07, 0.085), rng.uniform(0.18, 0.23)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    arc = np.stack([0.8 * radius + 0.055 * np.cos(angle), np.zeros(9), 0.55 * height + 0.4 * height * np.sin(angle)], 1)
    spout = np.array([(-0.75 * radius, 0, 0.65 * height), (-1.1 * radius, 0, 0.85 * height), (-1.2 * radius, 0, 0.95 * height)])
    return _item("kettle", [
        (lathe([(0, 0), (radius, 0), (radius, 0.1 * height), (0.65 * radius, 0.92 * height), (0, 0.96 * height)], 22, printed=False), body),
        (cylinder(0.02, 0.03, 10).moved(z=0.93 * height), grip),
        (tube(arc, 0.011, 8), grip),
        (tube(spout, np.array([0.02, 0.015, 0.01]), 8), body),
    ])  # fmt: skip


def _toaster(rng: Rng) -> Item:
    dark = Material(textures.plain(rng, (0.05, 0.05, 0.05)), 0.6)
    wide, high = rng.uniform(0.24, 0.36), rng.uniform(0.16, 0.2)
    slots = [(box(0.75 * wide, 0.025, 0.002).moved(0, y, high), dark) for y in (-0.03, 0.03)]
    return _item(
        "toaster",
        [
            (rounded_box(wide, 0.17, high - 0.01, 0.03).moved(z=0.01), _lacquer(rng)),
            *slots,
            (box(0.02, 0.05, 0.02).moved(wide / 2, 0, 0.6 * high), dark),
        ],
    )


def _microwave(rng: Rng) -> Item:
    shell, dark = _lacquer(rng), Material(textures.plain(rng, (0.05, 0.05, 0.055)), 0.2)
    wide, deep, high = rng.uniform(0.42, 0.5), rng.uniform(0.3, 0.36), rng.uniform(0.24, 0.29)
    return _item("microwave", [
        (box(wide, deep, high), shell),
        (box(0.68 * wide, 0.006, 0.8 * high).moved(-0.13 * wide, deep / 2, 0.1 * high), dark),
        (box(0.16 * wide, 0.006, 0.8 * high).moved(0.38 * wide, deep / 2, 0.1 * high), dark if rng.uniform() < 0.5 else shell),
    ])  # fmt: skip


def _pot(rng: Rng) -> Item:
    steel, radius, high = _lacquer(rng), rng.uniform(0.08, 0.13), rng.uniform(0.08, 0.16)
    dark = Material(textures.plain(rng, (0.08, 0.08, 0.08)), 0.5)
    parts: list[Part] = [
        (
            lathe(
                [(0, 0), (radius, 0), (radius, high), (radius - 0.004, high), (radius - 0.004, 0.005), (0, 0.005)],
                28,
                printed=False,
            ),
            steel,
        ),
        *((rounded_box(0.05, 0.06, 0.012, 0.005, 1).moved(side * (radius + 0.015), 0, 0.75 * high), dark) for side in (-1, 1)),
    ]
    if rng.uniform() < 0.6:
        parts.append((lathe([(radius + 0.002, high), (0.6 * radius, high + 0.025), (0, high + 0.03)], 28, printed=False), steel))
        parts.append((cylinder(0.018, 0.025, 12).moved(z=high + 0.028), dark))
    return _item("pot", parts)


def _pan(rng: Rng) -> Item:
    dark, radius = Material(textures.plain(rng, textures.jitter(rng, (0.1, 0.1, 0.1))), 0.5), rng.uniform(0.1, 0.15)
    grip = np.linspace((radius - 0.01, 0, 0.035), (radius + 0.18, 0, 0.06), 4)
    parts: list[Part] = [
        (
            lathe(
                [
                    (0, 0),
                    (0.8 * radius, 0),
                    (radius, 0.045),
                    (radius - 0.004, 0.045),
                    (0.79 * radius, 0.005),
                    (0, 0.005),
                ],
                28,
                printed=False,
            ),
            dark,
        ),
        (tube(grip, 0.011, 8), dark),
    ]
    shift = -0.09
    return _item("pan", [(mesh.moved(shift), stuff) for mesh, stuff in parts])


def _cutting_board(rng: Rng) -> Item:
    wood = Material(textures.wood(rng), 0.7)
    return _item(
        "cutting board", [(rounded_box(rng.uniform(0.25, 0.4), rng.uniform(0.17, 0.27), rng.uniform(0.012, 0.03), 0.006, 1), wood)]
    )


def _paper_roll(rng: Rng) -> Item:
    paper, stand = Material(textures.plain(rng, (0.94, 0.94, 0.93)), 0.95), materials.metal(rng)
    return _item(
        "paper roll",
        [
            (cylinder(0.07, 0.012, 20), stand),
            (cylinder(rng.uniform(0.045, 0.065), 0.23, 24).moved(z=0.012), paper),
            (cylinder(0.008, 0.3, 8), stand),
        ],
    )


def _spoons(rng: Rng) -> Item:
    jar, radius, high = materials.glaze(rng), rng.uniform(0.045, 0.06), rng.uniform(0.12, 0.16)
    parts: list[Part] = [
        (
            lathe([(0, 0), (radius, 0), (radius, high), (radius - 0.005, high), (radius - 0.005, 0.01), (0, 0.01)], 22),
            jar,
        )
    ]
    for _ in range(int(rng.integers(3, 7))):
        stuff = Material(textures.wood(rng), 0.8) if rng.uniform() < 0.6 else materials.metal(rng)
        lean = rng.normal(0, 0.35 * radius, 2)
        top = np.array([2 * lean[0], 2 * lean[1], high + rng.uniform(0.1, 0.17)])
        parts.append((tube(np.linspace((lean[0] * 0.3, lean[1] * 0.3, 0.012), top, 3), 0.005, 6), stuff))
        parts.append((cushion(0.045, 0.03, 0.07, 0.9).moved(top[0], top[1], top[2] - 0.02), stuff))
    return _item("utensils", parts)


def _vase(rng: Rng) -> Item:
    """At times with flowers in it."""
    height, radius = rng.uniform(0.12, 0.3), rng.uniform(0.035, 0.07)
    z = np.linspace(0, 1, 8)
    swell = 1 + rng.uniform(-0.3, 0.5) * np.sin(np.pi * z) + rng.uniform(-0.4, 0.2) * z
    outer = [(float(r), float(h)) for r, h in zip(radius * np.clip(swell, 0.35, 1.6), height * z, strict=True)]
    inner = [(max(r - 0.004, 0.002), max(h, 0.006)) for r, h in outer[::-1]]
    parts: list[Part] = [(lathe([(0, 0), *outer, *inner, (0, 0.006)], 24), materials.glaze(rng))]
    if rng.uniform() < 0.5:
        green, petal = (
            Material(textures.plain(rng, (0.25, 0.42, 0.2)), 0.8),
            Material(textures.plain(rng, textures.vivid(rng)), 0.8),
        )
        for _ in range(int(rng.integers(3, 9))):
            lean = rng.normal(0, 0.05, 2)
            top = np.array([lean[0], lean[1], height + rng.uniform(0.06, 0.22)])
            parts.append((tube(np.linspace((0, 0, 0.01), top, 4), 0.0025, 5), green))
            parts.append((cushion(0.05, 0.05, 0.035, 0.9).moved(top[0], top[1], top[2] - 0.015), petal))
    return _item("vase", parts)


def _remote(rng: Rng) -> Item:
    dark, buttons = Material(textures.plain(rng, (0.08, 0.08, 0.085)), 0.5), Material(textures.keys(rng), 0.6)
    return _item(
        "remote",
        [
            (rounded_box(0.045, 0.17, 0.02, 0.008, 1), dark),
            (box(0.034, 0.13, 0.002, printed=True).moved(z=0.019), buttons),
        ],
    )


def _ball(rng: Rng) -> Item:
    radius = rng.uniform(0.03, 0.1)
    angle = np.linspace(0, np.pi, 12)
    profile = [(float(radius * np.sin(a)), float(radius * (1 - np.cos(a)))) for a in angle]
    profile[0], profile[-1] = (0.0, 0.0), (0.0, 2 * radius)
    return _item("ball", [(lathe(profile, 22), Material(textures.printed_label(rng), 0.6))])


def _clock(rng: Rng) -> Item:
    side, face = rng.uniform(0.08, 0.14), Material(textures.plain(rng, (0.92, 0.91, 0.88)), 0.4)
    dark = Material(textures.plain(rng, (0.05, 0.05, 0.05)), 0.6)
    disc = cylinder(0.42 * side, 0.004, 24).rotated(rotation_x(-np.pi / 2)).moved(0, 0.025, side / 2)
    hands = [
        box(0.006, 0.002, 0.3 * side).moved(0, 0.031, side / 2),
        box(0.22 * side, 0.002, 0.006).moved(0.1 * side, 0.031, side / 2),
    ]
    return _item("clock", [(rounded_box(side, 0.05, side, 0.01, 1), _lacquer(rng)), (disc, face), *((hand, dark) for hand in hands)])


def _basket(rng: Rng) -> Item:
    radius, high = rng.uniform(0.09, 0.16), rng.uniform(0.07, 0.16)
    straw = Material(textures.fabric(rng, textures.jitter(rng, (0.65, 0.5, 0.32))), 0.95)
    mesh = lathe(
        [(0, 0), (0.85 * radius, 0), (radius, high), (radius - 0.01, high), (0.84 * radius, 0.01), (0, 0.01)],
        24,
        printed=False,
    )
    return _item("basket", [(mesh, straw)])


def _folded_cloth(rng: Rng) -> Item:
    stuff = Material(textures.fabric(rng), 0.95)
    wide, deep, layers = rng.uniform(0.14, 0.35), rng.uniform(0.12, 0.28), int(rng.integers(1, 5))
    if layers == 1:  # spread out and wavy
        x, y = np.meshgrid(np.linspace(-1, 1, 10), np.linspace(-1, 1, 10))
        z = 0.006 + 0.004 * np.sin(3 * x + rng.uniform(0, 6)) * np.sin(2 * y + rng.uniform(0, 6))
        return _item("cloth", [(sheet(np.stack([wide * x * 0.8, deep * y * 0.8, z], -1), texture_m=1.0), stuff)])
    return _item("cloth", [(rounded_box(wide, deep, 0.012, 0.006, 1).moved(z=0.012 * k), stuff) for k in range(layers)])


def _tissues(rng: Rng) -> Item:
    paper = Material(textures.plain(rng, (0.95, 0.95, 0.95)), 0.95)
    tip: Mesh = cushion(0.07, 0.02, 0.06, 0.8).moved(z=0.07)
    return _item(
        "tissues",
        [
            (box(0.23, 0.12, 0.085, printed=True), Material(textures.wallpaper(rng, textures.vivid(rng)), 0.7)),
            (tip.moved(z=0.005), paper),
        ],
    )


def _blocks(rng: Rng) -> Item:
    parts: list[Part] = []
    for level in range(int(rng.integers(1, 4))):
        for x in (-0.03, 0.03)[: int(rng.integers(1, 3))]:
            stuff = Material(textures.plain(rng, textures.color(rng.uniform(), 0.8, 0.8)), 0.5)
            parts.append(
                (
                    box(0.05, 0.035, 0.03).turned(rng.normal(0, 0.1)).moved(x + rng.normal(0, 0.004), 0, 0.03 * level),
                    stuff,
                )
            )
    return _item("toy", parts)

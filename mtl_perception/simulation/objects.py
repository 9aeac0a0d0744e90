# SPDX-License-Identifier: Apache-2.0
"""Small things that stand on tables and shelves; sizes are those of the shop.

``max_height_m`` is the free height above the support: what would not fit is made smaller or laid down.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtl_perception.simulation import furniture, materials, textures
from mtl_perception.simulation.labels import CLUTTER
from mtl_perception.simulation.meshes import Mesh, box, cylinder, lathe, merge, rotation_x, tube
from mtl_perception.simulation.world import Item, Material

Rng = np.random.Generator


def _item(label: str, meshes: Mesh | list[Mesh], material: Material) -> Item:
    mesh = merge(meshes) if isinstance(meshes, list) else meshes
    half_x, half_y = np.abs(mesh.vertices[:, :2]).max(0)
    return Item(label, [(mesh, material)], float(half_x), float(half_y), float(mesh.vertices[:, 2].max()))


def _laid_down(item: Item, radius: float) -> Item:
    mesh, material = item.parts[0]
    lying = mesh.moved(z=-item.height / 2).rotated(rotation_x(np.pi / 2)).moved(z=radius)
    return _item(item.label, lying, material)


def parcel(rng: Rng, max_height_m: float) -> Item:
    """A cardboard box or a printed packet."""
    if rng.uniform() < 0.55:
        x, y = rng.uniform(0.12, 0.36), rng.uniform(0.1, 0.28)
        z, texture = rng.uniform(0.07, 0.28), textures.cardboard(rng)
    else:
        x, y, z = rng.uniform(0.07, 0.2), rng.uniform(0.04, 0.09), rng.uniform(0.1, 0.28)
        texture = textures.printed_label(rng)
    z = min(z, max_height_m - 0.015)
    return _item("box", box(x, y, z, printed=True), Material(texture, rng.uniform(0.5, 0.9)))


def can(rng: Rng, max_height_m: float) -> Item:
    radius, height = (
        (0.033, rng.uniform(0.115, 0.168))
        if rng.uniform() < 0.6
        else (rng.uniform(0.036, 0.05), rng.uniform(0.06, 0.12))
    )
    height = min(height, max_height_m - 0.015)
    rim = radius * 0.86
    side = lathe([(0, 0), (rim, 0), (radius, 0.008), (radius, height - 0.012), (rim, height)], 24)
    lid = lathe(
        [(rim, height), (rim * 0.95, height), (rim * 0.93, height - 0.004), (0, height - 0.004)],
        24,
        printed=False,
    )
    print_ = Material(textures.printed_label(rng), rng.uniform(0.25, 0.5), metallic=rng.uniform(0, 0.3))
    tin = Material(textures.plain(rng, (0.75, 0.75, 0.76)), 0.3, metallic=0.6)
    item = Item("can", [(side, print_), (lid, tin)], radius, radius, height)
    return _laid_down(_item("can", side, print_), radius) if rng.uniform() < 0.06 else item


def bottle(rng: Rng, max_height_m: float) -> Item:
    height = rng.uniform(0.17, 0.33)
    radius = height * rng.uniform(0.11, 0.16)
    neck, shoulder = radius * rng.uniform(0.26, 0.42), rng.uniform(0.5, 0.7)
    profile = [
        (0, 0), (radius * 0.92, 0), (radius, 0.012), (radius, height * shoulder),
        (radius * 0.9, height * (shoulder + 0.06)), (neck * 1.3, height * (shoulder + 0.2)),
        (neck, height * 0.9),
        (neck * 1.15, height * 0.91), (neck * 1.15, height), (0, height),
    ]  # fmt: skip
    material = Material(textures.bottle_skin(rng), rng.uniform(0.1, 0.45))
    item = _item("bottle", lathe(profile, 24), material)
    if height > max_height_m - 0.015 or rng.uniform() < 0.05:
        return _laid_down(item, radius) if 2 * radius < max_height_m - 0.01 else can(rng, max_height_m)
    return item


def cup(rng: Rng, max_height_m: float) -> Item:
    radius, height = rng.uniform(0.034, 0.046), min(rng.uniform(0.07, 0.12), max_height_m - 0.015)
    foot, wall = radius * rng.uniform(0.7, 1.0), 0.004
    body = lathe(
        [(0, 0), (foot, 0), (radius, height), (radius - wall, height), (foot - wall, 0.006), (0, 0.006)], 24
    )
    meshes = [body]
    if rng.uniform() < 0.75:
        angle, grip = np.linspace(-np.pi / 2, np.pi / 2, 9), height * 0.28
        middle = (foot + radius) / 2 - 0.003
        path = np.stack(
            [middle + grip * 0.95 * np.cos(angle), np.zeros(9), height / 2 + grip * np.sin(angle)], 1
        )
        meshes.append(tube(path, 0.0055, 8))
    return _item("cup", meshes, materials.glaze(rng))


def bowl(rng: Rng, max_height_m: float) -> Item:
    radius, height, wall = rng.uniform(0.07, 0.14), rng.uniform(0.045, 0.09), 0.006
    height = min(height, max_height_m - 0.015)
    angle = np.linspace(0, np.pi / 2, 7)[1:]
    outer = [(radius * (0.42 + 0.58 * np.sin(a)), height * (1 - np.cos(a))) for a in angle]
    inner = [(max(r - wall, 0), z + wall * 0.6) for r, z in outer[::-1][1:]]
    profile = [(0, 0), (radius * 0.42, 0), *outer, (radius - wall, height), *inner, (0, wall)]
    material = materials.glaze(rng) if rng.uniform() < 0.8 else Material(textures.wood(rng), 0.6)
    return _item("bowl", lathe(profile, 28), material)


def _round_fruit(radius: float, stretch: float, dimple: float) -> Mesh:
    angle = np.linspace(0, np.pi, 14)
    shape = radius * (1 - dimple * (np.cos(angle) ** 8))
    profile = np.stack([shape * np.sin(angle), -shape * stretch * np.cos(angle)], 1)
    profile[[0, -1], 0] = 0
    profile[:, 1] -= profile[:, 1].min()
    return lathe([(r, z) for r, z in profile], 22)


def fruit(rng: Rng, max_height_m: float) -> Item:
    """Apple, orange, lemon, pear or banana."""
    kind = rng.choice(["apple", "orange", "lemon", "pear", "banana"], p=[0.34, 0.24, 0.13, 0.12, 0.17])
    rough = rng.uniform(0.3, 0.6)
    if kind == "apple":
        red, green, yellow = (0.68, 0.10, 0.09), (0.50, 0.66, 0.20), (0.86, 0.70, 0.25)
        base, blush = ((red, None), (green, None), (green, red), (yellow, red))[int(rng.integers(4))]
        mesh = _round_fruit(rng.uniform(0.032, 0.042), 0.92, 0.18)
        stem = tube(np.array([[0, 0, 0], [0.001, 0, 0.01], [0.004, 0, 0.02]]), 0.002, 5).moved(
            z=mesh.vertices[:, 2].max() - 0.008
        )
        item = _item("fruit", mesh, Material(textures.peel(rng, textures.jitter(rng, base), blush), rough))
        item.parts.append((stem, Material(textures.plain(rng, (0.25, 0.17, 0.1)), 0.9)))
        return item
    if kind == "orange":
        return _item(
            "fruit",
            _round_fruit(rng.uniform(0.033, 0.043), 0.97, 0.04),
            Material(textures.peel(rng, textures.jitter(rng, (0.92, 0.52, 0.10))), rough),
        )
    if kind == "lemon":
        skin = textures.peel(
            rng, textures.jitter(rng, (0.93, 0.82, 0.22) if rng.uniform() < 0.75 else (0.40, 0.62, 0.18))
        )
        mesh = _round_fruit(rng.uniform(0.025, 0.03), 1.35, -0.12)
        radius = mesh.vertices[:, 0].max()
        return _laid_down(_item("fruit", mesh, Material(skin, rough)), radius)
    if kind == "pear":
        z = np.linspace(0, 1, 12)
        radius = 0.036 * np.sqrt(np.clip(np.sin(np.pi * z**0.75), 0, None)) * (1.12 - 0.55 * z)
        radius[[0, -1]] = 0
        skin = textures.peel(
            rng, textures.jitter(rng, (0.70, 0.72, 0.28)), (0.75, 0.5, 0.2) if rng.uniform() < 0.4 else None
        )
        return _item("fruit", lathe(list(zip(radius, 0.095 * z, strict=True)), 20), Material(skin, rough))
    bend = np.linspace(-0.75, 0.75, 11)
    path = np.stack([0.1 * np.sin(bend), 0.1 * np.cos(bend) - 0.085, np.full(11, 0.017)], 1)
    radius = 0.017 * np.array([0.2, 0.55, 0.85, 1, 1, 1, 1, 1, 0.9, 0.6, 0.25])
    skin = textures.peel(rng, textures.jitter(rng, (0.92, 0.80, 0.25)))
    return _item("fruit", tube(path, radius, 10), Material(skin, rough))


def book(rng: Rng, max_height_m: float, upright: bool = False) -> Item:
    """A closed book, lying, or ``upright`` with its spine towards +y. Pages are set back a little."""
    cover = Material(textures.book_cover(rng), rng.uniform(0.4, 0.8))
    pages = Material(textures.plain(rng, (0.92, 0.90, 0.84)), 0.9)
    width, depth, thick = rng.uniform(0.12, 0.2), rng.uniform(0.18, 0.28), rng.uniform(0.014, 0.045)
    width, depth = (min(width, max_height_m - 0.02), depth) if upright else (width, depth)
    board_ = 0.003
    if upright:
        height = min(depth, max_height_m - 0.015)
        parts = [
            (box(board_, width, height, printed=True).moved(side * (thick - board_) / 2), cover)
            for side in (-1, 1)
        ]
        parts.append((box(thick, board_, height, printed=True).moved(0, (width - board_) / 2), cover))
        parts.append((box(thick - 2 * board_, width - 0.012, height - 0.01).moved(0, 0.004, 0.004), pages))
        return Item("book", parts, thick / 2, width / 2, height)
    parts = [
        (box(width, depth, board_, printed=True), cover),
        (box(width, depth, board_, printed=True).moved(z=thick - board_), cover),
        (box(board_, depth, thick, printed=True).moved(-(width - board_) / 2), cover),
        (box(width - 0.012, depth - 0.012, thick - 2 * board_).moved(-0.004, 0, board_), pages),
    ]
    return Item("book", parts, width / 2, depth / 2, thick)


def laptop(rng: Rng, max_height_m: float) -> Item:
    shell, dark = materials.metal(rng), Material(textures.plain(rng, (0.08, 0.08, 0.09)), 0.4)
    screen = Material(
        textures.picture(rng) if rng.uniform() < 0.6 else textures.plain(rng, (0.05, 0.05, 0.06)),
        0.2,
        emission=0.3,
    )
    lean = rotation_x(rng.uniform(0.1, 0.5))
    parts = [
        (box(0.33, 0.23, 0.016), shell),
        (box(0.29, 0.11, 0.002).moved(0, -0.03, 0.016), dark),
        (box(0.33, 0.008, 0.22).rotated(lean).moved(0, -0.112, 0.014), shell),
        (
            box(0.3, 0.002, 0.19, printed=True).moved(0, 0.005, 0.015).rotated(lean).moved(0, -0.112, 0.014),
            screen,
        ),
    ]
    return Item(CLUTTER, parts, 0.17, 0.17, 0.24)


def monitor(rng: Rng, max_height_m: float) -> Item:
    shell = materials.plastic(rng)
    screen = Material(
        textures.picture(rng) if rng.uniform() < 0.6 else textures.plain(rng, (0.05, 0.05, 0.06)),
        0.2,
        emission=0.3,
    )
    parts = [
        (box(0.22, 0.16, 0.012), shell),
        (box(0.05, 0.02, 0.2).moved(0, -0.02), shell),
        (box(0.54, 0.025, 0.33).moved(z=0.12), shell),
        (box(0.51, 0.002, 0.3, printed=True).moved(0, 0.0135, 0.135), screen),
    ]
    return Item(CLUTTER, parts, 0.27, 0.1, 0.45)


def candle(rng: Rng, max_height_m: float) -> Item:
    holder, wax = (
        materials.metal(rng),
        Material(textures.plain(rng, textures.pick(rng, textures.WALL_COLORS)), 0.8),
    )
    tall = min(rng.uniform(0.12, 0.26), max_height_m - 0.03)
    parts = [
        (
            lathe(
                [(0, 0), (0.05, 0), (0.045, 0.008), (0.012, 0.02), (0.012, 0.035), (0, 0.035)],
                18,
                printed=False,
            ),
            holder,
        )
    ]
    parts.append((cylinder(0.01, tall - 0.03, 10).moved(z=0.03), wax))
    return Item(CLUTTER, parts, 0.05, 0.05, tall)


def small_plant(rng: Rng, max_height_m: float) -> Item:
    return furniture.plant(rng, scale=min(0.45, max(0.15, (max_height_m - 0.02) / 1.25)))


Maker = Callable[[Rng, float], Item]
SMALL_THINGS: tuple[tuple[float, Maker], ...] = (
    (0.14, parcel), (0.16, can), (0.16, bottle), (0.18, cup), (0.13, bowl), (0.13, fruit), (0.12, book),
    (0.02, candle), (0.03, small_plant),
)  # fmt: skip


def small_thing(rng: Rng, max_height_m: float) -> Item:
    weights = np.array([weight for weight, _ in SMALL_THINGS])
    maker = SMALL_THINGS[int(rng.choice(len(SMALL_THINGS), p=weights / weights.sum()))][1]
    return maker(rng, max_height_m)

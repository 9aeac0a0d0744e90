# SPDX-License-Identifier: Apache-2.0
"""Small things that stand on tables and shelves; sizes are those of the shop.

``max_height_m`` is the free height above the support: what would not fit is made smaller or laid down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from mtl_perception.simulation import furniture, materials, textures
from mtl_perception.simulation.labels import CLUTTER
from mtl_perception.simulation.meshes import (
    Mesh,
    box,
    corners,
    cylinder,
    lathe,
    merge,
    rotation_x,
    tube,
)
from mtl_perception.simulation.world import Item, Material, Part

Rng = np.random.Generator


def _item(label: str, meshes: Mesh | list[Mesh], material: Material) -> Item:
    mesh = merge(meshes) if isinstance(meshes, list) else meshes
    half_x, half_y = np.abs(mesh.vertices[:, :2]).max(0)
    return Item(label, [(mesh, material)], float(half_x), float(half_y), float(mesh.vertices[:, 2].max()))


def _laid_down(item: Item, radius: float) -> Item:
    parts = [
        (mesh.moved(z=-item.height / 2).rotated(rotation_x(np.pi / 2)).moved(z=radius), stuff)
        for mesh, stuff in item.parts
    ]
    vertices = np.concatenate([mesh.vertices for mesh, _ in parts])
    half_x, half_y = np.abs(vertices[:, :2]).max(0)
    return Item(item.label, parts, float(half_x), float(half_y), float(vertices[:, 2].max()))


def parcel(rng: Rng, max_height_m: float) -> Item:
    """A cardboard box, closed or open, or a printed packet."""
    if max_height_m > 0.3 and rng.uniform() < 0.12:
        return _open_carton(rng, max_height_m)
    if rng.uniform() < 0.5:
        x, y = rng.uniform(0.12, 0.36), rng.uniform(0.1, 0.28)
        z, texture = rng.uniform(0.07, 0.28), textures.cardboard(rng)
    else:
        x, y, z = rng.uniform(0.07, 0.2), rng.uniform(0.04, 0.09), rng.uniform(0.1, 0.28)
        texture = textures.printed_label(rng)
    z = min(z, max_height_m - 0.015)
    return _item("box", box(x, y, z, printed=True), Material(texture, rng.uniform(0.5, 0.9)))


def _open_carton(rng: Rng, max_height_m: float) -> Item:
    """Four walls, a bottom and four flaps that hang outwards."""
    x, y = rng.uniform(0.18, 0.4), rng.uniform(0.15, 0.3)
    z, thick = min(rng.uniform(0.12, 0.28), max_height_m - 0.1), 0.004
    card = Material(textures.cardboard(rng), rng.uniform(0.7, 0.9))
    meshes = [box(x, y, thick, printed=True)]
    for along, across, yaw in ((x, y, 0.0), (x, y, np.pi), (y, x, np.pi / 2), (y, x, -np.pi / 2)):
        side = box(along, thick, z, printed=True).moved(0, (across - thick) / 2)
        flap = box(along - 0.01, thick, 0.4 * min(x, y), printed=True).rotated(
            rotation_x(-rng.uniform(0.3, 2.4))
        )
        meshes += [side.turned(yaw), flap.moved(0, across / 2, z).turned(yaw)]
    return _item("box", meshes, card)


def can(rng: Rng, max_height_m: float) -> Item:
    """A drink, a tin of food, a flat tin of fish or a spray can."""
    radius, height = (
        (0.033, rng.uniform(0.115, 0.168)),
        (rng.uniform(0.036, 0.05), rng.uniform(0.06, 0.12)),
        (rng.uniform(0.04, 0.052), rng.uniform(0.035, 0.055)),
        (rng.uniform(0.05, 0.07), rng.uniform(0.14, 0.19)),
    )[int(rng.choice(4, p=[0.5, 0.33, 0.09, 0.08]))]
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
    return _laid_down(item, radius) if rng.uniform() < 0.06 else item


def bottle(rng: Rng, max_height_m: float) -> Item:
    """Wine or water, a squat flask, a sauce bottle, or a sprayer with its trigger."""
    kind = rng.choice(["slim", "squat", "straight", "sprayer"], p=[0.5, 0.2, 0.2, 0.1])
    height = rng.uniform(0.12, 0.2) if kind == "squat" else rng.uniform(0.17, 0.33)
    radius = height * (rng.uniform(0.2, 0.28) if kind == "squat" else rng.uniform(0.11, 0.16))
    neck = radius * (rng.uniform(0.5, 0.75) if kind == "straight" else rng.uniform(0.26, 0.42))
    shoulder = rng.uniform(0.66, 0.74) if kind == "straight" else rng.uniform(0.5, 0.7)
    waist = radius * (rng.uniform(0.78, 0.95) if rng.uniform() < 0.25 else 1.0)
    profile = [
        (0, 0), (radius * 0.92, 0), (radius, 0.012), (waist, height * shoulder * 0.55), (radius, height * shoulder),
        (radius * 0.9, height * (shoulder + 0.06)), (neck * 1.3, height * min(shoulder + 0.2, 0.88)),
        (neck, height * 0.9),
        (neck * 1.15, height * 0.91), (neck * 1.15, height), (0, height),
    ]  # fmt: skip
    material = Material(textures.bottle_skin(rng), rng.uniform(0.1, 0.45))
    meshes = [lathe(profile, 24)]
    if kind == "sprayer":
        head = box(0.022, radius + 0.03, 0.025).moved(0, (radius + 0.03) / 2 - neck, height)
        trigger = box(0.01, 0.006, 0.045).rotated(rotation_x(0.35)).moved(0, radius * 0.7, height - 0.035)
        meshes += [head, trigger]
    item = _item("bottle", meshes, material)
    if item.height > max_height_m - 0.015 or (kind != "sprayer" and rng.uniform() < 0.05):
        lying = _laid_down(item, radius)
        return lying if lying.height < max_height_m - 0.01 else can(rng, max_height_m)
    return item


def cup(rng: Rng, max_height_m: float) -> Item:
    """A mug, a tea cup, a tumbler, or a paper cup with its lid."""
    if rng.uniform() < 0.16:
        return _paper_cup(rng, max_height_m)
    wide = rng.uniform() < 0.25
    radius = rng.uniform(0.042, 0.052) if wide else rng.uniform(0.034, 0.046)
    height = min(rng.uniform(0.05, 0.07) if wide else rng.uniform(0.07, 0.12), max_height_m - 0.015)
    foot, wall = radius * (rng.uniform(0.5, 0.7) if wide else rng.uniform(0.7, 1.0)), 0.004
    belly = (foot + radius) / 2 * (rng.uniform(1.02, 1.14) if rng.uniform() < 0.4 else 1.0)
    body = lathe([
        (0, 0), (foot, 0), (belly, height * 0.45), (radius, height), (radius - wall, height),
        (belly - wall, height * 0.45), (foot - wall, 0.006), (0, 0.006),
    ], 24)  # fmt: skip
    meshes = [body]
    if rng.uniform() < 0.75:
        angle, grip = np.linspace(-np.pi / 2, np.pi / 2, 9), height * 0.28
        middle = (foot + radius) / 2 - 0.003
        path = np.stack(
            [middle + grip * 0.95 * np.cos(angle), np.zeros(9), height / 2 + grip * np.sin(angle)], 1
        )
        meshes.append(tube(path, 0.0055, 8))
    item = _item("cup", meshes, materials.glaze(rng))
    if rng.uniform() < 0.4:  # something to drink
        drink = textures.plain(
            rng, ((0.16, 0.09, 0.05), (0.45, 0.22, 0.08), (0.9, 0.88, 0.82))[int(rng.integers(3))]
        )
        level = height * rng.uniform(0.6, 0.85)
        surface = lathe([((belly + radius) / 2 - wall - 0.002, level), (0, level)], 20, printed=False)
        item.parts.append((surface, Material(drink, 0.15)))
    if wide and rng.uniform() < 0.6:  # on its saucer
        saucer = lathe([(0, 0), (0.04, 0), (0.075, 0.012), (0.073, 0.014), (0.04, 0.004), (0, 0.004)], 24)
        return Item(
            "cup", [(m.moved(z=0.004), stuff) for m, stuff in item.parts] + [(saucer, item.parts[0][1])],
            0.076, 0.076, height + 0.004,
        )  # fmt: skip
    return item


def _paper_cup(rng: Rng, max_height_m: float) -> Item:
    radius, height = rng.uniform(0.038, 0.046), min(rng.uniform(0.09, 0.15), max_height_m - 0.02)
    body = lathe([(0, 0), (radius * 0.7, 0), (radius, height), (0, height)], 24)
    print_ = textures.printed_label(rng) if rng.uniform() < 0.6 else textures.plain(rng, textures.vivid(rng))
    lid = Material(textures.plain(rng, (0.93, 0.92, 0.9) if rng.uniform() < 0.6 else (0.12, 0.11, 0.11)), 0.5)
    rim = radius + 0.003
    top = lathe(
        [(rim, height - 0.004), (rim, height + 0.004), (radius * 0.85, height + 0.01), (0, height + 0.01)], 24
    )
    return Item("cup", [(body, Material(print_, 0.8)), (top, lid)], rim, rim, height + 0.01)


def bowl(rng: Rng, max_height_m: float) -> Item:
    """A salad bowl, a deep cereal bowl or a wide shallow one."""
    radius, height = (
        (rng.uniform(0.07, 0.14), rng.uniform(0.045, 0.09)),
        (rng.uniform(0.06, 0.085), rng.uniform(0.06, 0.085)),
        (rng.uniform(0.11, 0.16), rng.uniform(0.035, 0.055)),
    )[int(rng.choice(3, p=[0.5, 0.3, 0.2]))]
    wall, height = 0.006, min(height, max_height_m - 0.015)
    angle = np.linspace(0, np.pi / 2, 7)[1:]
    outer = [(radius * (0.42 + 0.58 * np.sin(a)), height * (1 - np.cos(a))) for a in angle]
    inner = [(max(r - wall, 0), z + wall * 0.6) for r, z in outer[::-1][1:]]
    profile = [(0, 0), (radius * 0.42, 0), *outer, (radius - wall, height), *inner, (0, wall)]
    material = materials.glaze(rng) if rng.uniform() < 0.8 else Material(textures.wood(rng), 0.6)
    item = _item("bowl", lathe(profile, 28), material)
    return replace(item, solids=tuple(_shell_pieces([(0, wall), *inner[::-1]], 12)))


def _shell_pieces(profile: list[tuple[float, float]], sectors: int) -> Iterator[Mesh]:
    """Convex pieces that line the outside of a surface of revolution, given by its (radius, z) upwards."""
    angle = np.arange(sectors + 1) * 2 * np.pi / sectors
    for (r0, z0), (r1, z1) in zip(profile[::2], profile[2::2], strict=False):
        ring = np.array([(r0, z0), (r1, z1), (r1 + 0.006, z1), (r0 + 0.006, max(z0 - 0.006, 0))])
        for a, b in zip(angle, angle[1:], strict=False):
            points = [(r * np.cos(t), r * np.sin(t), z) for r, z in ring for t in (a, b)]
            yield corners(np.array(points))


def _round_fruit(radius: float, stretch: float, dimple: float) -> Mesh:
    angle = np.linspace(0, np.pi, 14)
    shape = radius * (1 - dimple * (np.cos(angle) ** 8))
    profile = np.stack([shape * np.sin(angle), -shape * stretch * np.cos(angle)], 1)
    profile[[0, -1], 0] = 0
    profile[:, 1] -= profile[:, 1].min()
    return lathe([(r, z) for r, z in profile], 22)


def fruit(rng: Rng, max_height_m: float) -> Item:
    """Apple, orange, lemon, pear, banana, plum, melon."""
    kinds = ["apple", "orange", "lemon", "pear", "banana", "plum", "melon"]
    kind = rng.choice(kinds, p=[0.3, 0.21, 0.12, 0.12, 0.15, 0.06, 0.04])
    rough = rng.uniform(0.3, 0.6)
    if kind in ("plum", "melon"):
        plum = kind == "plum" or max_height_m < 0.25
        colors = ((0.35, 0.1, 0.2), (0.75, 0.3, 0.15)) if plum else ((0.75, 0.72, 0.4), (0.25, 0.42, 0.15))
        skin = textures.peel(rng, textures.jitter(rng, colors[int(rng.integers(2))]))
        radius = rng.uniform(0.02, 0.028) if plum else rng.uniform(0.07, 0.1)
        return _item("fruit", _round_fruit(radius, rng.uniform(0.9, 1.15), 0.05), Material(skin, rough))
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
    """A closed book, lying, or ``upright`` with its spine towards +y; at times an open one. Pages are set
    back a little."""
    if not upright and rng.uniform() < 0.08:
        return _open_book(rng)
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


def _open_book(rng: Rng) -> Item:
    """Lying open: two blocks of pages that slope towards the fold, print on both."""
    half, depth, thick = rng.uniform(0.11, 0.17), rng.uniform(0.18, 0.26), rng.uniform(0.012, 0.025)
    cover = Material(textures.book_cover(rng), 0.6)
    pages = Material(textures.printed_page(rng), 0.9)
    parts: list[Part] = [(box(2 * half, depth, 0.003, printed=True), cover)]
    for side in (-1, 1):
        block = box(half - 0.008, depth - 0.012, thick, printed=True)
        shift = side * (half - 0.008) / 2
        slope = block.vertices[:, 2] - thick * 0.35 * (side * block.vertices[:, 0] / (half - 0.008) + 0.5)
        vertices = np.c_[block.vertices[:, :2], np.where(block.vertices[:, 2] > 0, slope, 0)]
        parts.append((replace(block, vertices=vertices).moved(shift, 0, 0.003), pages))
    return Item("book", parts, half, depth / 2, thick + 0.003)


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
Menu = tuple[tuple[float, Maker], ...]
HOME: Menu = (
    (0.11, parcel), (0.16, can), (0.15, bottle), (0.21, cup), (0.18, bowl), (0.14, fruit), (0.1, book),
    (0.02, candle), (0.03, small_plant),
)  # fmt: skip
KITCHEN: Menu = (
    (0.10, parcel), (0.17, can), (0.2, bottle), (0.22, cup), (0.18, bowl), (0.15, fruit), (0.03, book),
    (0.02, candle), (0.02, small_plant),
)  # fmt: skip
STORE: Menu = (
    (0.38, parcel), (0.22, can), (0.16, bottle), (0.07, cup), (0.08, bowl), (0.05, fruit), (0.04, book),
)  # fmt: skip


def small_thing(rng: Rng, max_height_m: float, menu: Menu = HOME) -> Item:
    """One thing of ``menu``, (weight, maker) pairs."""
    weights = np.array([weight for weight, _ in menu])
    maker = menu[int(rng.choice(len(menu), p=weights / weights.sum()))][1]
    return maker(rng, max_height_m)

# SPDX-License-Identifier: Apache-2.0
"""Fittings of a kitchen: counters with sink and hob, wall cabinets, a refrigerator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mtl_perception.simulation import materials, textures
from mtl_perception.simulation.furniture import cabinet_front
from mtl_perception.simulation.meshes import board, box, cylinder, frame, rotation_x, tube
from mtl_perception.simulation.world import Detail, Item, Material, Part, Support

Rng = np.random.Generator


@dataclass(frozen=True)
class Style:
    """Shared by all fittings of one kitchen."""

    body: Material
    front: Material
    handle: Material
    top: Material
    height: float
    half_y: float
    fronts: Callable[..., tuple[Detail, ...]] = cabinet_front


def draw_style(rng: Rng, draw_fronts: Callable[[Rng], Callable] | None = None) -> Style:
    """``draw_fronts`` draws the style of the doors; the plainest where None."""
    body = materials.furniture(rng)
    front = materials.furniture(rng) if rng.uniform() < 0.4 else body
    return Style(
        body,
        front,
        materials.metal(rng),
        materials.table_top(rng),
        rng.uniform(0.84, 0.93),
        rng.uniform(0.27, 0.32),
        cabinet_front if draw_fronts is None else draw_fronts(rng),
    )


def counter(rng: Rng, style: Style, half_x: float, sink: bool, hob: bool, oven: bool = False) -> Item:
    """A row of base cabinets under one worktop. Sink and hob take their places on it; an ``oven`` is below the hob."""
    y, height, plinth = style.half_y, style.height, rng.uniform(0.08, 0.14)
    parts: list[Part] = [
        (board(-half_x, half_x, -y, y - 0.06, 0, plinth), style.body),
        (board(-half_x, half_x, -y, y - 0.04, plinth, height - 0.035), style.body),
        (board(-half_x, half_x, -y, y, height - 0.035, height), style.top),
    ]
    doors: tuple[Detail, ...] = ()
    if not oven:
        doors = style.fronts(rng, half_x, y - 0.02, plinth, height - 0.035, False, style.front, style.handle)
    extras: list[Item] = []
    taken: list[tuple[float, float]] = []
    for wanted, maker, half in ((sink, _sink, 0.28), (hob, _hob, 0.3)):
        if not wanted or half_x < 0.5:
            continue
        for _ in range(6):
            x = float(rng.uniform(-1, 1) * (half_x - half - 0.05))
            if all(abs(x - other) > half + reach + 0.05 for other, reach in taken):
                taken.append((x, half))
                extras.append(maker(rng, x, y, height))
                break
    if oven:
        gap = taken[-1][0] if hob and len(taken) == sink + 1 else None
        doors = _fronts_around(rng, style, half_x, y - 0.02, plinth, height - 0.035, gap)
    supports = []
    edges = [-half_x, *(edge for x, half in sorted(taken) for edge in (x - half, x + half)), half_x]
    for x0, x1 in zip(edges[::2], edges[1::2], strict=True):
        if x1 - x0 > 0.12:
            supports.append(Support((x0 + x1) / 2, -0.01, height, (x1 - x0) / 2, y - 0.02, 0.45))
    return Item("cabinet", parts, half_x, y, height, tuple(supports), carries=tuple(extras), details=doors)


def _fronts_around(rng: Rng, style: Style, half_x: float, y: float, bottom: float, top: float, gap: float | None) -> tuple[Detail, ...]:
    """Doors left and right of an oven in the middle of whose front is ``gap``."""
    if gap is None:
        return style.fronts(rng, half_x, y, bottom, top, False, style.front, style.handle)
    doors: list[Detail] = []
    for x0, x1 in ((-half_x, gap - 0.3), (gap + 0.3, half_x)):
        if x1 - x0 > 0.12:
            row = style.fronts(rng, (x1 - x0) / 2, y, bottom, top, False, style.front, style.handle)
            doors += [door.moved((x0 + x1) / 2) for door in row]
    steel, glass = materials.metal(rng), Material(textures.plain(rng, (0.05, 0.05, 0.055)), 0.12)
    knob = cylinder(0.018, 0.02, 12).rotated(rotation_x(-np.pi / 2))
    bar = board(gap - 0.24, gap + 0.24, y + 0.03, y + 0.045, top - 0.17, top - 0.155)
    posts = [board(gap + x - 0.01, gap + x + 0.01, y, y + 0.04, top - 0.17, top - 0.155) for x in (-0.2, 0.2)]
    front: list[Part] = [
        (board(gap - 0.295, gap + 0.295, y - 0.02, y, bottom, top), steel),
        (board(gap - 0.25, gap + 0.25, y, y + 0.004, bottom + 0.06, top - 0.22), glass),
        *((knob.moved(gap + x, y, top - 0.07), steel) for x in np.linspace(-0.22, 0.22, 5)),
    ]
    return (*doors, Detail("oven", front, (Detail("handle", [(mesh, steel) for mesh in (bar, *posts)]),)))


def _sink(rng: Rng, x: float, y: float, height: float) -> Item:
    """A basin seen from above, and its tap."""
    steel, dark = materials.metal(rng), Material(textures.plain(rng, (0.3, 0.3, 0.31)), 0.4, metallic=0.5)
    tap_height, reach = rng.uniform(0.15, 0.32), rng.uniform(0.12, 0.18)
    parts: list[Part] = [(box(0.44, 2 * y - 0.2, 0.003).moved(x, 0.03, height), dark)]
    rim = frame(-0.25, 0.25, 0, 0.012, -(y - 0.07), y - 0.07, 0.03)
    for mesh in rim:  # a frame stands upright: lay it down
        flat = mesh.vertices[:, [0, 2, 1]]
        low, high = flat.min(0), flat.max(0)
        parts.append((board(low[0] + x, high[0] + x, low[1] + 0.03, high[1] + 0.03, height, height + 0.012), steel))
    angle = np.linspace(np.pi, 0, 8)
    bow = np.stack([np.zeros(8), reach / 2 + reach / 2 * np.cos(angle), tap_height + reach / 2 * np.sin(angle)], 1)
    path = np.concatenate([[[0, 0, 0], [0, 0, tap_height / 2]], bow])
    parts.append((tube(path, 0.012, 8).moved(x, -y + 0.07, height), steel))
    parts.append((box(0.015, 0.06, 0.015).moved(x + 0.03, -y + 0.07, height + 0.06), steel))
    return Item("sink", parts, 0.25, y - 0.05, height + tap_height)


def _hob(rng: Rng, x: float, y: float, height: float) -> Item:
    """A glass plate with four fields, at times a pot on one."""
    glass = Material(textures.plain(rng, (0.05, 0.05, 0.055)), 0.15)
    field = Material(textures.plain(rng, (0.16, 0.15, 0.15)), 0.4)
    parts: list[Part] = [(box(0.56, 0.48, 0.008).moved(x, 0.0, height), glass)]
    for sx in (-1, 1):
        for sy in (-1, 1):
            parts.append(
                (
                    cylinder(rng.uniform(0.07, 0.1), 0.002, 20).moved(x + sx * 0.14, sy * 0.115, height + 0.008),
                    field,
                )
            )
    if rng.uniform() < 0.5:
        pot, radius, high = materials.metal(rng), rng.uniform(0.08, 0.11), rng.uniform(0.08, 0.16)
        at_x, at_y = x + 0.14 * rng.choice([-1, 1]), 0.11 * rng.choice([-1, 1])
        parts.append((cylinder(radius, high, 24).moved(at_x, at_y, height + 0.01), pot))
        parts.append((cylinder(0.018, 0.03, 10).moved(at_x, at_y, height + 0.01 + high), field))
        parts.append((box(2 * radius + 0.08, 0.02, 0.012).moved(at_x, at_y, height + high * 0.8), pot))
    return Item("hob", parts, 0.28, 0.24, height + 0.2)


def wall_cabinet(rng: Rng, style: Style, half_x: float, room_above: float) -> Item:
    """Its z = 0 is the height it hangs at."""
    half_y, height = rng.uniform(0.15, 0.18), min(rng.uniform(0.5, 0.8), room_above)
    parts: list[Part] = [(board(-half_x, half_x, -half_y, half_y - 0.02, 0, height), style.body)]
    doors = style.fronts(rng, half_x, half_y, 0.0, height, True, style.front, style.handle, grip_m=0.1)
    supports = (Support(0, 0, height, half_x, half_y - 0.02, room_above - height),) if room_above - height > 0.15 else ()
    return Item("cabinet", parts, half_x, half_y, height, supports, details=doors)


def fridge(rng: Rng) -> Item:
    """Tall, white, steel or coloured, two doors."""
    half_x, half_y, height = rng.uniform(0.28, 0.35), rng.uniform(0.28, 0.33), rng.uniform(1.45, 1.95)
    shell = materials.metal(rng) if rng.uniform() < 0.4 else Material(textures.plain(rng, (0.92, 0.92, 0.91)), 0.3)
    if rng.uniform() < 0.15:
        shell = Material(textures.plain(rng, textures.vivid(rng)), 0.3)
    handle, split = materials.metal(rng), height * rng.uniform(0.3, 0.65)
    parts: list[Part] = [(box(2 * half_x, 2 * half_y - 0.05, height).moved(0, -0.025), shell)]
    doors = []
    for low, high in ((0.05, split - 0.006), (split + 0.006, height)):
        leaf, bottom = board(-half_x, half_x, half_y - 0.045, half_y, low, high), low + (high - low) * 0.35
        top = bottom + 0.3 * (high - low)
        grip = Detail("handle", [(board(-half_x + 0.05, -half_x + 0.07, half_y, half_y + 0.03, bottom, top), handle)])
        doors.append(Detail("refrigerator door", [(leaf, shell)], (grip,)))
    top = Support(0, 0, height, half_x, half_y - 0.05, 0.3)
    return Item("refrigerator", parts, half_x, half_y + 0.03, height, (top,), details=tuple(doors))

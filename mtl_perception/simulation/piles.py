# SPDX-License-Identifier: Apache-2.0
"""Objects that lie as they fell: how each of them starts, a little above where it will rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mtl_perception.simulation import objects
from mtl_perception.simulation.meshes import rotation_x, rotation_y, rotation_z
from mtl_perception.simulation.settle import Placement
from mtl_perception.simulation.world import Item, Spot

Rng = np.random.Generator
_GAP_M = 0.003


@dataclass(frozen=True)
class Loose:
    """An object and where it is let go."""

    item: Item
    start: Placement


def draw_pile(rng: Rng, top: Spot, half_m: float, clearance_m: float) -> list[Loose]:
    """A stack of books or boxes, or objects that fell over, within ``half_m`` of ``top``."""
    kinds: list[Callable[[], list[Loose]]] = [
        lambda: _stack(rng, top, [objects.book(rng, 0.3) for _ in range(int(rng.integers(2, 6)))], clearance_m),
        lambda: _stack(rng, top, _boxes(rng, half_m), clearance_m),
        lambda: _fallen(rng, top, half_m, clearance_m),
    ]
    return kinds[int(rng.choice(3, p=[0.35, 0.25, 0.4]))]()


def fruit_in(rng: Rng, bowl: Item, spot: Spot) -> list[Loose]:
    """Some fruit that drop into ``bowl``, which stands at ``spot``."""
    loose, z = [], 0.03
    for _ in range(int(rng.integers(1, 7))):
        fruit = objects.fruit(rng, 0.1)
        angle, out = rng.uniform(-np.pi, np.pi), 0.3 * bowl.half_x * rng.uniform()
        at = spot.moved(out * np.cos(angle), out * np.sin(angle), z)
        loose.append(_loose(fruit, at, rotation_z(angle)))
        z += fruit.height + _GAP_M
    return loose


def leaning_book(rng: Rng, book: Item, end: Spot) -> Loose:
    """An upright book that leans against the row which ends at ``end``."""
    lean = rng.uniform(0.15, 0.35)
    right = book.height * np.sin(lean) + book.half_x + 0.004
    at = end.moved(right, 0.0, book.half_x * np.sin(lean) + _GAP_M)
    return _loose(book, at, rotation_z(end.yaw) @ rotation_y(-lean))


def lying_on(rng: Rng, item: Item, top: Spot) -> Loose:
    """One object on another, a little crooked."""
    shift = rng.normal(0, 0.02, 2)
    at = top.moved(float(shift[0]), float(shift[1]), _GAP_M)
    return _loose(item, at, rotation_z(top.yaw + rng.normal(0, 0.15)))


def tumbling(rng: Rng, item: Item, top: Spot) -> Loose:
    """``item``, whose first solid is its hull, in any pose a little above ``top``."""
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation = turned * np.sign(np.linalg.det(turned))
    lowest = float((item.solids[0].vertices @ rotation.T)[:, 2].min())
    return Loose(item, Placement(np.array([top.x, top.y, top.z - lowest + _GAP_M]), rotation))


def _boxes(rng: Rng, half_m: float) -> list[Item]:
    """Boxes that may stand on each other, the widest below."""
    drawn = [objects.parcel(rng, 0.22) for _ in range(int(rng.integers(2, 5)))]
    fitting = [item for item in drawn if max(item.half_x, item.half_y) < half_m]
    return sorted(fitting, key=lambda item: -item.half_x * item.half_y)


def _stack(rng: Rng, top: Spot, items: list[Item], clearance_m: float) -> list[Loose]:
    loose, z, turn = [], _GAP_M, rng.uniform(-np.pi, np.pi)
    for item in items:
        if z + item.height > clearance_m - 0.02:
            break
        shift = rng.normal(0, 0.012, 2)
        at = top.moved(float(shift[0]), float(shift[1]), z)
        loose.append(_loose(item, at, rotation_z(top.yaw + turn + rng.normal(0, 0.2))))
        z += item.height + _GAP_M
    return loose


def _fallen(rng: Rng, top: Spot, half_m: float, clearance_m: float) -> list[Loose]:
    """Two to five cans, bottles, cups or fruit that roll until they rest."""
    makers = (objects.can, objects.bottle, objects.cup, objects.fruit, objects.can)
    loose, z = [], 0.05
    for _ in range(int(rng.integers(2, 6))):
        item = makers[int(rng.integers(len(makers)))](rng, 0.25)
        if z + item.height > clearance_m:
            break
        shift = rng.uniform(-0.6, 0.6, 2) * half_m
        at = top.moved(float(shift[0]), float(shift[1]), z)
        tip = rotation_x(rng.uniform(1.2, 1.9)) if rng.uniform() < 0.8 else np.eye(3)
        loose.append(_loose(item, at, rotation_z(rng.uniform(-np.pi, np.pi)) @ tip))
        z += max(item.half_x, item.half_y) * 2 + 0.01
    return loose


def _loose(item: Item, at: Spot, rotation: np.ndarray) -> Loose:
    return Loose(item, Placement(np.array([at.x, at.y, at.z]), rotation))

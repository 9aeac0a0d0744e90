# SPDX-License-Identifier: Apache-2.0
"""Puts furniture into a room, and small things on whatever can carry them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import objects
from mtl_perception.simulation.plan import Obstacle, Room, Target
from mtl_perception.simulation.world import Item, Spot, Support

Rng = np.random.Generator
GAP_M = 0.006


def place(
    rng: Rng, room: Room, item: Item, spot: Spot, area: Obstacle | None, crowd: float | None = None
) -> None:
    """Adds ``item`` with small things on its supports, and remembers it as obstacle and as target.

    Args:
        area: the floor it takes, None for what hangs.
        crowd: how many small things, 1 for an ordinary home; drawn where None.
    """
    room.world.add(item.label, item.parts, spot)
    if area is not None:
        room.obstacles.append(area)
    low_desk = item.label == "table" and item.half_y < 0.39 and item.height > 0.6
    seen_from_front = item.label in ("shelf", "cabinet") or low_desk
    normal_yaw = spot.yaw + np.pi / 2 if seen_from_front else None
    drawn = rng.uniform(0.5, 1.7)
    for support in item.supports:
        if support.clearance < 0.08 or (item.label == "chair" and rng.uniform() < 0.85):
            continue
        top = spot.moved(support.x, support.y, support.z)
        count = Tray(rng, room, support, top).fill(drawn if crowd is None else crowd)
        room.targets.append(Target(top.x, top.y, top.z, normal_yaw, count))
    if not item.supports and spot.z == 0.0:
        room.targets.append(Target(spot.x, spot.y, item.height / 2, None, 1))


class Tray:
    """A support that is being filled; ``top`` is the middle of its surface."""

    def __init__(self, rng: Rng, room: Room, support: Support, top: Spot) -> None:
        self._rng, self._room, self._support, self._top = rng, room, support, top
        self._taken: list[Obstacle] = []

    def fill(self, crowd: float) -> int:
        """Puts things here until it looks lived in; how many there are."""
        rng, support = self._rng, self._support
        deep = support.half_y >= 0.22
        if not deep and support.clearance > 0.17 and rng.uniform() < 0.3:
            self._book_row()
        if deep and support.half_x > 0.45 and support.clearance > 1 and rng.uniform() < 0.25:
            screen = objects.laptop(rng, 2.0) if rng.uniform() < 0.6 else objects.monitor(rng, 2.0)
            x, y = rng.uniform(-0.3, 0.3) * support.half_x, -0.2 * support.half_y
            self.put(screen, x, y, rng.choice([0, np.pi]) + rng.normal(0, 0.1))
        wanted = rng.poisson(crowd * min(9.0, 2.2 + 9 * support.half_x * support.half_y))
        for _ in range(int(wanted)):
            item = objects.small_thing(rng, support.clearance)
            straight = item.label == "box" and rng.uniform() >= 0.3
            yaw = rng.normal(0, 0.15) if straight else rng.uniform(-np.pi, np.pi)
            for _ in range(4):
                x, y = rng.uniform(-1, 1) * support.half_x, rng.uniform(-1, 1) * support.half_y
                if self.put(item, x, y, yaw):
                    if item.label == "bowl" and rng.uniform() < 0.45 and support.clearance > 0.2:
                        self._fill_bowl(item, x, y)
                    break
        return len(self._taken)

    def put(self, item: Item, x: float, y: float, yaw: float) -> bool:
        """Puts ``item`` at (x, y) of the surface if it fits there."""
        c, s = abs(np.cos(yaw)), abs(np.sin(yaw))
        half_x, half_y = item.half_x * c + item.half_y * s + GAP_M, item.half_x * s + item.half_y * c + GAP_M
        if abs(x) + half_x > self._support.half_x or abs(y) + half_y > self._support.half_y:
            return False
        area = Obstacle(x - half_x, y - half_y, x + half_x, y + half_y, item.height)
        if any(area.overlaps(other) for other in self._taken):
            return False
        self._taken.append(area)
        spot = self._top.moved(x, y)
        self._room.world.add(item.label, item.parts, replace(spot, yaw=spot.yaw + yaw))
        return True

    def _book_row(self) -> None:
        x = self._rng.uniform(-0.9, 0.2) * self._support.half_x
        for _ in range(int(self._rng.integers(3, 12))):
            book = objects.book(self._rng, self._support.clearance, upright=True)
            x += book.half_x + GAP_M + 0.0005
            if not self.put(book, x, self._rng.normal(0, 0.004), 0.0):
                return
            x += book.half_x + GAP_M + 0.0005

    def _fill_bowl(self, bowl: Item, x: float, y: float) -> None:
        rng, ring = self._rng, bowl.half_x * 0.36
        for k in range(int(rng.integers(1, 4))):
            fruit = objects.fruit(rng, 0.1)
            if fruit.half_x > 0.05:
                continue  # a banana
            angle = k * 2 * np.pi / 3 + rng.normal(0, 0.2)
            spot = self._top.moved(x + ring * np.cos(angle), y + ring * np.sin(angle), 0.022)
            self._room.world.add(fruit.label, fruit.parts, replace(spot, yaw=rng.uniform(-3, 3)))

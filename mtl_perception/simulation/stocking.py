# SPDX-License-Identifier: Apache-2.0
"""Puts furniture into a room, and small objects on whatever can carry them: some stand, some fell there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtl_perception.simulation import goods, objects
from mtl_perception.simulation.meshes import Mesh, merge, rotation_z
from mtl_perception.simulation.piles import (
    Loose,
    draw_pile,
    fruit_in,
    leaning_book,
    lying_on,
    tumbling,
)
from mtl_perception.simulation.plan import Obstacle, Room, Subject, Target
from mtl_perception.simulation.settle import Placement, settle
from mtl_perception.simulation.world import Item, Spot, Support

Rng = np.random.Generator
GAP_M = 0.006
_NEIGHBOURS_M = 0.4
_TUMBLED = 0.25
"""How many of a user's meshes lie as they fell, and do not stand as they were made."""
_ROLLS_M = 0.35
"""As far as something that falls here gets."""


def place(rng: Rng, room: Room, item: Item, spot: Spot, area: Obstacle | None, crowd: float | None = None) -> None:
    """Adds ``item`` with small objects on its supports, and remembers it as obstacle and as target.

    Args:
        area: the floor it takes, None for what hangs.
        crowd: how many small objects, 1 for an ordinary home; drawn where None.
    """
    room.world.add_item(item, spot)
    if area is not None:
        room.obstacles.append(area)
    low_desk = item.label == "table" and item.half_y < 0.39 and item.height > 0.6
    seen_from_front = item.label in ("shelf", "cabinet") or low_desk
    normal_yaw = spot.yaw + np.pi / 2 if seen_from_front else None
    drawn = rng.uniform(0.5, 1.7)
    owner = [spot.place(mesh) for obj in (item, *item.carries) for mesh, _ in obj.all_parts]
    for support in item.supports:
        if support.clearance < 0.08 or (item.label == "chair" and rng.uniform() < 0.85):
            continue
        top = spot.moved(support.x, support.y, support.z)
        tray = Tray(rng, room, support, top, owner)
        if item.loads:
            tray.load()
        tray.fill(drawn if crowd is None else crowd)
        room.targets += tray.targets(normal_yaw)
    room.subjects += _subjects(room, item, spot)
    if not item.supports and spot.z == 0.0:
        room.targets.append(Target(spot.x, spot.y, item.height / 2, None, 1))


_WITH_A_FRONT = ("shelf", "cabinet", "refrigerator", "sofa", "screen")


def _subjects(room: Room, item: Item, spot: Spot) -> list[Subject]:
    """``item`` and a screen on it, as far as they have a class."""
    labels = room.catalogue.labels.detection
    with_screen = (item, *(fixed for fixed in item.carries if fixed.label == "screen"))
    return [_subject(obj, spot) for obj in with_screen if obj.label in labels]


def _subject(obj: Item, spot: Spot) -> Subject:
    front = spot.yaw + np.pi / 2 if obj.label in _WITH_A_FRONT else None
    half_width, half_height = max(obj.half_x, 0.7 * obj.half_y), obj.height / 2
    return Subject(obj.label, spot.x, spot.y, spot.z + half_height, half_width, half_height, front)


class Tray:
    """A support that is being filled.

    Args:
        top: the middle of its surface.
        owner: the meshes of what carries it, in the room.
    """

    def __init__(self, rng: Rng, room: Room, support: Support, top: Spot, owner: list[Mesh]) -> None:
        self._rng, self._room, self._support, self._top, self._owner = rng, room, support, top, owner
        self._taken: list[Obstacle] = []
        self._standing: list[tuple[Item, Spot]] = []
        self._loose: list[Loose] = []
        self._spots: list[Spot] = []

    def fill(self, crowd: float) -> None:
        """Puts objects here until it looks lived in."""
        rng, support = self._rng, self._support
        deep = support.half_y >= 0.22
        if not deep and support.clearance > 0.17 and rng.uniform() < 0.2:
            self._book_row()
        if deep and support.half_x > 0.45 and support.clearance > 1 and rng.uniform() < self._room.screens:
            for obj in self._room.catalogue.screens(rng, support):
                if self.put(obj.item, obj.x, obj.y, obj.yaw) and obj.item.label == "screen":
                    self._room.monitors.append(_subject(obj.item, self._spots[-1]))
        if support.clearance > 0.25 and support.half_y > 0.11 and rng.uniform() < 0.4 * min(crowd, 1.5):
            self._pile()
        wanted = rng.poisson(crowd * min(15.0, 3.2 + 16 * support.half_x * support.half_y))
        failed = 0
        while len(self._standing) < wanted and failed < 4:
            failed += not self._add_some()
        self._settle()

    def load(self) -> None:
        """Puts large boxes and bins here, at times one on another."""
        rng, support = self._rng, self._support
        for _ in range(int(rng.integers(0, 3 + round(3 * support.half_x)))):
            item = goods.load(rng, support.clearance, support.half_y)
            x, y = self._somewhere()
            if not self.put(item, x, y, rng.normal(0, 0.06)) or item.label != "box" or rng.uniform() < 0.5:
                continue
            upper = goods.load(rng, support.clearance - item.height, support.half_y)
            if upper.label == "box" and item.height + upper.height < support.clearance - 0.02 and upper.height > 0.08:
                self._loose.append(lying_on(rng, upper, self._top.moved(x, y, item.height)))

    def targets(self, normal_yaw: float | None) -> list[Target]:
        """The middle of the surface, and up to two of the objects on it with what stands around them."""
        places = np.array([(spot.x, spot.y) for spot in self._spots]).reshape(-1, 2)
        found = [Target(self._top.x, self._top.y, self._top.z, normal_yaw, min(len(places), 4))]
        for index in self._rng.permutation(len(places))[:2]:
            around = np.hypot(*(places - places[index]).T) < _NEIGHBOURS_M
            x, y = places[around].mean(0)
            found.append(Target(float(x), float(y), self._top.z, normal_yaw, int(around.sum())))
        return found

    def put(self, item: Item, x: float, y: float, yaw: float) -> bool:
        """Stands ``item`` at (x, y) of the surface if it fits there."""
        c, s = abs(np.cos(yaw)), abs(np.sin(yaw))
        half_x, half_y = item.half_x * c + item.half_y * s + GAP_M, item.half_x * s + item.half_y * c + GAP_M
        if not self._claim(x, y, half_x, half_y, item.height):
            return False
        spot = self._top.moved(x, y)
        spot = replace(spot, yaw=spot.yaw + yaw)
        self._room.world.add_item(item, spot)
        self._standing.append((item, spot))
        self._spots.append(spot)
        return True

    def _claim(self, x: float, y: float, half_x: float, half_y: float, height: float) -> bool:
        if abs(x) + half_x > self._support.half_x or abs(y) + half_y > self._support.half_y:
            return False
        area = Obstacle(x - half_x, y - half_y, x + half_x, y + half_y, height)
        if any(area.overlaps(other) for other in self._taken):
            return False
        self._taken.append(area)
        return True

    def _somewhere(self) -> tuple[float, float]:
        return (
            float(self._rng.uniform(-1, 1) * self._support.half_x),
            float(self._rng.uniform(-1, 1) * self._support.half_y),
        )

    def _add_some(self) -> bool:
        """One object, or several alike side by side; False where there is no place left."""
        rng = self._rng
        own = self._draw_own()
        if own is not None and rng.uniform() < _TUMBLED:
            return self._tumble(own)
        item = own or self._draw()
        straight = item.label == "box" and rng.uniform() >= 0.3
        yaw = float(rng.normal(0, 0.15) if straight else rng.uniform(-np.pi, np.pi))
        for _ in range(5):
            x, y = self._somewhere()
            if not self.put(item, x, y, yaw):
                continue
            if item.label == "bowl" and rng.uniform() < 0.5 and self._support.clearance > 0.3:
                self._loose += fruit_in(rng, item, self._top.moved(x, y))
            elif item.label in ("can", "bottle", "cup", "box", "bowl", "fruit") and rng.uniform() < 0.35:
                step = 2 * max(item.half_x, item.half_y) + 2 * GAP_M + 0.001 + rng.exponential(0.02)
                for k in range(1, int(rng.integers(2, 6))):
                    turn = yaw if straight else float(rng.uniform(-np.pi, np.pi))
                    crooked = 0.05 if item.label == "fruit" else 0.01
                    if not self.put(item, x + k * step, y + float(rng.normal(0, crooked)), turn):
                        break
            return True
        return False

    def _draw_own(self) -> Item | None:
        """One of the user's meshes, as often as they are wanted."""
        rng, own = self._rng, self._room.catalogue.own
        if own is None or rng.uniform() >= own.share:
            return None
        return own.small(rng, self._support.clearance - 0.01)

    def _draw(self) -> Item:
        """A new object, or one as there is in this room already: people buy the same again."""
        rng, free = self._rng, self._support.clearance - 0.01
        fitting = [item for item in self._room.stock if item.height < free]
        if fitting and rng.uniform() < 0.4:
            return fitting[int(rng.integers(len(fitting)))]
        item = objects.small_object(rng, self._support.clearance, self._room.menu)
        self._room.stock.append(item)
        return item

    def _book_row(self) -> None:
        rng = self._rng
        x = rng.uniform(-0.9, 0.2) * self._support.half_x
        for _ in range(int(rng.integers(3, 9))):
            book = objects.book(rng, self._support.clearance, upright=True)
            x += book.half_x + GAP_M + 0.0005
            if not self.put(book, x, rng.normal(0, 0.004), 0.0):
                return
            x += book.half_x + GAP_M + 0.0005
        last = objects.book(rng, self._support.clearance - 0.02, upright=True)
        reach = 0.4 * last.height
        if rng.uniform() < 0.6 and self._claim(x + reach / 2, 0.0, reach / 2, last.half_y, last.height):
            self._loose.append(leaning_book(rng, last, self._top.moved(x - GAP_M, 0.0)))

    def _tumble(self, item: Item) -> bool:
        """Lets it fall here in any pose; False where there is no place left."""
        half = float(np.linalg.norm(item.solids[0].vertices, axis=1).max()) / 2
        for _ in range(5):
            x, y = self._somewhere()
            if 2 * half < self._support.clearance - 0.05 and self._claim(x, y, half, half, 2 * half):
                self._loose.append(tumbling(self._rng, item, self._top.moved(x, y)))
                return True
        return False

    def _pile(self) -> None:
        for _ in range(6):
            x, y = self._somewhere()
            half = min(self._rng.uniform(0.13, 0.2), self._support.half_y)
            if self._claim(x, y, half, half, 0.3):
                self._loose += draw_pile(self._rng, self._top.moved(x, y), half, self._support.clearance)
                return

    def _settle(self) -> None:
        """Lets the loose objects fall, and adds those that come to rest here."""
        if not self._loose:
            return
        starts = np.array([loose.start.position for loose in self._loose])
        fixed = [mesh for mesh in self._owner if _may_touch(mesh, starts)]
        for item, spot in self._standing:
            if np.hypot(*(starts[:, :2] - (spot.x, spot.y)).T).min() < _ROLLS_M + item.half_x + item.half_y:
                hull = item.solids or [merge([mesh for mesh, _ in item.all_parts])]
                fixed += [spot.place(solid) for solid in hull]
        hulls = [loose.item.solids or [merge([mesh for mesh, _ in loose.item.all_parts])] for loose in self._loose]
        places = settle(fixed, hulls, [loose.start for loose in self._loose])
        for loose, at in zip(self._loose, places, strict=True):
            if at is None or at.position[2] < self._top.z - 0.02:
                continue
            spot = _spot_of(at)
            if self._room.holds(spot.place(merge([mesh for mesh, _ in loose.item.all_parts]))):
                self._room.world.add_item(loose.item, spot)
                self._spots.append(spot)


def _may_touch(mesh: Mesh, starts: np.ndarray) -> bool:
    """Whether something that falls from one of ``starts`` (N, 3) and rolls on could touch it."""
    low, high = mesh.vertices.min(0) - _ROLLS_M, mesh.vertices.max(0) + _ROLLS_M
    return bool(((low[:2] < starts[:, :2]) & (starts[:, :2] < high[:2]) & (low[2] < starts[:, 2:])).all(1).any())


def _spot_of(at: Placement) -> Spot:
    """Turned about the vertical by the yaw of the axis that lies flattest, so that 3D boxes fit closely."""
    flattest = at.rotation[:, np.abs(at.rotation[2]).argmin()]
    yaw = float(np.arctan2(flattest[1], flattest[0]))
    x, y, z = (float(v) for v in at.position)
    return Spot(x, y, z, yaw, rotation_z(-yaw) @ at.rotation)

# SPDX-License-Identifier: Apache-2.0
"""The plan of a room: its walls, what stands where, and what is worth looking at.

A room is a cuboid centred on the origin with its floor at z = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mtl_perception.simulation.catalogue import FIRST, Catalogue
from mtl_perception.simulation.meshes import Mesh
from mtl_perception.simulation.mood import DAY, Mood
from mtl_perception.simulation.objects import HOME, Menu
from mtl_perception.simulation.world import Item, Spot, World


@dataclass(frozen=True)
class Obstacle:
    """Floor area that something of ``height`` metres covers, axis-aligned."""

    x0: float
    y0: float
    x1: float
    y1: float
    height: float

    def overlaps(self, other: Obstacle) -> bool:
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def contains(self, x: float, y: float, margin: float) -> bool:
        return self.x0 - margin < x < self.x1 + margin and self.y0 - margin < y < self.y1 + margin


@dataclass(frozen=True)
class Target:
    """Something worth looking at. ``normal_yaw`` is the side it is seen from, None for any; ``objects``
    counts what stands there."""

    x: float
    y: float
    z: float
    normal_yaw: float | None
    objects: int


@dataclass(frozen=True)
class Subject:
    """An object to take a picture of: its middle, half its width and height in metres, the side that it is seen from
    (None for any)."""

    label: str
    x: float
    y: float
    z: float
    half_width: float
    half_height: float
    normal_yaw: float | None


@dataclass
class Room:
    """A rectangular room around the origin; lengths in metres."""

    half_x: float
    half_y: float
    height: float
    catalogue: Catalogue = FIRST
    world: World = field(init=False)
    obstacles: list[Obstacle] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    subjects: list[Subject] = field(default_factory=list)
    place: str = "living room"
    mood: Mood = DAY
    menu: Menu = HOME
    """Kinds of small objects, and how likely each is."""
    stock: list[Item] = field(default_factory=list)
    """The small objects so far; some turn up again."""
    screens: float = 0.25
    """How likely a deep table has a laptop or a monitor."""
    monitors: list[Subject] = field(default_factory=list)
    """The screens on its desks."""
    passages: list[Target] = field(default_factory=list)
    """Its open doors."""

    def __post_init__(self) -> None:
        self.world = World(self.catalogue.labels)

    def holds(self, mesh: Mesh) -> bool:
        """Whether all of ``mesh`` is inside the walls."""
        x, y = np.abs(mesh.vertices[:, :2]).max(0)
        return bool(x < self.half_x and y < self.half_y)

    def free(self, area: Obstacle) -> bool:
        inside_x = -self.half_x < area.x0 and area.x1 < self.half_x
        inside_y = -self.half_y < area.y0 and area.y1 < self.half_y
        return inside_x and inside_y and not any(area.overlaps(other) for other in self.obstacles)


def draw_half_sides(rng: np.random.Generator, catalogue: Catalogue, low: float, high: float) -> tuple[float, float]:
    """Half of a room's sides in metres, each from ``low`` to ``high``; rooms of deep contents are 5 to 9 m long."""
    if catalogue.deep:
        return rng.uniform(1.7, 3.0), rng.uniform(2.5, 4.5)
    return rng.uniform(low, high), rng.uniform(low, high)


@dataclass(frozen=True)
class Wall:
    """One of the four walls: local x along it, local y into the room, origin on the floor at its middle."""

    index: int
    yaw: float
    half_length: float
    distance: float

    def spot(self, along: float, inwards: float, z: float = 0.0) -> Spot:
        """A place at this wall, facing into the room."""
        return Spot(0.0, 0.0, z, self.yaw).moved(along, inwards - self.distance)

    def area(self, along: float, half: float, near: float, far: float, height: float) -> Obstacle:
        a, b = self.spot(along - half, near), self.spot(along + half, far)
        return Obstacle(min(a.x, b.x), min(a.y, b.y), max(a.x, b.x), max(a.y, b.y), height)


@dataclass(frozen=True)
class Opening:
    """A hole in a wall, in wall coordinates."""

    along: float
    half_width: float
    low: float
    high: float


def four_walls(room: Room) -> list[Wall]:
    """The walls at -y, +x, +y and -x."""
    sides = [(room.half_x, room.half_y), (room.half_y, room.half_x)] * 2
    return [Wall(i, i * np.pi / 2, length, distance) for i, (length, distance) in enumerate(sides)]


def area_of(item: Item, spot: Spot) -> Obstacle:
    """The floor that ``item`` covers at ``spot``."""
    c, s = abs(np.cos(spot.yaw)), abs(np.sin(spot.yaw))
    half_x, half_y = item.half_x * c + item.half_y * s, item.half_x * s + item.half_y * c
    return Obstacle(spot.x - half_x, spot.y - half_y, spot.x + half_x, spot.y + half_y, item.height)

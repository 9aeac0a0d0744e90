# SPDX-License-Identifier: Apache-2.0
"""A bedroom: a bed or two, a wardrobe, what stands beside them."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation import furniture
from mtl_perception.simulation.catalogue import SECOND, Catalogue
from mtl_perception.simulation.lighting import add_lights
from mtl_perception.simulation.lived_in import add_rug
from mtl_perception.simulation.living_room import furnish_walls, hang_picture, litter, scatter
from mtl_perception.simulation.mood import Mood
from mtl_perception.simulation.plan import Room, Wall, four_walls
from mtl_perception.simulation.shell import add_shell
from mtl_perception.simulation.stocking import place
from mtl_perception.simulation.world import Item

Rng = np.random.Generator


def bedroom(rng: Rng, mood: Mood, catalogue: Catalogue = SECOND) -> Room:
    room = Room(rng.uniform(1.6, 2.6), rng.uniform(1.6, 2.6), rng.uniform(2.35, 2.8), catalogue, mood=mood, menu=catalogue.home)
    walls = four_walls(room)
    add_shell(rng, room, walls)
    if rng.uniform() < 0.5:
        add_rug(rng, room)
    for _ in range(1 if rng.uniform() < 0.8 else 2):
        _make_bed(rng, room, walls)
    makers = [catalogue.cabinet] * int(rng.integers(1, 3)) + [furniture.shelf] * int(rng.uniform() < 0.4)
    makers += [catalogue.desk] * int(rng.uniform() < 0.35) + [furniture.television_cabinet] * int(rng.uniform() < 0.25)
    makers += [furniture.easy_chair] * int(rng.uniform() < 0.3) + [catalogue.plant] * int(rng.uniform() < 0.3)
    furnish_walls(rng, room, walls, makers)
    scatter(rng, room)
    litter(rng, room, 0.5)
    add_lights(rng, room)
    return room


def _make_bed(rng: Rng, room: Room, walls: list[Wall]) -> None:
    """A single bed where no double one fits, its head to a wall; a chest at one side or both."""
    if rng.uniform() >= 0.55 or not _place_bed(rng, room, walls, furniture.bed(rng, double=True)):
        _place_bed(rng, room, walls, furniture.bed(rng, double=False))


def _place_bed(rng: Rng, room: Room, walls: list[Wall], item: Item) -> bool:
    """Whether there was a place for it."""
    for _ in range(40):
        wall = walls[int(rng.integers(4))]
        reach = wall.half_length - item.half_x - 0.03
        if reach <= 0:
            continue
        along = rng.uniform(-reach, reach)
        if rng.uniform() < 0.4:
            along = np.sign(along) * reach
        area = wall.area(along, item.half_x + 0.01, 0.0, 2 * item.half_y + 0.02, item.height)
        if not room.free(area):
            continue
        place(rng, room, item, wall.spot(along, item.half_y + 0.02), area)
        for side in (-1, 1):
            chest = furniture.nightstand(rng)
            beside = along + side * (item.half_x + chest.half_x + rng.uniform(0.04, 0.15))
            stand = wall.area(beside, chest.half_x, 0.0, 2 * chest.half_y + 0.02, chest.height)
            if rng.uniform() < 0.75 and abs(beside) + chest.half_x < wall.half_length and room.free(stand):
                place(rng, room, chest, wall.spot(beside, chest.half_y + 0.02), stand)
        if rng.uniform() < 0.5:
            hang_picture(rng, room, wall, along)
        return True
    return False

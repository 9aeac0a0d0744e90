# SPDX-License-Identifier: Apache-2.0
"""Furnishings of rooms: the content that tests were rendered with since 0.4.0, a richer one, and one of deep rooms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mtl_perception.simulation import doors, fittings, furniture, next_room, objects, openings, refrigerators
from mtl_perception.simulation.labels import FIRST_LABELS, SECOND_LABELS, LabelSet
from mtl_perception.simulation.objects import Menu
from mtl_perception.simulation.own_objects import OwnObjects
from mtl_perception.simulation.world import Item, Material, Support

Rng = np.random.Generator
Maker = Callable[[Rng], Item]


@dataclass(frozen=True)
class OnDesk:
    """Where an object stands on a desk, in the frame of the surface."""

    item: Item
    x: float
    y: float
    yaw: float


@dataclass(frozen=True)
class Catalogue:
    """One content. What the makers of the first draw of a random generator must stay as it is: tests are rendered with it.

    Attributes:
        labels: the classes that are labelled.
        lived_in: whether rooms have televisions, rugs, radiators and switches.
        deep: whether living rooms, kitchens and corridors are long.
        held: shares of the views that people take, by their kinds (hand_held.KINDS); the rest are a robot's.
        door: makes a door for a hole of half this width, of this height; with this trim, and this leaf if given.
        fronts: draws the style of a kitchen's doors.
        screens: draws what stands on a desk that has a screen.
        own: meshes of the user's, None where there are none.
    """

    labels: LabelSet
    lived_in: bool
    deep: bool
    held: Mapping[str, float]
    chair: Maker
    dining_table: Maker
    coffee_table: Maker
    desk: Maker
    cabinet: Maker
    sofa: Maker
    plant: Maker
    refrigerator: Maker
    door: Callable[[Rng, float, float, Material, Material | None], Item]
    fronts: Callable[[Rng], Callable]
    screens: Callable[[Rng, Support], list[OnDesk]]
    home: Menu
    kitchen: Menu
    office: Menu
    store: Menu
    own: OwnObjects | None = None

    def with_objects(self, own: OwnObjects) -> Catalogue:
        """This content with a user's meshes among its objects."""
        labels = self.labels.with_objects(own.labels, own.small_labels)
        return replace(self, labels=labels, own=own)


def _one_screen(rng: Rng, support: Support) -> list[OnDesk]:
    screen = objects.laptop(rng, 2.0) if rng.uniform() < 0.6 else objects.monitor(rng, 2.0)
    x, y = rng.uniform(-0.3, 0.3) * support.half_x, -0.2 * support.half_y
    return [OnDesk(screen, x, y, rng.choice([0, np.pi]) + rng.normal(0, 0.1))]


def _workplace(rng: Rng, support: Support) -> list[OnDesk]:
    """One or two monitors with a keyboard and a mouse, or a laptop; few with their backs to the front."""
    back, x = -0.35 * support.half_y, rng.uniform(-0.3, 0.3) * support.half_x
    turned = np.pi if rng.uniform() < 0.12 else 0.0
    if rng.uniform() < 0.35:
        placed = [OnDesk(objects.any_laptop(rng), x, rng.uniform(-0.3, 0.2) * support.half_y, turned + rng.normal(0, 0.2))]
        return [*placed, OnDesk(objects.mouse(rng), x + 0.27, 0.2 * support.half_y, rng.normal(0, 0.3))]
    monitors = [objects.any_monitor(rng)] * (2 if support.half_x > 0.6 and rng.uniform() < 0.35 else 1)
    if len(monitors) == 2:
        apart = monitors[0].half_x + 0.02
        placed = [OnDesk(monitor, side * apart, back, turned - side * 0.2) for monitor, side in zip(monitors, (-1, 1), strict=True)]
        x = 0.0
    else:
        placed = [OnDesk(monitors[0], x, back, turned + rng.normal(0, 0.15))]
    if not turned and rng.uniform() < 0.85:
        front = 0.45 * support.half_y
        placed.append(OnDesk(objects.keyboard(rng), x, front, rng.normal(0, 0.06)))
        placed.append(OnDesk(objects.mouse(rng), x + 0.32, front, rng.normal(0, 0.2)))
    return placed


def _first_fronts(rng: Rng) -> Callable:
    return furniture.cabinet_front


FIRST = Catalogue(
    labels=FIRST_LABELS,
    lived_in=False,
    deep=False,
    held={},
    chair=furniture.chair,
    dining_table=furniture.dining_table,
    coffee_table=furniture.coffee_table,
    desk=furniture.desk,
    cabinet=furniture.cabinet,
    sofa=furniture.sofa,
    plant=furniture.plant,
    refrigerator=fittings.fridge,
    door=openings.door,
    fronts=_first_fronts,
    screens=_one_screen,
    home=objects.HOME,
    kitchen=objects.KITCHEN,
    office=objects.HOME,
    store=objects.STORE,
)
SECOND = Catalogue(
    labels=SECOND_LABELS,
    lived_in=True,
    deep=False,
    held={"tabletop": 0.17, "close-up": 0.22, "eye level": 0.16},
    chair=furniture.any_chair,
    dining_table=furniture.any_dining_table,
    coffee_table=furniture.any_coffee_table,
    desk=furniture.any_desk,
    cabinet=lambda rng: furniture.cabinet(rng, furniture.front_style(rng)),
    sofa=furniture.soft_sofa,
    plant=furniture.any_plant,
    refrigerator=refrigerators.refrigerator,
    door=doors.door,
    fronts=furniture.front_style,
    screens=_workplace,
    home=objects.SECOND_HOME,
    kitchen=objects.SECOND_KITCHEN,
    office=objects.SECOND_OFFICE,
    store=objects.SECOND_STORE,
)
THIRD = replace(
    SECOND,
    deep=True,
    held={"over": 0.33, "along": 0.2, "through": 0.09, "fronts": 0.12, "close-up": 0.1, "tabletop": 0.04, "eye level": 0.05},
    door=next_room.door,
)
CATALOGUES = {1: FIRST, 2: SECOND, 3: THIRD}
"""By the number that ``mtl-perception render --content`` takes."""

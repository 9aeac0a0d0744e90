# SPDX-License-Identifier: Apache-2.0
"""Small objects that stand on tables and shelves; sizes are those of the shop.

``max_height_m`` is the free height above the support: what would not fit is made smaller or laid down.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtl_perception.simulation.objects._fruit import fruit
from mtl_perception.simulation.objects._household import household_object, kitchen_object
from mtl_perception.simulation.objects._more_paper import any_book, any_parcel
from mtl_perception.simulation.objects._more_vessels import (
    any_bottle,
    any_bowl,
    any_can,
    any_cup,
    plate,
)
from mtl_perception.simulation.objects._others import (
    candle,
    laptop,
    monitor,
    small_plant,
)
from mtl_perception.simulation.objects._paper import book, parcel
from mtl_perception.simulation.objects._screens import (
    any_laptop,
    any_monitor,
    desk_lamp,
    keyboard,
    mouse,
    papers,
    pens,
    phone,
)
from mtl_perception.simulation.objects._vessels import bottle, bowl, can, cup
from mtl_perception.simulation.world import Item

Rng = np.random.Generator
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
_SECOND: Menu = (
    (0.1, any_parcel), (0.12, any_can), (0.17, any_bottle), (0.24, any_cup), (0.15, any_bowl), (0.12, fruit), (0.1, any_book),
)  # fmt: skip
SECOND_HOME: Menu = (
    *_SECOND, (0.01, candle), (0.05, small_plant), (0.1, household_object), (0.02, phone), (0.03, plate), (0.02, papers),
    (0.02, desk_lamp),
)  # fmt: skip
SECOND_KITCHEN: Menu = (
    *_SECOND[:-1], (0.02, any_book), (0.02, small_plant), (0.05, household_object), (0.12, kitchen_object), (0.06, plate),
)  # fmt: skip
SECOND_OFFICE: Menu = (
    *_SECOND, (0.08, any_book), (0.03, small_plant), (0.04, household_object), (0.05, phone), (0.12, papers), (0.05, pens),
    (0.03, desk_lamp), (0.03, keyboard),
)  # fmt: skip
SECOND_STORE: Menu = (
    (0.36, any_parcel), (0.2, any_can), (0.2, any_bottle), (0.08, any_cup), (0.07, any_bowl), (0.04, fruit), (0.04, any_book),
)  # fmt: skip


def small_object(rng: Rng, max_height_m: float, menu: Menu = HOME) -> Item:
    """One object of ``menu``, (weight, maker) pairs."""
    weights = np.array([weight for weight, _ in menu])
    maker = menu[int(rng.choice(len(menu), p=weights / weights.sum()))][1]
    return maker(rng, max_height_m)


__all__ = [
    "HOME",
    "KITCHEN",
    "SECOND_HOME",
    "SECOND_KITCHEN",
    "SECOND_OFFICE",
    "SECOND_STORE",
    "STORE",
    "Maker",
    "Menu",
    "any_book",
    "any_bottle",
    "any_bowl",
    "any_can",
    "any_cup",
    "any_laptop",
    "any_monitor",
    "any_parcel",
    "book",
    "bottle",
    "bowl",
    "can",
    "candle",
    "cup",
    "desk_lamp",
    "fruit",
    "household_object",
    "keyboard",
    "kitchen_object",
    "laptop",
    "monitor",
    "mouse",
    "papers",
    "parcel",
    "pens",
    "phone",
    "plate",
    "small_object",
    "small_plant",
]  # fmt: skip

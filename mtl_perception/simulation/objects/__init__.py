# SPDX-License-Identifier: Apache-2.0
"""Small things that stand on tables and shelves; sizes are those of the shop.

``max_height_m`` is the free height above the support: what would not fit is made smaller or laid down.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtl_perception.simulation.objects._fruit import fruit
from mtl_perception.simulation.objects._others import (
    candle,
    laptop,
    monitor,
    small_plant,
)
from mtl_perception.simulation.objects._paper import book, parcel
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


def small_thing(rng: Rng, max_height_m: float, menu: Menu = HOME) -> Item:
    """One thing of ``menu``, (weight, maker) pairs."""
    weights = np.array([weight for weight, _ in menu])
    maker = menu[int(rng.choice(len(menu), p=weights / weights.sum()))][1]
    return maker(rng, max_height_m)


__all__ = [
    "HOME", "KITCHEN", "STORE", "Maker", "Menu", "book", "bottle", "bowl", "can", "candle", "cup", "fruit", "laptop",
    "monitor", "parcel", "small_plant", "small_thing",
]  # fmt: skip

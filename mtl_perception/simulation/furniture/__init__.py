# SPDX-License-Identifier: Apache-2.0
"""Tables, chairs, shelves, cabinets, bins, sofas, plants, lamps.

Every function returns an :class:`~mtl_perception.simulation.world.Item`, sizes drawn from what is sold.
"""

from mtl_perception.simulation.furniture._chairs import any_chair, easy_chair, office_chair
from mtl_perception.simulation.furniture._fronts import FrontStyle, front_style
from mtl_perception.simulation.furniture._legs import FREE
from mtl_perception.simulation.furniture._media import television, television_cabinet
from mtl_perception.simulation.furniture._more_tables import (
    any_coffee_table,
    any_desk,
    any_dining_table,
)
from mtl_perception.simulation.furniture._others import floor_lamp, plant, waste_bin
from mtl_perception.simulation.furniture._plants import any_plant
from mtl_perception.simulation.furniture._seats import bench, chair, sofa
from mtl_perception.simulation.furniture._soft import bed, nightstand, soft_sofa
from mtl_perception.simulation.furniture._storage import (
    cabinet,
    cabinet_front,
    shelf,
    wall_board,
)
from mtl_perception.simulation.furniture._tables import coffee_table, desk, dining_table

__all__ = [
    "FREE", "FrontStyle", "any_chair", "any_coffee_table", "any_desk", "any_dining_table", "any_plant", "bed", "bench", "cabinet",
    "cabinet_front", "chair", "coffee_table", "desk", "dining_table", "easy_chair", "floor_lamp", "front_style", "nightstand",
    "office_chair", "plant", "shelf", "sofa", "soft_sofa", "television",
    "television_cabinet", "wall_board", "waste_bin",
]  # fmt: skip

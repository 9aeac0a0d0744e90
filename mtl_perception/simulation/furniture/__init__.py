# SPDX-License-Identifier: Apache-2.0
"""Tables, chairs, shelves, cabinets, bins, sofas, plants, lamps.

Every function returns an :class:`~mtl_perception.simulation.world.Item`, sizes drawn from what is sold.
"""

from mtl_perception.simulation.furniture._legs import FREE
from mtl_perception.simulation.furniture._others import floor_lamp, plant, waste_bin
from mtl_perception.simulation.furniture._seats import bench, chair, sofa
from mtl_perception.simulation.furniture._storage import (
    cabinet,
    cabinet_front,
    shelf,
    wall_board,
)
from mtl_perception.simulation.furniture._tables import coffee_table, desk, dining_table

__all__ = [
    "FREE", "bench", "cabinet", "cabinet_front", "chair", "coffee_table", "desk", "dining_table", "floor_lamp", "plant",
    "shelf", "sofa", "wall_board", "waste_bin",
]  # fmt: skip

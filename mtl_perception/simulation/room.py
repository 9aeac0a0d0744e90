# SPDX-License-Identifier: Apache-2.0
"""A furnished place from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mtl_perception.simulation.corridor import corridor
from mtl_perception.simulation.kitchen import kitchen
from mtl_perception.simulation.living_room import living_room
from mtl_perception.simulation.mood import Mood, draw_mood
from mtl_perception.simulation.plan import Room
from mtl_perception.simulation.textures import generator
from mtl_perception.simulation.warehouse import warehouse

PLACES: dict[str, tuple[float, Callable[[np.random.Generator, Mood], Room]]] = {
    "living room": (0.44, living_room),
    "kitchen": (0.26, kitchen),
    "corridor": (0.13, corridor),
    "warehouse": (0.17, warehouse),
}
"""How often each kind is drawn, and what builds it."""


def draw_place(rng: np.random.Generator) -> str:
    """A key of PLACES."""
    shares = np.array([share for share, _ in PLACES.values()])
    return list(PLACES)[int(rng.choice(len(PLACES), p=shares / shares.sum()))]


def furnished_room(seed: int | Sequence[int], textures: str = "train", place: str | None = None) -> Room:
    """The room of this seed; equal seeds give equal rooms.

    Args:
        textures: a key of textures.TEXTURE_SETS.
        place: a key of PLACES; drawn where None.
    """
    rng = generator(seed, textures)
    drawn = draw_place(rng)
    name = place or drawn
    room = PLACES[name][1](rng, draw_mood(rng))
    room.place = name
    return room

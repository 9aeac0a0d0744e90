# SPDX-License-Identifier: Apache-2.0
"""A furnished place from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mtl_perception.simulation.bedroom import bedroom
from mtl_perception.simulation.catalogue import CATALOGUES, Catalogue
from mtl_perception.simulation.corridor import corridor
from mtl_perception.simulation.kitchen import kitchen
from mtl_perception.simulation.living_room import living_room
from mtl_perception.simulation.mood import Mood, draw_mood
from mtl_perception.simulation.office import office
from mtl_perception.simulation.open_plan import open_plan_office
from mtl_perception.simulation.own_objects import OwnObjects
from mtl_perception.simulation.plan import Room
from mtl_perception.simulation.textures import generator
from mtl_perception.simulation.warehouse import warehouse

Builder = Callable[[np.random.Generator, Mood, Catalogue], Room]
PLACES: dict[str, tuple[float, Builder]] = {
    "living room": (0.44, living_room),
    "kitchen": (0.26, kitchen),
    "corridor": (0.13, corridor),
    "warehouse": (0.17, warehouse),
}
"""How often each kind is drawn in content 1, and what builds it."""
SECOND_PLACES: dict[str, tuple[float, Builder]] = {
    "living room": (0.27, living_room),
    "kitchen": (0.26, kitchen),
    "bedroom": (0.12, bedroom),
    "office": (0.17, office),
    "corridor": (0.1, corridor),
    "warehouse": (0.08, warehouse),
}
"""The same for content 2."""
THIRD_PLACES: dict[str, tuple[float, Builder]] = {
    "living room": (0.2, living_room),
    "kitchen": (0.2, kitchen),
    "bedroom": (0.04, bedroom),
    "office": (0.06, office),
    "open-plan office": (0.33, open_plan_office),
    "corridor": (0.13, corridor),
    "warehouse": (0.04, warehouse),
}
"""The same for content 3."""


def places(content: int) -> dict[str, tuple[float, Builder]]:
    """Of a key of CATALOGUES."""
    return {1: PLACES, 2: SECOND_PLACES, 3: THIRD_PLACES}[content]


def draw_place(rng: np.random.Generator, content: int = 1) -> str:
    """A key of ``places(content)``."""
    known = places(content)
    shares = np.array([share for share, _ in known.values()])
    return list(known)[int(rng.choice(len(known), p=shares / shares.sum()))]


def furnished_room(
    seed: int | Sequence[int],
    textures: str = "train",
    place: str | None = None,
    content: int = 1,
    own: OwnObjects | None = None,
) -> Room:
    """The room of this seed; equal seeds give equal rooms.

    Args:
        textures: a key of textures.TEXTURE_SETS.
        place: a key of ``places(content)``; drawn where None.
        content: a key of catalogue.CATALOGUES.
        own: meshes of the user's to put among its objects.
    """
    rng = generator(seed, textures)
    drawn = draw_place(rng, content)
    name = place or drawn
    catalogue = CATALOGUES[content] if own is None else CATALOGUES[content].with_objects(own)
    room = places(content)[name][1](rng, draw_mood(rng), catalogue)
    room.place = name
    return room

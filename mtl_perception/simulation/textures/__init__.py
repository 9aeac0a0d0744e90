# SPDX-License-Identifier: Apache-2.0
"""Procedural textures, sized in metres. Every family takes a random generator and returns a :class:`Texture`.

For each family there is another one that training never draws: a generator of the kind :class:`UnseenTextures` gets
that one instead. Rooms made with it tell how much a network relies on the patterns it was trained with. One of the
kind :class:`VariedTextures` puts a pattern of no family over some of them, so that there is less to rely on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Concatenate, ParamSpec

import numpy as np

from mtl_perception.simulation.textures import (
    _patterns,
    _prints,
    _surfaces,
    _unseen_prints,
    _unseen_surfaces,
)
from mtl_perception.simulation.textures._basics import (
    ACCENT_COLORS,
    WALL_COLORS,
    WOOD_COLORS,
    Color,
    Texture,
    color,
    jitter,
    noise,
    one_of,
    pick,
    vivid,
)

P = ParamSpec("P")
Family = Callable[Concatenate[np.random.Generator, P], Texture]


class UnseenTextures(np.random.Generator):
    """A random generator whose textures are those that were held out from training."""


class VariedTextures(np.random.Generator):
    """A random generator whose textures lie under a random pattern in VARIED of all draws."""


VARIED = 0.5
TEXTURE_SETS = {"train": np.random.Generator, "varied": VariedTextures, "unseen": UnseenTextures}


def generator(seed: int | Sequence[int], textures: str = "train") -> np.random.Generator:
    """A random generator that draws from one of TEXTURE_SETS."""
    return TEXTURE_SETS[textures](np.random.PCG64(seed))


def _family(module: object, held_out_module: object, name: str) -> Family[P]:
    make, held_out = getattr(module, name), getattr(held_out_module, name)

    @functools.wraps(make)
    def draw(rng: np.random.Generator, *args: P.args, **kwargs: P.kwargs) -> Texture:
        unseen = isinstance(rng, UnseenTextures)
        texture = (held_out if unseen else make)(rng, *args, **kwargs)
        if isinstance(rng, VariedTextures) and rng.uniform() < VARIED:
            texture = _patterns.overlaid(rng, texture)
        return replace(texture, family=f"unseen {name}" if unseen else name)

    return draw


plain = _family(_surfaces, _unseen_surfaces, "plain")
plaster = _family(_surfaces, _unseen_surfaces, "plaster")
wood = _family(_surfaces, _unseen_surfaces, "wood")
planks = _family(_surfaces, _unseen_surfaces, "planks")
tiles = _family(_surfaces, _unseen_surfaces, "tiles")
bricks = _family(_surfaces, _unseen_surfaces, "bricks")
wallpaper = _family(_surfaces, _unseen_surfaces, "wallpaper")
carpet = _family(_surfaces, _unseen_surfaces, "carpet")
stone = _family(_surfaces, _unseen_surfaces, "stone")
fabric = _family(_surfaces, _unseen_surfaces, "fabric")
metal = _family(_surfaces, _unseen_surfaces, "metal")
concrete = _family(_surfaces, _unseen_surfaces, "concrete")
corrugated = _family(_surfaces, _unseen_surfaces, "corrugated")
printed_label = _family(_prints, _unseen_prints, "printed_label")
bottle_skin = _family(_prints, _unseen_prints, "bottle_skin")
cardboard = _family(_prints, _unseen_prints, "cardboard")
book_cover = _family(_prints, _unseen_prints, "book_cover")
printed_page = _family(_prints, _unseen_prints, "printed_page")
peel = _family(_prints, _unseen_prints, "peel")
outdoors = _family(_prints, _unseen_prints, "outdoors")
picture = _family(_prints, _unseen_prints, "picture")
desktop = _family(_prints, _unseen_prints, "desktop")
keys = _family(_prints, _unseen_prints, "keys")

__all__ = [
    "ACCENT_COLORS", "TEXTURE_SETS", "WALL_COLORS", "WOOD_COLORS", "Color", "Texture", "UnseenTextures",
    "VariedTextures", "book_cover", "bottle_skin", "bricks", "cardboard", "carpet", "color", "concrete", "corrugated", "desktop", "fabric",
    "generator", "jitter", "keys", "metal", "noise", "one_of", "outdoors", "peel", "pick", "picture", "plain", "planks",
    "plaster", "printed_label", "printed_page", "stone", "tiles", "vivid", "wallpaper", "wood",
]  # fmt: skip

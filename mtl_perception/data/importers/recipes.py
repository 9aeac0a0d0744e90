# SPDX-License-Identifier: Apache-2.0
"""What is known of public sets of photographs: format, class map, what is wholly labelled, licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_perception.data.importers.class_map import ClassMap


@dataclass(frozen=True)
class Recipe:
    """How a public set becomes a data folder with this project's class names.

    Attributes:
        format: a name of ``registry.FORMATS``; ``options``: its settings.
        exhaustive: classes here that each picture has labelled wholly, None: as the format says.
        licence, source: of labels and pictures, and where the set comes from, for people.
    """

    name: str
    format: str
    source: str
    licence: str
    classes: ClassMap = ClassMap()
    exhaustive: tuple[str, ...] | None = None
    group: str = "source"
    options: Mapping[str, str] = field(default_factory=dict)


def recipes() -> dict[str, Recipe]:
    """By name."""
    return {}


def find_recipe(name: str) -> Recipe:
    """Raises ValueError: there is none; the text lists those there are."""
    known = recipes()
    if name not in known:
        raise ValueError(f"recipe '{name}' is unknown, expected one of: {', '.join(known)}")
    return known[name]

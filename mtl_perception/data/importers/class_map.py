# SPDX-License-Identifier: Apache-2.0
"""From the class names of a source to one's own: renamed, merged, dropped."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from mtl_perception.core.scene import UNLABELLED
from mtl_perception.core.yaml_file import read_yaml
from mtl_perception.data.format import DataError


class ClassMap(BaseModel):
    """The content of a class map's YAML file.

    Attributes:
        classes: name in the source → name here; several may get the same one; null drops a class.
        others: what becomes of classes that are not named: "keep" or "drop".
        order: names here in the order that their ids shall have; others follow.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: dict[str, str | None] = {}
    others: Literal["keep", "drop"] = "keep"
    order: list[str] = []

    def target(self, name: str) -> str | None:
        """Returns the name here of the source's ``name``; None: it is dropped."""
        return self.classes.get(name, name if self.others == "keep" else None)

    def targets(self, names: Sequence[str]) -> list[str]:
        """The names here of ``names``, each once, in their order but for ``order``."""
        kept = dict.fromkeys(target for name in names if (target := self.target(name)) is not None)
        return [name for name in self.order if name in kept] + [name for name in kept if name not in self.order]

    def unknown(self, names: Sequence[str]) -> list[str]:
        """Names that the map has and the source has not, each with the one that may have been meant."""
        found = []
        for name in self.classes:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                found.append(f"'{name}'" + (f" (is '{near[0]}' meant?)" if near else ""))
        return found


def read_class_map(path: Path | None) -> ClassMap:
    """None: every class keeps its name.

    Raises:
        ConfigError: the file is missing, or holds something else.
    """
    return ClassMap() if path is None else read_yaml(path, ClassMap)


def segmentation_table(source: Sequence[str], wanted: Sequence[str], names: ClassMap) -> np.ndarray:
    """(len(source) + 1,) uint8: an id of the source → the id here, 255 where there is none; the last one for id -1.

    Raises:
        DataError: ``wanted`` has more names than 8 bits have ids.
    """
    if len(wanted) > UNLABELLED:
        raise DataError(
            f"{len(wanted)} classes of segmentation, expected at most {UNLABELLED}: ids have 8 bits. "
            "Give a class map (--classes) that merges or drops some, for example with 'others: drop'",
            "unknown class",
        )
    table = np.full(len(source) + 1, UNLABELLED, np.uint8)
    for i, name in enumerate(source):
        target = names.target(name)
        if target is not None:
            table[i] = wanted.index(target)
    return table


def lanes_table(source: Sequence[str], wanted: Sequence[str], names: ClassMap) -> np.ndarray:
    """(256,) uint8: bits of the source → bits here.

    Raises:
        DataError: ``wanted`` has more names than 8 bits hold.
    """
    if len(wanted) > 8:
        raise DataError(
            f"{len(wanted)} classes of lanes ({', '.join(wanted)}), expected at most 8: masks share 8 bits. "
            "Give a class map (--classes) that merges or drops some",
            "unknown class",
        )
    values, table = np.arange(256), np.zeros(256, np.int64)
    for i, name in enumerate(source):
        target = names.target(name)
        if target is not None:
            table |= ((values >> i) & 1) << wanted.index(target)
    return table.astype(np.uint8)


def wholly_labelled(labelled: Sequence[str], source: Sequence[str], names: ClassMap) -> list[str]:
    """The classes here of which all objects have boxes, where those of ``labelled``, names of the source, have.

    A class that several were merged into is one of them only if each of those is.
    """
    parts: Mapping[str, list[str]] = {}
    for name in source:
        target = names.target(name)
        if target is not None:
            parts.setdefault(target, []).append(name)
    known = set(labelled)
    return [target for target, members in parts.items() if known.issuperset(members)]

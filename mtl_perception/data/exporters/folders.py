# SPDX-License-Identifier: Apache-2.0
"""A folder of pictures for each class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mtl_perception.data.exporters.item import Item, Labels

HOLDS = frozenset({"classes"})


def write_picture(item: Item, out: Path, labels: Labels) -> None:
    if not item.classes:
        item.notes.add("pictures of no class, left out", item.name)
        return
    item.notes.add("pictures of several classes: the first is taken", item.name, int(len(item.classes) > 1))
    name = item.classes[0].replace("/", "_").strip(".") or "_"
    item.notes.add(
        "class names with / or dots around them, which no folder can have: changed", item.classes[0], int(name != item.classes[0])
    )
    item.write_image(out / name / item.name)


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    pass

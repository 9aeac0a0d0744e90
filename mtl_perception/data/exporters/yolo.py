# SPDX-License-Identifier: Apache-2.0
"""YOLO's text files: data.yaml, images/, labels/."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from mtl_perception.core.files import write_atomically
from mtl_perception.data.exporters.item import Item, ItemInstance, Labels
from mtl_perception.data.exporters.outlines import bridged, outlines

HOLDS = frozenset({"boxes", "masks"})


def write_picture(item: Item, out: Path, labels: Labels) -> None:
    """A picture where any object has a mask gets polygons throughout: readers take all lines of a file for one kind."""
    item.write_image(out / "images" / item.name)
    has_masks = any(instance.shape is not None for instance in item.boxed)
    lines = []
    for instance in item.boxed:
        values = _polygon(item, instance) if has_masks else _box(item, instance)
        lines.append(" ".join([str(labels.detection.index(instance.label)), *(f"{value:.8g}" for value in values)]))
    write_atomically(out / "labels" / f"{item.stem}.txt", "".join(f"{line}\n" for line in lines).encode(), durable=False)


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    content = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(labels.detection))}
    text = "# One folder for both: split it, or name other folders, before you train.\n" + yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True
    )
    write_atomically(out / "data.yaml", text.encode())


def _box(item: Item, instance: ItemInstance) -> list[float]:
    x1, y1, x2, y2 = instance.box_xyxy
    return [(x1 + x2) / 2 / item.width, (y1 + y2) / 2 / item.height, (x2 - x1) / item.width, (y2 - y1) / item.height]


def _polygon(item: Item, instance: ItemInstance) -> list[float]:
    if instance.shape is None:
        item.notes.add("boxes beside objects with masks, written as polygons of 4 points", item.name)
        x1, y1, x2, y2 = instance.box_xyxy
        points = [x1, y1, x2, y1, x2, y2, x1, y2]
    else:
        parts, holes = (instance.shape, 0) if isinstance(instance.shape, list) else outlines(item.mask(instance))
        item.notes.add("masks with holes, which are filled", item.name, int(holes > 0))
        item.notes.add("masks of several parts, which are joined by lines", item.name, int(len(parts) > 1))
        points = bridged(parts)
    return [value / (item.height if i % 2 else item.width) for i, value in enumerate(points)]

# SPDX-License-Identifier: Apache-2.0
"""CVAT XML 1.1 for images: annotations.xml beside images/."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from mtl_perception.data.exporters.item import Item, ItemInstance, Labels

HOLDS = frozenset({"boxes", "masks", "classes"})


def write_picture(item: Item, out: Path, labels: Labels) -> str:
    """The picture's element, as text."""
    item.write_image(out / "images" / item.name)
    attributes = {"id": str(item.number - 1), "name": item.name, "width": str(item.width), "height": str(item.height)}
    image = ElementTree.Element("image", attributes)
    for label in item.classes or ():
        ElementTree.SubElement(image, "tag", label=label, source="manual")
    for instance in item.boxed:
        _add_instance(image, item, instance)
    return ElementTree.tostring(image, "unicode")


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    records = list(records)
    meta = ElementTree.Element("meta")
    task = ElementTree.SubElement(meta, "task")
    for name, text in (("name", out.stem), ("size", str(len(records))), ("mode", "annotation")):
        ElementTree.SubElement(task, name).text = text
    declared = ElementTree.SubElement(task, "labels")
    for name in dict.fromkeys([*labels.detection, *labels.classification]):
        ElementTree.SubElement(ElementTree.SubElement(declared, "label"), "name").text = name
    with (out / "annotations.xml").open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        file.write(ElementTree.tostring(meta, "unicode") + "\n")
        file.writelines(record + "\n" for record in records)
        file.write("</annotations>\n")


def _add_instance(image: ElementTree.Element, item: Item, instance: ItemInstance) -> None:
    shared = {"label": instance.label, "source": "manual", "occluded": "0", "z_order": "0"}
    if instance.shape is None:
        x1, y1, x2, y2 = (f"{value:.2f}" for value in instance.box_xyxy)
        ElementTree.SubElement(image, "box", {**shared, "xtl": x1, "ytl": y1, "xbr": x2, "ybr": y2})
    elif isinstance(instance.shape, list) and len(instance.shape) == 1:
        part = instance.shape[0]
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in zip(part[0::2], part[1::2], strict=True))
        ElementTree.SubElement(image, "polygon", {**shared, "points": points})
    else:
        mask = item.mask(instance)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        place = {"left": columns[0], "top": rows[0], "width": part.shape[1], "height": part.shape[0]}
        rle = ", ".join(map(str, row_runs(part)))
        ElementTree.SubElement(image, "mask", {**shared, "rle": rle, **{key: str(value) for key, value in place.items()}})


def row_runs(mask: np.ndarray) -> list[int]:
    """Run lengths of (H, W) bool, row by row, beginning with False."""
    flat = mask.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths

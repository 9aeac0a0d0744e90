# SPDX-License-Identifier: Apache-2.0
"""Label Studio: tasks.json to import there, with images/ for its local storage, and the labelling configuration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np

from mtl_perception.core.files import write_atomically, write_json
from mtl_perception.data.exporters.item import Item, ItemInstance, Labels

HOLDS = frozenset({"boxes", "masks", "classes"})
_RUN_BITS = (3, 7, 11, 15)


def write_picture(item: Item, out: Path, labels: Labels) -> dict[str, Any]:
    item.write_image(out / "images" / item.name)
    results = [result for i, instance in enumerate(item.boxed) for result in _results(item, instance, f"{item.number}-{i}")]
    if item.classes is not None:
        results.append({"from_name": "class", "to_name": "image", "type": "choices", "value": {"choices": item.classes}})
    return {
        "id": item.number,
        "data": {"image": f"/data/local-files/?d=images/{quote(item.name)}"},
        "annotations": [{"result": results, "was_cancelled": False, "ground_truth": False}],
    }


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    write_json(out / "tasks.json", list(records))
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image")
    if labels.detection:
        for tag, name in (("RectangleLabels", "box"), ("PolygonLabels", "polygon"), ("BrushLabels", "brush")):
            element = ElementTree.SubElement(view, tag, name=name, toName="image")
            for label in labels.detection:
                ElementTree.SubElement(element, "Label", value=label)
    if labels.classification:
        element = ElementTree.SubElement(view, "Choices", name="class", toName="image", choice="multiple")
        for label in labels.classification:
            ElementTree.SubElement(element, "Choice", value=label)
    ElementTree.indent(view)
    write_atomically(out / "label_config.xml", ElementTree.tostring(view, "utf-8"))


def _results(item: Item, instance: ItemInstance, id_: str) -> list[dict[str, Any]]:
    shared: dict[str, Any] = {
        "id": id_, "to_name": "image", "original_width": item.width, "original_height": item.height, "image_rotation": 0,
    }  # fmt: skip
    if instance.shape is None:
        x1, y1, x2, y2 = instance.box_xyxy
        value: dict[str, Any] = {
            "x": 100 * x1 / item.width, "y": 100 * y1 / item.height,
            "width": 100 * (x2 - x1) / item.width, "height": 100 * (y2 - y1) / item.height, "rotation": 0,
        }  # fmt: skip
        return [{**shared, "from_name": "box", "type": "rectanglelabels", "value": value | {"rectanglelabels": [instance.label]}}]
    if isinstance(instance.shape, list) and len(instance.shape) == 1:
        part = instance.shape[0]
        points = [[100 * x / item.width, 100 * y / item.height] for x, y in zip(part[0::2], part[1::2], strict=True)]
        value = {"points": points, "closed": True, "polygonlabels": [instance.label]}
        return [{**shared, "from_name": "polygon", "type": "polygonlabels", "value": value}]
    value = {"format": "rle", "rle": list(pack_brush(item.mask(instance))), "brushlabels": [instance.label]}
    return [{**shared, "from_name": "brush", "type": "brushlabels", "value": value}]


def pack_brush(mask: np.ndarray) -> bytes:
    """A mask, (H, W) bool, in Label Studio's packing: run lengths of a picture whose four channels are 0 or 255."""
    flat = mask.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    bits = [f"{flat.size * 4:032b}", f"{8 - 1:05b}", *(f"{size - 1:04b}" for size in _RUN_BITS)]
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        left = (end - start) * 4
        word = "11111111" if flat[start] else "00000000"
        while left:
            which = next((i for i, size in enumerate(_RUN_BITS) if left <= 1 << size), len(_RUN_BITS) - 1)
            length = min(left, 1 << _RUN_BITS[which])
            bits.append(f"1{which:02b}{length - 1:0{_RUN_BITS[which]}b}{word}")
            left -= length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")

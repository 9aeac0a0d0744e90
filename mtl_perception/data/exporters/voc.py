# SPDX-License-Identifier: Apache-2.0
"""Pascal VOC: JPEGImages/, Annotations/, SegmentationClass/, SegmentationObject/, ImageSets/."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from mtl_perception.core.files import write_atomically
from mtl_perception.data.exporters.item import Item, Labels
from mtl_perception.data.exporters.palette_png import palette_png
from mtl_perception.data.importers.label_colors import pascal_color

HOLDS = frozenset({"boxes", "masks", "semantic", "unlabelled"})


def write_picture(item: Item, out: Path, labels: Labels) -> str:
    item.write_image(out / "JPEGImages" / item.name)
    if item.semantic is not None:
        png = palette_png(np.where(item.semantic < 0, 255, item.semantic).astype(np.uint8))
        write_atomically(out / "SegmentationClass" / f"{item.stem}.png", png, durable=False)
    if item.instances is not None:
        root = ElementTree.Element("annotation")
        _texts(root, folder="JPEGImages", filename=item.name)
        _texts(ElementTree.SubElement(root, "size"), width=item.width, height=item.height, depth=3)
        _texts(root, segmented=int(any(instance.shape is not None for instance in item.boxed)))
        for instance in item.boxed:
            element = ElementTree.SubElement(root, "object")
            _texts(element, name=instance.label, pose="Unspecified", truncated=0, difficult=0)
            x1, y1, x2, y2 = instance.box_xyxy
            # The first pixel is called 1, and the last one is of the box.
            _texts(
                ElementTree.SubElement(element, "bndbox"), xmin=_number(x1 + 1), ymin=_number(y1 + 1), xmax=_number(x2), ymax=_number(y2)
            )
        ElementTree.indent(root)
        write_atomically(out / "Annotations" / f"{item.stem}.xml", ElementTree.tostring(root, "utf-8"), durable=False)
        _write_objects(item, out)
    return item.stem


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    stems = "".join(f"{stem}\n" for stem in records).encode()
    write_atomically(out / "ImageSets" / "Main" / "train.txt", stems)
    if labels.segmentation:
        lines = [f"{name}:{','.join(map(str, pascal_color(i)))}::\n" for i, name in enumerate(labels.segmentation)]
        write_atomically(out / "labelmap.txt", "".join(["# label:color_rgb:parts:actions\n", *lines]).encode())


def _write_objects(item: Item, out: Path) -> None:
    if all(instance.shape is None for instance in item.boxed):
        return
    ids = np.zeros((item.height, item.width), np.uint8)
    for i, instance in enumerate(item.boxed):
        if i >= 254:
            item.notes.add("masks of more than 254 objects of a picture, left out", item.name)
            break
        if instance.shape is not None:
            mask = item.mask(instance)
            if ids[mask].any():
                item.notes.add("masks that overlap others: a pixel is of the later object", item.name)
            ids[mask] = i + 1
    write_atomically(out / "SegmentationObject" / f"{item.stem}.png", palette_png(ids), durable=False)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _texts(parent: ElementTree.Element, **values: object) -> None:
    for name, value in values.items():
        ElementTree.SubElement(parent, name).text = str(value)

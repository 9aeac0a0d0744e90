# SPDX-License-Identifier: Apache-2.0
"""COCO's panoptic segmentation: panoptic.json, panoptic/ with its PNGs, images/."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.files import write_atomically, write_json
from mtl_perception.data.exporters.item import Item, Labels

HOLDS = frozenset({"boxes", "masks", "crowds", "semantic"})


def write_picture(item: Item, out: Path, labels: Labels) -> dict[str, Any]:
    """Things over stuff: a pixel is of one segment."""
    item.write_image(out / "images" / item.name)
    ids = _category_ids(labels)
    segments = np.zeros((item.height, item.width), np.int32)
    info: dict[int, dict[str, Any]] = {}

    def add(mask: np.ndarray, label: str, is_crowd: bool) -> None:
        number = len(info) + 1
        segments[mask] = number
        info[number] = {"id": number, "category_id": ids[label], "iscrowd": int(is_crowd)}

    things = set(labels.detection) if item.instances is not None else set()
    if item.semantic is not None:
        for i in np.unique(item.semantic[item.semantic >= 0]):
            if labels.segmentation[i] not in things:
                add(item.semantic == i, labels.segmentation[i], is_crowd=False)
    masked = [thing for thing in item.instances or () if thing.shape is not None]
    item.notes.add("things without a mask, which are left out", item.name, len(item.instances or ()) - len(masked))
    for thing in sorted(masked, key=lambda thing: -item.mask(thing).sum()):
        mask = item.mask(thing)
        if (mask & np.isin(segments, [n for n, s in info.items() if not s["iscrowd"] and s.get("is_thing")])).any():
            item.notes.add("masks that overlap others: a pixel is of one segment, the smaller thing's", item.name)
        add(mask, thing.label, thing.is_crowd)
        info[len(info)]["is_thing"] = True
    if item.semantic is not None:
        ids_of_things = [i for i, name in enumerate(labels.segmentation) if name in things]
        bare = np.isin(item.semantic, ids_of_things) & (segments == 0)
        item.notes.add("pictures with pixels of a thing's class in no mask, which become unlabelled", item.name, int(bare.any()))
    present, counts = np.unique(segments[segments > 0], return_counts=True)
    left = []
    for number, count in zip(present.tolist(), counts.tolist(), strict=True):
        rows, columns = np.nonzero(segments == number)
        segment = info[number]
        segment.pop("is_thing", None)
        box = [int(columns.min()), int(rows.min()), int(columns.max() - columns.min()) + 1, int(rows.max() - rows.min()) + 1]
        left.append(segment | {"area": count, "bbox": box})
    blue_green_red = np.stack([segments >> 16 & 255, segments >> 8 & 255, segments & 255], -1).astype(np.uint8)
    name = f"{item.stem}.png"
    write_atomically(out / "panoptic" / name, cv2.imencode(".png", blue_green_red)[1].tobytes(), durable=False)
    image = {"id": item.number, "file_name": item.name, "width": item.width, "height": item.height}
    return {"image": image, "annotation": {"image_id": item.number, "file_name": name, "segments_info": left}}


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    records, things = list(records), set(labels.detection)
    categories = [{"id": i, "name": name, "isthing": int(name in things), "supercategory": ""} for name, i in _category_ids(labels).items()]
    content = {
        "images": [record["image"] for record in records],
        "annotations": [record["annotation"] for record in records],
        "categories": categories,
    }
    write_json(out / "panoptic.json", content)


def _category_ids(labels: Labels) -> dict[str, int]:
    return {name: i + 1 for i, name in enumerate(dict.fromkeys([*labels.segmentation, *labels.detection]))}

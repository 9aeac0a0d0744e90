# SPDX-License-Identifier: Apache-2.0
"""COCO's instances: annotations.json beside images/."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from mtl_perception.data.exporters.item import Item, Labels

HOLDS = frozenset({"boxes", "masks", "crowds", "tracks", "group", "exhaustive"})


def write_picture(item: Item, out: Path, labels: Labels) -> dict[str, Any]:
    item.write_image(out / "images" / item.name)
    ids = {name: i + 1 for i, name in enumerate(labels.detection)}
    image: dict[str, Any] = {"id": item.number, "file_name": item.name, "width": item.width, "height": item.height, "group": item.group}
    if item.exhaustive is not None:
        # As LVIS says it: of a class in neither list that has no box nobody knows whether it is there.
        present = {instance.label for instance in item.instances or ()}
        image["neg_category_ids"] = [ids[name] for name in item.exhaustive if name not in present]
        image["not_exhaustive_category_ids"] = sorted(ids[name] for name in present.difference(item.exhaustive))
    annotations = []
    for instance in item.instances or ():
        x1, y1, x2, y2 = instance.box_xyxy
        bbox = [round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)]
        annotation: dict[str, Any] = {
            "image_id": item.number,
            "category_id": ids[instance.label],
            "bbox": bbox,
            "area": round(bbox[2] * bbox[3], 2),
            "iscrowd": int(instance.is_crowd),
        }
        if instance.shape is not None:
            annotation["segmentation"] = instance.shape
            annotation["area"] = int(item.mask(instance).sum())
        if instance.track is not None:
            annotation["track_id"] = instance.track
        annotations.append(annotation)
    return {"image": image, "annotations": annotations}


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    records = list(records)
    with (out / "annotations.json").open("w", encoding="utf-8") as file:
        file.write('{"images":')
        _write_list(file, (record["image"] for record in records))
        file.write(',"annotations":')
        annotations = (annotation for record in records for annotation in record["annotations"])
        _write_list(file, ({"id": i + 1, **annotation} for i, annotation in enumerate(annotations)))
        categories = [{"id": i + 1, "name": name, "supercategory": ""} for i, name in enumerate(labels.detection)]
        file.write(f',"categories":{json.dumps(categories)}}}')


def _write_list(file: TextIO, values: Iterable[Any]) -> None:
    file.write("[")
    for i, value in enumerate(values):
        file.write(("," if i else "") + json.dumps(value, separators=(",", ":"), allow_nan=False))
    file.write("]")

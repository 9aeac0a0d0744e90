# SPDX-License-Identifier: Apache-2.0
"""Open Images' CSV files: boxes, and as verified absent what was looked for and is not there."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from mtl_perception.data.exporters.item import Item, Labels

HOLDS = frozenset({"boxes", "crowds", "exhaustive", "unlabelled"})
_COLUMNS = (
    "ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", "IsOccluded", "IsTruncated", "IsGroupOf",
    "IsDepiction", "IsInside",
)  # fmt: skip


def write_picture(item: Item, out: Path, labels: Labels) -> dict[str, Any]:
    """The picture is called by its id: its path with -- for each folder."""
    id_ = item.stem.replace("/", "--")
    item.write_image(out / "images" / f"{id_}{PurePosixPath(item.name).suffix}")
    if item.instances is None:
        return {"boxes": [], "verified": []}
    boxes = []
    for instance in item.instances:
        x1, y1, x2, y2 = instance.box_xyxy
        edges = [f"{value:.8g}" for value in (x1 / item.width, x2 / item.width, y1 / item.height, y2 / item.height)]
        boxes.append([id_, "xclick", _machine_name(instance.label, labels), 1, *edges, 0, 0, int(instance.is_crowd), 0, 0])
    present = {instance.label for instance in item.instances}
    known = labels.detection if item.exhaustive is None else item.exhaustive
    item.notes.add(
        "classes with boxes that are not wholly labelled in a picture, which now look as if they were", item.name, len(present - set(known))
    )
    verified = [[id_, "verification", _machine_name(name, labels), int(name in present)] for name in known]
    return {"boxes": boxes, "verified": verified}


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    records = list(records)
    _write(out / "annotations-bbox.csv", _COLUMNS, (row for record in records for row in record["boxes"]))
    columns = ("ImageID", "Source", "LabelName", "Confidence")
    _write(out / "human-imagelabels-boxable.csv", columns, (row for record in records for row in record["verified"]))
    names = ((_machine_name(name, labels), name) for name in labels.detection)
    _write(out / "class-descriptions-boxable.csv", ("LabelName", "DisplayName"), names)


def _machine_name(name: str, labels: Labels) -> str:
    return f"/m/{labels.detection.index(name):04d}"


def _write(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)

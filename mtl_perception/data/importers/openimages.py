# SPDX-License-Identifier: Apache-2.0
"""Open Images' CSV files: boxes, and which classes people looked for in which picture."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.json_file import start_of
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options

_BOX_COLUMNS = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")


class Settings(Options):
    """``depictions``: drawings and the like of an object count as objects ("keep") or left out ("drop")."""

    depictions: Literal["keep", "drop"] = "keep"


def looks_like(source: Path) -> str:
    files = [path for path in _csv_files(source) if _kind(path) == "boxes"]
    return f"{files[0].name} has columns ImageID, LabelName, XMin" if files else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data set in the folder ``source``: pictures, *-annotations-bbox.csv, class-descriptions*.csv, and, where there is
    one, the CSV of labels that people verified.

    Of the pictures that the files list, those that are there are read: nobody has all nine million.

    Raises:
        DataError: there are no boxes, or a row can't be understood.
    """
    root = source if source.is_dir() else source.parent
    files = [(path, _kind(path)) for path in _csv_files(source)]
    if not any(kind == "boxes" for _, kind in files):
        raise NotThisFormat(f"{source} holds no CSV of boxes (columns {', '.join(_BOX_COLUMNS)})")
    finder, notes = PictureFinder(root, skip=("masks",)), Notes()
    by_id = {PurePosixPath(found).stem: found for found in finder.all()}
    names = _names(path for path, kind in files if kind == "names")
    instances: dict[str, list[Instance]] = defaultdict(list)
    labels: dict[str, None] = {}
    for path, kind in files:
        if kind == "boxes":
            _read_boxes(path, by_id, names, settings, instances, labels, notes)
        elif kind == "masks":
            notes.add("masks, which are not read", path.name)
    absent = _verified_absent((path for path, kind in files if kind == "verified"), by_id, names, labels)
    pictures = []
    for id_, found in by_id.items():
        if id_ not in instances and id_ not in absent:
            notes.add("pictures that no file lists, left out", found)
            continue
        known = {instance.label for instance in instances[id_]} | absent.get(id_, set())
        pictures.append(
            Picture(
                name=found,
                image=ImageFile(finder.path(found)),
                is_normalized=True,
                instances=instances[id_],
                exhaustive=sorted(known),
                labels_are_upright=False,
                where=id_,
            )
        )
    if not pictures:
        raise DataError(f"no picture in {root} is one that its CSV files list; put the pictures there, as IMAGEID.jpg", "missing")
    return Labelled(pictures, sorted(labels), notes=notes)


def _csv_files(source: Path) -> list[Path]:
    return [source] if source.is_file() and source.suffix == ".csv" else sorted(source.rglob("*.csv")) if source.is_dir() else []


def _kind(path: Path) -> str:
    header = start_of(path, 4096).decode("utf-8", "replace").lstrip("\ufeff").split("\n", 1)[0].strip().split(",")
    if "MaskPath" in header:
        return "masks"
    if set(_BOX_COLUMNS) <= set(header):
        return "boxes"
    if {"ImageID", "LabelName", "Confidence"} <= set(header):
        return "verified"
    return "names" if len(header) == 2 and (header[0].startswith(("/m/", "/g/")) or header == ["LabelName", "DisplayName"]) else ""


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = next(reader)
        for row in reader:
            yield dict(zip(header, row, strict=False))


def _names(paths: Iterator[Path]) -> dict[str, str]:
    names = {}
    for path in paths:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names |= {row[0]: sys.intern(row[1].strip()) for row in csv.reader(file) if len(row) == 2 and row[0] != "LabelName"}
    return names


def _read_boxes(
    path: Path,
    by_id: dict[str, str],
    names: dict[str, str],
    settings: Settings,
    instances: dict[str, list[Instance]],
    labels: dict[str, None],
    notes: Notes,
) -> None:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = next(reader)
        at = {name: header.index(name) for name in header}
        id_at, label_at, *edges = (at[name] for name in ("ImageID", "LabelName", "XMin", "YMin", "XMax", "YMax"))
        group_at, depiction_at = at.get("IsGroupOf"), at.get("IsDepiction")
        missing: set[str] = set()
        for number, row in enumerate(reader, start=2):
            try:
                if row[id_at] not in by_id:
                    missing.add(row[id_at])
                    continue
                box = tuple(float(row[edge]) for edge in edges)
                if depiction_at is not None and row[depiction_at] == "1" and settings.depictions == "drop":
                    notes.add("depictions, left out (setting depictions)", f"{path.name}, line {number}")
                    continue
                label = names.get(row[label_at], row[label_at])
                is_crowd = group_at is not None and row[group_at] == "1"
            except (IndexError, ValueError):
                raise DataError(f"{path}, line {number} is '{','.join(row)[:80]}', expected {len(header)} values", "label file") from None
            labels.setdefault(label)
            instances[row[id_at]].append(Instance(label, box, None, is_crowd))
    notes.add("pictures that are listed and are not here, left out", next(iter(sorted(missing)), ""), len(missing))


def _verified_absent(paths: Iterator[Path], by_id: dict[str, str], names: dict[str, str], labels: dict[str, None]) -> dict[str, set[str]]:
    """Picture → classes that somebody looked for and did not find."""
    absent: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        for row in _rows(path):
            if row["ImageID"] in by_id and float(row["Confidence"] or 1) == 0:
                label = names.get(row["LabelName"], row["LabelName"])
                if label in labels:
                    absent[row["ImageID"]].add(label)
    return absent

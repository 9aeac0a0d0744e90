# SPDX-License-Identifier: Apache-2.0
"""BDD100K: boxes, drivable areas and lanes out of its JSON files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.json_file import read_json, start_of
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.lane_lines import LaneDrawing, Stroke
from mtl_perception.data.importers.registry import NotThisFormat, Options

_LANES = ["drivable", "alternative", "lane"]
_AREAS = {"direct": 0, "drivable": 0, "area/drivable": 0, "alternative": 1, "area/alternative": 1}
_CURVE_STEPS = 12


class Settings(Options):
    """``line_width``: pixels of a lane's line in a picture of 1000 pixels."""

    line_width: float = 8


class _Poly(msgspec.Struct):
    vertices: list[tuple[float, float]]
    types: str = ""
    closed: bool = False


class _Label(msgspec.Struct):
    category: str
    box2d: dict[str, float] | None = None
    poly2d: list[Any] | None = None
    attributes: dict[str, Any] | None = None
    id: int | str | None = None


class _Frame(msgspec.Struct):
    name: str = ""
    labels: list[_Label] | None = None
    objects: list[_Label] | None = None
    frames: list[_Object] | None = None
    videoName: str | None = None


class _Object(msgspec.Struct):
    objects: list[_Label]


def looks_like(source: Path) -> str:
    files = _files(source)
    return f"{files[0].name} has labels with box2d or poly2d" if files else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The folder ``source`` with pictures and label files: one for all pictures, or one for each.

    Raises:
        DataError: there are none, or one can't be understood.
    """
    files, notes = _files(source), Notes()
    if not files:
        raise NotThisFormat(f"{source} holds no BDD100K labels (JSON with category, box2d and poly2d)")
    finder = PictureFinder(source if source.is_dir() else source.parent)
    merged: dict[str, tuple[list[_Label], str, str | None]] = {}
    for path in files:
        for frame in _frames(path):
            labels, _, _ = merged.setdefault(frame.name, ([], path.name, frame.videoName))
            labels += frame.labels or frame.objects or [label for part in frame.frames or () for label in part.objects]
    detected: dict[str, None] = {}
    has_lanes = any(label.poly2d for labels, _, _ in merged.values() for label in labels)
    has_boxes = any(label.box2d for labels, _, _ in merged.values() for label in labels)
    pictures = []
    for name, (labels, where, video) in merged.items():
        found = finder.find(name) if "." in name else finder.find_stem(name)
        image = ImageFile(finder.path(found or name))
        instances, strokes = [], []
        for label in labels:
            if label.attributes and any(label.attributes.get(key) for key in ("occluded", "truncated")):
                notes.add("marks as occluded or truncated, which are not read", name)
            if label.box2d is not None:
                box = label.box2d
                instances.append(Instance(sys.intern(label.category), (box["x1"], box["y1"], box["x2"], box["y2"])))
                detected.setdefault(label.category)
            elif label.poly2d:
                strokes += _strokes(label, f"{where}: {name}")
            else:
                notes.add(f"labels of category {label.category} with neither a box nor a line, left out", name)
        pictures.append(
            Picture(
                name=found or name,
                image=image,
                group=video,
                instances=instances if has_boxes else None,
                lanes=LaneDrawing(image, tuple(strokes), settings.line_width) if has_lanes else None,
                where=where,
            )
        )
    return Labelled(pictures, sorted(detected), lanes_labels=_LANES if has_lanes else [], notes=notes)


def _files(source: Path) -> list[Path]:
    paths = [source] if source.is_file() else sorted(source.rglob("*.json"))
    return [path for path in paths if _is_bdd(start_of(path))]


def _is_bdd(head: bytes) -> bool:
    return b'"category"' in head and (b'"box2d"' in head or b'"poly2d"' in head) and b'"categories"' not in head


def _frames(path: Path) -> Iterator[_Frame]:
    is_list = start_of(path).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    yield from read_json(path, list[_Frame]) if is_list else [read_json(path, _Frame)]


def _strokes(label: _Label, where: str) -> Iterator[Stroke]:
    area_type = (label.attributes or {}).get("areaType")
    bit = _AREAS.get(str(area_type or label.category), 2)
    if label.category == "drivable area" and area_type is None:
        bit = 0
    for poly in _polys(label, where):
        yield Stroke(bit, _straight(poly), is_area=bit < 2)


def _polys(label: _Label, where: str) -> list[_Poly]:
    """Also as the oldest files have them: a list of x, y and type."""
    found = label.poly2d or []
    try:
        if found and isinstance(found[0], list):
            found = [{"vertices": [point[:2] for point in found], "types": "".join(str(point[2]) for point in found)}]
        return msgspec.convert(found, list[_Poly])
    except (msgspec.ValidationError, IndexError, TypeError) as error:
        raise DataError(f"{where}: poly2d of a {label.category} is not as expected: {error}", "label file") from None


def _straight(poly: _Poly) -> list[tuple[float, float]]:
    """Curves (three points of type C after another: two controls and the end of a cubic) as short lines."""
    points: list[tuple[float, float]] = []
    i = 0
    while i < len(poly.vertices):
        if poly.types[i : i + 3] == "CCC" and points and i + 2 < len(poly.vertices):
            start, (one, two, end) = points[-1], poly.vertices[i : i + 3]
            for k in range(1, _CURVE_STEPS + 1):
                t = k / _CURVE_STEPS
                weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
                points.append(tuple(sum(w * p[axis] for w, p in zip(weights, (start, one, two, end), strict=True)) for axis in (0, 1)))
            i += 3
        else:
            points.append(poly.vertices[i])
            i += 1
    return points

# SPDX-License-Identifier: Apache-2.0
"""labelme's files: one JSON for each picture, with outlines, rectangles, circles and masks."""

from __future__ import annotations

import base64
import binascii
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageBytes, ImageFile
from mtl_perception.data.importers.json_file import read_json, start_of
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options
from mtl_perception.data.importers.shapes import PatchMask, Polygons

_CIRCLE_POINTS = 64


class Settings(Options):
    """``unlabelled``: pictures without a JSON file: "skip" or "empty"."""

    unlabelled: Literal["skip", "empty"] = "skip"


class _Shape(msgspec.Struct):
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"
    group_id: int | str | None = None
    mask: str | None = None
    flags: dict[str, bool] | None = None


class _File(msgspec.Struct):
    shapes: list[_Shape]
    imagePath: str = ""
    imageData: str | None = None
    imageHeight: int | None = None
    imageWidth: int | None = None
    flags: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class EmbeddedImage:
    """The picture that a labelme file holds itself."""

    path: Path

    def read(self) -> ImageBytes:
        try:
            return ImageBytes(base64.b64decode(read_json(self.path, _File).imageData or ""), f"imageData of {self.path}")
        except binascii.Error as error:
            raise DataError(f"{self.path}: imageData is damaged: {error}", "unreadable") from error


def looks_like(source: Path) -> str:
    for path in _files(source)[:20]:
        if _is_labelme(path):
            return f"{path.name} has shapes and an imagePath"
    return ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data set at ``source``: a folder of JSON files and pictures, or one JSON file.

    Raises:
        DataError: there is none, or a file is broken.
    """
    root = source if source.is_dir() else source.parent
    files, notes = [path for path in _files(source) if _is_labelme(path)], Notes()
    if not files:
        raise NotThisFormat(f"{source} holds no labelme files (JSON with shapes and imagePath)")
    finder = PictureFinder(root)
    pictures: dict[str, Picture] = {}
    labels: dict[str, None] = {}
    flags: dict[str, None] = {}
    for path in files:
        picture = _picture(path, read_json(path, _File), finder, notes, labels, flags)
        if picture.name in pictures:
            raise DataError(
                f"{path} and {pictures[picture.name].where} are of one picture, {picture.name}; remove one of them", "duplicate"
            )
        pictures[picture.name] = picture
    for found in finder.all():
        if found not in pictures:
            if settings.unlabelled == "empty":
                pictures[found] = Picture(name=found, image=ImageFile(finder.path(found)), instances=[])
            else:
                notes.add("pictures without a JSON file, left out (setting unlabelled=empty takes them as empty)", found)
    return Labelled(list(pictures.values()), sorted(labels), classification_labels=sorted(flags), notes=notes)


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*.json") if path.is_file())


def _is_labelme(path: Path) -> bool:
    head = start_of(path)
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    if b'"shapes"' in head:
        return b'"annotations"' not in head[: head.index(b'"shapes"')]
    return b'"imageData"' in head  # which may stand before the shapes, and be long


def _picture(path: Path, content: _File, finder: PictureFinder, notes: Notes, labels: dict[str, None], flags: dict[str, None]) -> Picture:
    near = path.parent.relative_to(finder.root).as_posix()
    near = "" if near == "." else near
    found = finder.find(content.imagePath, near) if content.imagePath else finder.find_stem(path.stem, near)
    if found is not None:
        name, image = found, ImageFile(finder.path(found))
    elif content.imageData:
        name, image = (f"{near}/{path.stem}.jpg" if near else f"{path.stem}.jpg"), EmbeddedImage(path)
        notes.add("pictures that are taken from imageData, for there is no file", path.name)
    else:
        missing = content.imagePath.replace("\\", "/") or f"{path.stem}.jpg"
        name, image = missing, ImageFile(path.parent / missing)
    size = (content.imageWidth, content.imageHeight) if content.imageWidth and content.imageHeight else None
    classes = None
    if content.flags:
        flags.update(dict.fromkeys(content.flags))
        classes = [flag for flag, is_set in content.flags.items() if is_set is True]
    instances = _instances(path, content.shapes, notes)
    labels.update(dict.fromkeys(instance.label for instance in instances))
    return Picture(name=name, image=image, size=size, instances=instances, classes=classes, where=path.name)


def _instances(path: Path, shapes: list[_Shape], notes: Notes) -> list[Instance]:
    """Outlines of one group_id and label are parts of one object."""
    groups: dict[Any, list[_Shape]] = defaultdict(list)
    for i, shape in enumerate(shapes):
        is_part = shape.group_id is not None and shape.shape_type in ("polygon", "circle")
        groups[(shape.label, shape.group_id) if is_part else i].append(shape)
    instances = []
    for parts in groups.values():
        where = f"{path.name}: {parts[0].label}"
        if parts[0].flags and any(parts[0].flags.values()):
            notes.add("flags of shapes, which are not read", where)
        if len(parts) > 1:
            instances.append(Instance(parts[0].label, None, Polygons([outline for part in parts for outline in _outline(part, path)])))
            continue
        instance = _instance(parts[0], path)
        if instance is None:
            notes.add(f"shapes of type {parts[0].shape_type}, which have no area and are left out", where)
        else:
            instances.append(instance)
    return instances


def _instance(shape: _Shape, path: Path) -> Instance | None:
    if shape.shape_type in ("rectangle", "mask"):
        if len(shape.points) != 2 and not (shape.shape_type == "rectangle" and len(shape.points) == 4):
            raise DataError(f"{path}: a {shape.shape_type} '{shape.label}' has {len(shape.points)} points, expected 2", "label file")
        xs, ys = [x for x, _ in shape.points], [y for _, y in shape.points]
        x1, y1, x2, y2 = min(xs), min(ys), max(xs), max(ys)
        if shape.shape_type == "rectangle":
            return Instance(shape.label, (x1, y1, x2, y2))
        try:
            png = base64.b64decode(shape.mask or "", validate=True)
        except binascii.Error as error:
            raise DataError(f"{path}: the mask of '{shape.label}' is damaged: {error}", "label file") from error
        return Instance(shape.label, None, PatchMask(png, round(x1), round(y1)))
    outlines = _outline(shape, path)
    return Instance(shape.label, None, Polygons(outlines)) if outlines else None


def _outline(shape: _Shape, path: Path) -> list[list[float]]:
    if shape.shape_type == "circle":
        if len(shape.points) != 2:
            raise DataError(
                f"{path}: a circle '{shape.label}' has {len(shape.points)} points, expected its centre and one on it", "label file"
            )
        (x, y), (on_x, on_y) = shape.points
        radius = math.hypot(on_x - x, on_y - y)
        turns = (2 * math.pi * i / _CIRCLE_POINTS for i in range(_CIRCLE_POINTS))
        return [[value for turn in turns for value in (x + radius * math.cos(turn), y + radius * math.sin(turn))]]
    if shape.shape_type in ("polygon", "oriented_rectangle") and len(shape.points) >= 3:
        return [[value for point in shape.points for value in point]]
    return []

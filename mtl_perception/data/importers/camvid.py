# SPDX-License-Identifier: Apache-2.0
"""CamVid: as Cambridge gives it (701_StillsRaw_full, colours), and as SegNet's tutorial does (train, trainannot, ids)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.label_colors import LabelColors, LabelImage, read_label_colors
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options

_ELEVEN = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
_AREAS = {"road": "drivable", "lanemkgsdriv": "drivable", "pavement": "pavement", "sidewalk": "pavement"}
"""Classes of either palette → the area that they lie in."""
_COUNTED = {"car": "car", "suvpickuptruck": "car", "pedestrian": "pedestrian", "child": "pedestrian", "bicyclist": "bicyclist",
            "sign": "sign", "signsymbol": "sign"}  # fmt: skip
"""Classes of which connected pixels are mostly one object → the class of its box."""
_LEAST_SHARE = 40 / (480 * 360)
"""Of the picture's pixels; smaller parts get no box."""


class Settings(Options):
    """``areas``: make ``lanes`` of the label maps too, drivable and pavement. ``boxes``: a box around each connected part of cars,
    pedestrians, bicyclists and signs; two that touch are one."""

    areas: bool = False
    boxes: bool = False


@dataclass(frozen=True, slots=True)
class _Areas:
    """Lanes out of a label map.

    Attributes:
        bits: id in the label map → the bit of its area.
    """

    semantic: LabelImage
    bits: Mapping[int, int]

    def read(self) -> np.ndarray:
        ids = self.semantic.read()
        return sum((np.where(ids == id_, np.uint8(1 << bit), np.uint8(0)) for id_, bit in self.bits.items()), np.zeros(ids.shape, np.uint8))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Boxes out of a label map.

    Attributes:
        classes: id in the label map → the class of its boxes.
    """

    semantic: LabelImage
    classes: Mapping[int, str]

    def read(self) -> list[Instance]:
        ids = self.semantic.read()
        found = []
        for label in dict.fromkeys(self.classes.values()):
            mask = np.isin(ids, [id_ for id_, name in self.classes.items() if name == label])
            _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
            for x, y, width, height, pixels in stats[1:].tolist():
                if pixels >= _LEAST_SHARE * ids.size:
                    found.append(Instance(label, (x, y, x + width, y + height)))
        return found


@dataclass(frozen=True)
class _Classes:
    """Which ids of a set's label maps make areas and boxes; empty where none are asked for.

    Attributes:
        areas: id → area.
        counted: id → class of its boxes.
    """

    areas: Mapping[int, str]
    counted: Mapping[int, str]

    @classmethod
    def of(cls, colors: LabelColors, settings: Settings) -> _Classes:
        return cls(_named(colors, _AREAS) if settings.areas else {}, _named(colors, _COUNTED) if settings.boxes else {})

    @cached_property
    def area_labels(self) -> list[str]:
        return list(dict.fromkeys(self.areas.values()))

    @cached_property
    def bits(self) -> dict[int, int]:
        """Id → bit of its area."""
        return {id_: self.area_labels.index(area) for id_, area in self.areas.items()}


def looks_like(source: Path) -> str:
    annotated = _annotated(source)
    if annotated:
        return f"it has {annotated[0]}annot/"
    return "it has label_colors.txt and pictures whose names end with _L" if _colored(source) is not None else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The folder ``source``. A drive, by its number in the names, is a group.

    Raises:
        DataError: it is of neither kind, or a file is broken.
    """
    colored = _colored(source)
    if colored is not None:
        return _read_colored(source, read_label_colors(colored), settings)
    if not _annotated(source):
        raise NotThisFormat(f"{source} has neither label_colors.txt with *_L.png nor trainannot/")
    palette = source / "label_colors.txt"
    colors = read_label_colors(palette) if palette.is_file() else LabelColors(_ELEVEN, {**{i: i for i in range(11)}, 11: -1, 255: -1}, {})
    notes, pictures, classes = Notes(), [], _Classes.of(colors, settings)
    for side in _annotated(source):
        images, masks = PictureFinder(source / side), PictureFinder(source / f"{side}annot")
        for found in images.all():
            mask = masks.find(found)
            if mask is None:
                notes.add("pictures without a label map, left out", f"{side}/{found}")
                continue
            pictures.append(
                _picture(
                    f"{side}/{found}",
                    images.path(found),
                    LabelImage(masks.path(mask), colors),
                    side if side in ("train", "val", "test") else None,
                    settings,
                    classes,
                )
            )
    return _labelled(pictures, colors, classes, notes)


def _annotated(source: Path) -> list[str]:
    """The folders of pictures that have one of label maps beside them, as train has trainannot."""
    if not source.is_dir():
        return []
    names = {path.name for path in source.iterdir() if path.is_dir()}
    return sorted(name for name in names if f"{name}annot" in names)


def _colored(source: Path) -> Path | None:
    path = source / "label_colors.txt"
    return path if path.is_file() and next(source.rglob("*_L.png"), None) is not None else None


def _read_colored(source: Path, colors: LabelColors, settings: Settings) -> Labelled:
    finder, notes, pictures, classes = PictureFinder(source), Notes(), [], _Classes.of(colors, settings)
    masks = {Path(found).stem.removesuffix("_L"): found for found in finder.all() if Path(found).stem.endswith("_L")}
    for found in finder.all():
        stem = Path(found).stem
        if stem.endswith("_L"):
            continue
        if stem not in masks:
            notes.add("pictures without a label map, left out", found)
            continue
        pictures.append(_picture(found, finder.path(found), LabelImage(finder.path(masks[stem]), colors), None, settings, classes))
    return _labelled(pictures, colors, classes, notes)


def _named(colors: LabelColors, wanted: Mapping[str, str]) -> dict[int, str]:
    """Id → what ``wanted`` says of the class of this name, in either palette's spelling."""
    found = {id_: wanted.get(re.sub("[^a-z]", "", name.lower())) for id_, name in enumerate(colors.labels)}
    return {id_: name for id_, name in found.items() if name is not None}


def _labelled(pictures: list[Picture], colors: LabelColors, classes: _Classes, notes: Notes) -> Labelled:
    boxes = list(dict.fromkeys(classes.counted.values()))
    return Labelled(pictures, boxes, colors.labels, lanes_labels=classes.area_labels, notes=notes)


def _picture(name: str, path: Path, semantic: LabelImage, side: str | None, settings: Settings, classes: _Classes) -> Picture:
    drive = re.match(r"([A-Za-z]*\d*[A-Za-z]*\d*)_", path.name)
    return Picture(
        name=name,
        image=ImageFile(path),
        group=drive[1] if drive else None,
        side=side,
        instances=_Parts(semantic, classes.counted) if settings.boxes else None,
        semantic=semantic,
        lanes=_Areas(semantic, classes.bits) if settings.areas else None,
        where=semantic.path.name,
    )

# SPDX-License-Identifier: Apache-2.0
"""CamVid: as Cambridge gives it (701_StillsRaw_full, colours), and as SegNet's tutorial does (train, trainannot, ids)."""

from __future__ import annotations

import re
from pathlib import Path

from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.label_colors import LabelColors, LabelImage, read_label_colors
from mtl_perception.data.importers.labelled import Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat
from mtl_perception.data.importers.registry import Options as Settings

__all__ = ["Settings", "looks_like", "read"]

_ELEVEN = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]


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
        return _read_colored(source, read_label_colors(colored))
    if not _annotated(source):
        raise NotThisFormat(f"{source} has neither label_colors.txt with *_L.png nor trainannot/")
    palette = source / "label_colors.txt"
    colors = read_label_colors(palette) if palette.is_file() else LabelColors(_ELEVEN, {**{i: i for i in range(11)}, 11: -1, 255: -1}, {})
    notes, pictures = Notes(), []
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
                )
            )
    return Labelled(pictures, segmentation_labels=colors.labels, notes=notes)


def _annotated(source: Path) -> list[str]:
    """The folders of pictures that have one of label maps beside them, as train has trainannot."""
    if not source.is_dir():
        return []
    names = {path.name for path in source.iterdir() if path.is_dir()}
    return sorted(name for name in names if f"{name}annot" in names)


def _colored(source: Path) -> Path | None:
    path = source / "label_colors.txt"
    return path if path.is_file() and next(source.rglob("*_L.png"), None) is not None else None


def _read_colored(source: Path, colors: LabelColors) -> Labelled:
    finder, notes, pictures = PictureFinder(source), Notes(), []
    masks = {Path(found).stem.removesuffix("_L"): found for found in finder.all() if Path(found).stem.endswith("_L")}
    for found in finder.all():
        stem = Path(found).stem
        if stem.endswith("_L"):
            continue
        if stem not in masks:
            notes.add("pictures without a label map, left out", found)
            continue
        pictures.append(_picture(found, finder.path(found), LabelImage(finder.path(masks[stem]), colors), None))
    return Labelled(pictures, segmentation_labels=colors.labels, notes=notes)


def _picture(name: str, path: Path, semantic: LabelImage, side: str | None) -> Picture:
    drive = re.match(r"([A-Za-z]*\d*[A-Za-z]*\d*)_", path.name)
    group = drive[1] if drive else None
    return Picture(name=name, image=ImageFile(path), group=group, side=side, semantic=semantic, where=semantic.path.name)

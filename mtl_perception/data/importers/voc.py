# SPDX-License-Identifier: Apache-2.0
"""Pascal VOC: boxes from Annotations/, label maps from SegmentationClass/, masks of objects from SegmentationObject/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from xml.etree import ElementTree

from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile, has_picture_suffix
from mtl_perception.data.importers.label_colors import LabelColors, LabelImage, pascal_color, pascal_colors, read_label_colors, rgb
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options
from mtl_perception.data.importers.shapes import PixelsOf
from mtl_perception.data.importers.xml_file import number, read_xml, text_of

_VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_LABEL_FOLDERS = ("SegmentationClass", "SegmentationObject", "Annotations")


class Settings(Options):
    """``first_pixel``: 1 where the first pixel is called 1 and the last one belongs to the box (the format's own way), 0 where
    it is called 0 and the box ends before xmax (many tools'); "auto": 0 if any coordinate is 0. ``difficult``: objects marked so
    are a "box" like others, a "crowd" (their class is then unlabelled in the picture), or left out: "drop". ``unlabelled``:
    pictures without an XML file: "skip" or "empty"."""

    first_pixel: Literal["auto", "0", "1"] = "auto"
    difficult: Literal["box", "crowd", "drop"] = "box"
    unlabelled: Literal["skip", "empty"] = "skip"


@dataclass
class _Object:
    label: str
    box: tuple[float, float, float, float]
    is_difficult: bool


@dataclass
class _Sheet:
    path: Path
    stem: str  # its path in Annotations/ without a suffix: the picture's in JPEGImages/
    file_name: str
    size: tuple[int, int] | None
    objects: list[_Object]


def looks_like(source: Path) -> str:
    for path in _sheets(source)[:3]:
        if path.is_file() and b"<annotation" in path.read_bytes()[:4096] and b"<annotations" not in path.read_bytes()[:4096]:
            return f"{path.name} is an <annotation>"
    return ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data set at ``source``: a folder (VOC2012/, or pictures with XML files beside them).

    Raises:
        DataError: there is none, or a file is broken.
    """
    root = source if source.is_dir() else source.parent
    inner = next(
        (path for path in (root, *sorted(root.glob("VOCdevkit/VOC*")), *sorted(root.glob("VOC*"))) if (path / "Annotations").is_dir()), root
    )
    notes = Notes()
    finder = PictureFinder(inner, skip=_LABEL_FOLDERS)
    sheets = [sheet for path in _sheets(inner) if (sheet := _sheet(path, inner, notes)) is not None]
    maps = PictureFinder(inner / "SegmentationClass") if (inner / "SegmentationClass").is_dir() else None
    if not sheets and maps is None:
        raise NotThisFormat(f"{source} holds no Pascal VOC annotations (XML files with <annotation>)")
    first_pixel = _first_pixel(settings, sheets, notes)
    colors = _colors(inner) if maps is not None else None
    pictures, seen = [], set()
    labels: dict[str, None] = {}
    for sheet in sheets:
        labels.update(dict.fromkeys(instance.label for instance in sheet.objects))
        found = _find(finder, sheet)
        name = found or sheet.file_name or f"{sheet.stem}.jpg"
        seen.add(name)
        pictures.append(
            Picture(
                name=name,
                image=ImageFile(finder.path(found) if found else inner / "JPEGImages" / name),
                size=sheet.size,
                instances=_instances(sheet, first_pixel, settings, inner, notes),
                semantic=_label_map(inner, maps, sheet.stem, colors),
                where=sheet.path.name,
            )
        )
    for found in finder.all():
        if found in seen:
            continue
        semantic = _label_map(inner, maps, str(PurePosixPath(found).with_suffix("")), colors)
        if semantic is None and settings.unlabelled == "skip":
            notes.add("pictures without an XML file, left out (setting unlabelled=empty takes them as empty)", found)
            continue
        instances = [] if settings.unlabelled == "empty" else None
        pictures.append(Picture(name=found, image=ImageFile(finder.path(found)), instances=instances, semantic=semantic))
    return Labelled(pictures, sorted(labels), colors.labels if colors is not None else [], notes=notes)


def _sheets(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ".xml" else []
    folder = source / "Annotations"
    return sorted(folder.rglob("*.xml") if folder.is_dir() else source.rglob("*.xml"))


def _sheet(path: Path, inner: Path, notes: Notes) -> _Sheet | None:
    root = read_xml(path)
    if root.tag != "annotation":
        notes.add("XML files that are no <annotation>, not read", path.name)
        return None
    size = None
    if root.find("size") is not None:
        width, height = (number(text_of(root, f"size/{side}", "0"), str(path), side) for side in ("width", "height"))
        size = (int(width), int(height)) if width > 0 and height > 0 else None
    objects = []
    for instance in root.iter("object"):
        box = instance.find("bndbox")
        label = text_of(instance, "name")
        if box is None or not label:
            notes.add("objects without a name or a bndbox, left out", path.name)
            continue
        corners = tuple(number(box.findtext(side), str(path), f"{side} of a {label}") for side in ("xmin", "ymin", "xmax", "ymax"))
        _note_rest(instance, path, notes)
        objects.append(_Object(label, corners, text_of(instance, "difficult", "0") == "1"))
    folder = inner / "Annotations"
    stem = path.relative_to(folder if folder.is_dir() else inner).with_suffix("").as_posix()
    return _Sheet(path, stem, text_of(root, "filename"), size, objects)


def _note_rest(instance: ElementTree.Element, path: Path, notes: Notes) -> None:
    for key, what in (("part", "parts of objects"), ("actions", "actions"), ("polygon", "polygons"), ("attributes", "attributes")):
        if instance.find(key) is not None:
            notes.add(f"{what} of objects, which are not read", path.name)


def _first_pixel(settings: Settings, sheets: list[_Sheet], notes: Notes) -> int:
    if settings.first_pixel != "auto":
        return int(settings.first_pixel)
    zero = next((sheet for sheet in sheets if any(min(instance.box[:2]) < 1 for instance in sheet.objects)), None)
    if zero is not None:
        notes.add(
            "coordinate below 1: the first pixel is taken to be 0 in the whole set, and boxes to end before xmax (setting first_pixel)",
            zero.path.name,
        )
    return 1 if zero is None else 0


def _find(finder: PictureFinder, sheet: _Sheet) -> str | None:
    """By the XML file's own name first: the <filename> in it is often wrong after copying."""
    found = finder.find_stem(sheet.stem)
    if found is None and sheet.file_name:
        name = sheet.file_name
        found = finder.find(name) if has_picture_suffix(name) else finder.find_stem(name)
    return found


def _instances(sheet: _Sheet, first_pixel: int, settings: Settings, root: Path, notes: Notes) -> list[Instance]:
    masks = root / "SegmentationObject" / f"{sheet.stem}.png"
    has_masks = masks.is_file()
    instances = []
    for i, instance in enumerate(sheet.objects):
        if instance.is_difficult:
            notes.add(f"objects marked as difficult, taken as: {settings.difficult} (setting difficult)", sheet.path.name)
            if settings.difficult == "drop":
                continue
        x1, y1, x2, y2 = instance.box
        shape = PixelsOf(masks, (i + 1,), rgb_values=(rgb(*pascal_color(i + 1)),)) if has_masks else None
        is_crowd = instance.is_difficult and settings.difficult == "crowd"
        instances.append(Instance(instance.label, (x1 - first_pixel, y1 - first_pixel, x2, y2), shape, is_crowd))
    return instances


def _colors(root: Path) -> LabelColors:
    for name in ("labelmap.txt", "labelcolors.txt", "classes.txt"):
        if (root / name).is_file():
            return read_label_colors(root / name)
    return pascal_colors(["background", *_VOC_CLASSES])


def _label_map(root: Path, maps: PictureFinder | None, stem: str, colors: LabelColors | None) -> LabelImage | None:
    found = maps.find_stem(stem) if maps is not None else None
    return LabelImage(maps.path(found), colors) if found is not None else None

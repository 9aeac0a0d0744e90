# SPDX-License-Identifier: Apache-2.0
"""COCO's detection and instance segmentation; LVIS and Roboflow write the same with a few more keys."""

from __future__ import annotations

import mmap
import re
import sys
from collections import Counter
from pathlib import Path, PurePosixPath

import msgspec

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.json_file import read_json, start_of
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options
from mtl_perception.data.importers.shapes import CocoJson

_OTHER_FILES = re.compile(r"^(captions|person_keypoints|image_info|stuff|panoptic)_")
_SIDES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class Settings(Options):
    """``annotations``: the JSON file, where a folder holds several kinds; ``images``: folder of the pictures."""

    annotations: Path | None = None
    images: Path | None = None


class _Image(msgspec.Struct, gc=False):
    id: int | str
    file_name: str = ""
    coco_url: str | None = None
    width: float | None = None
    height: float | None = None
    group: str | None = None
    neg_category_ids: list[int] | None = None
    not_exhaustive_category_ids: list[int] | None = None


class _Annotation(msgspec.Struct, gc=False):
    image_id: int | str
    category_id: int
    bbox: tuple[float, ...] | None = None
    segmentation: msgspec.Raw = msgspec.Raw()
    iscrowd: int | bool = 0
    keypoints: msgspec.Raw = msgspec.Raw()
    id: int | str | None = None
    track_id: int | str | None = None


class _Category(msgspec.Struct):
    id: int
    name: str


class _File(msgspec.Struct):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation] = []


def looks_like(source: Path) -> str:
    files = [path for path in _json_files(source) if _is_coco(path)]
    return f"{files[0].name} holds images, annotations and categories" if files else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data set at ``source``: the JSON file, or a folder that holds it and the pictures.

    Raises:
        DataError: there is no such file, it is damaged or contradicts itself.
    """
    root = source if source.is_dir() else source.parent
    if settings.annotations is not None:
        path = settings.annotations if settings.annotations.exists() else root / settings.annotations
        if not path.exists():
            raise DataError(f"{path} does not exist (setting annotations)", "missing")
        files = [path]
    else:
        files = [path for path in _json_files(source) if _is_coco(path)]
        used = [path for path in files if not _OTHER_FILES.match(path.name)]
        files = used or files
    if not files:
        raise NotThisFormat(f"{source} holds no COCO annotations (a JSON file with images, annotations and categories)")
    if source.is_file() and settings.images is None and root.name == "annotations":
        root = root.parent  # annotations/instances_val2017.json beside val2017/
    pictures_root = root if settings.images is None else settings.images if settings.images.is_dir() else root / settings.images
    finder, notes = PictureFinder(pictures_root), Notes()
    labels: dict[str, None] = {}
    pictures: dict[str, Picture] = {}
    for path in sorted(files):
        for picture in _pictures(path, read_json(path, _File), finder, notes, labels, pictures_root):
            if picture.name in pictures:
                raise DataError(
                    f"{picture.name} is listed in {pictures[picture.name].where} and in {path}; give one of them (--set annotations=FILE)",
                    "duplicate",
                )
            pictures[picture.name] = picture
    return Labelled(list(pictures.values()), list(labels), notes=notes)


def _json_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix.lower() == ".json" else []
    near = [path for pattern in ("*.json", "*/*.json") for path in source.glob(pattern)]
    return sorted(path for path in near if path.is_file() and not path.name.startswith("."))


def _is_coco(path: Path) -> bool:
    head = start_of(path)
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") or b'"shapes"' in head:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return all(content.find(key) >= 0 for key in (b'"images"', b'"annotations"', b'"categories"')) and (
            content.find(b'"segments_info"') < 0
        )


def _pictures(path: Path, content: _File, finder: PictureFinder, notes: Notes, labels: dict[str, None], root: Path) -> list[Picture]:
    names = _category_names(path, content)
    labels.update(dict.fromkeys(names.values()))
    images = {image.id: image for image in content.images}
    if len(images) < len(content.images):
        twice = [id_ for id_, count in Counter(image.id for image in content.images).items() if count > 1]
        raise DataError(f"{path}: several images have the id {twice[0]!r}, so whose boxes are they? Renumber them", "duplicate")
    instances: dict[int | str, list[Instance]] = {id_: [] for id_ in images}
    for annotation in content.annotations:
        if annotation.image_id not in images:
            notes.add(
                "annotations of images that are not listed, left out",
                f"{path.name}: annotation {annotation.id} of image {annotation.image_id}",
            )
            continue
        if annotation.category_id not in names:
            known = ", ".join(f"{id_} {name}" for id_, name in list(names.items())[:5])
            raise DataError(
                f"{path}: annotation {annotation.id} is of category {annotation.category_id}, which is not listed ({known} …); add it to categories",
                "unknown class",
            )
        instances[annotation.image_id].append(_instance(annotation, names[annotation.category_id], path, notes))
    near = _picture_folder(path, root)
    side = _side(path)
    pictures = []
    for image in content.images:
        name = image.file_name or PurePosixPath(image.coco_url or "").name
        if not name:
            raise DataError(f"{path}: image {image.id} has neither a file_name nor a coco_url", "index")
        found = finder.find(name, near)
        said = (round(image.width), round(image.height)) if image.width and image.height else None
        pictures.append(
            Picture(
                name=found or name,
                image=ImageFile(finder.path(found) if found else root / near / name),
                size=said,
                group=image.group,
                side=side,
                instances=instances[image.id],
                exhaustive=_exhaustive(image, names, instances[image.id]),
                where=path.name,
            )
        )
    return pictures


def _category_names(path: Path, content: _File) -> dict[int, str]:
    names: dict[int, str] = {}
    for category in content.categories:
        if names.setdefault(category.id, category.name) != category.name:
            raise DataError(
                f"{path}: the categories '{names[category.id]}' and '{category.name}' have one id, {category.id}; which is meant? Renumber them",
                "duplicate",
            )
    return {id_: sys.intern(name) for id_, name in names.items()}


def _instance(annotation: _Annotation, label: str, path: Path, notes: Notes) -> Instance:
    box = None
    if annotation.bbox:
        if len(annotation.bbox) != 4:
            raise DataError(
                f"{path}: annotation {annotation.id}: bbox has {len(annotation.bbox)} numbers, expected x, y, width, height", "box"
            )
        x, y, width, height = annotation.bbox
        box = (x, y, x + width, y + height)
    raw = bytes(annotation.segmentation)
    shape = CocoJson(raw) if len(raw) > 4 else None  # "null", "[]", "{}", "[[]]" hold nothing
    if len(bytes(annotation.keypoints)) > 4:
        notes.add("keypoints, which are not read", f"{path.name}: annotation {annotation.id}")
    return Instance(label, box, shape, bool(annotation.iscrowd), track=annotation.track_id)


def _exhaustive(image: _Image, names: dict[int, str], instances: list[Instance]) -> list[str] | None:
    """LVIS labels a few classes in each image: those with boxes, unless it says that there are more, and those that it says are absent."""
    if image.neg_category_ids is None and image.not_exhaustive_category_ids is None:
        return None
    more = {names[id_] for id_ in image.not_exhaustive_category_ids or () if id_ in names}
    absent = {names[id_] for id_ in image.neg_category_ids or () if id_ in names}
    return sorted(({instance.label for instance in instances} | absent) - more)


def _picture_folder(path: Path, root: Path) -> str:
    """Where the pictures of a file are likeliest: beside it, or in the folder that its name ends with (val2017)."""
    last = path.stem.rpartition("_")[2]
    for folder in (root / last, root / "images" / last, path.parent):
        if folder.is_dir() and folder.is_relative_to(root) and folder.name != "annotations":
            return "" if folder == root else folder.relative_to(root).as_posix()
    return ""


def _side(path: Path) -> str | None:
    words = [path.parent.name, *re.split(r"[_.\-]", path.stem)]
    return next((_SIDES[word] for text in words if (word := re.sub(r"\d+$", "", text.lower())) in _SIDES), None)

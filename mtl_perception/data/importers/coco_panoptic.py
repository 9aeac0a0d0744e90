# SPDX-License-Identifier: Apache-2.0
"""COCO's panoptic segmentation: a PNG for each picture whose colours are segments, and a JSON that says what each is."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile, read_index_image
from mtl_perception.data.importers.json_file import read_json, start_of
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options
from mtl_perception.data.importers.shapes import PixelsOf


class Settings(Options):
    """``annotations``: the JSON file; ``masks``: folder of its PNGs; ``images``: folder of the pictures."""

    annotations: Path | None = None
    masks: Path | None = None
    images: Path | None = None


class _Image(msgspec.Struct):
    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None


class _Segment(msgspec.Struct):
    id: int
    category_id: int
    iscrowd: int | bool = 0


class _Annotation(msgspec.Struct):
    image_id: int | str
    file_name: str
    segments_info: list[_Segment]


class _Category(msgspec.Struct):
    id: int
    name: str
    isthing: int = 1


class _File(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


@dataclass(frozen=True, slots=True)
class PanopticMap:
    """A PNG of segments as a label map. ``ids``: segment → id here."""

    path: Path
    ids: tuple[tuple[int, int], ...]

    def read(self) -> np.ndarray:
        pixels = read_index_image(self.path)
        if pixels.ndim != 3:
            raise DataError(
                f"{self.path} holds no colours, expected a PNG whose red + 256 green + 65536 blue is a segment's id", "file type"
            )
        segments = pixels.astype(np.int32) @ np.array([1, 256, 65536], np.int32)
        found, inverse = np.unique(segments, return_inverse=True)
        table = dict(self.ids)
        unknown = [int(value) for value in found if value and int(value) not in table]
        if unknown:
            raise DataError(f"{self.path} holds segment {unknown[0]}, which segments_info does not list", "unknown class")
        return np.array([table.get(int(value), -1) for value in found], np.int32)[inverse].reshape(segments.shape)


def looks_like(source: Path) -> str:
    files = _files(source)
    return f"{files[0].name} has segments_info" if files else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data set at ``source``: the JSON file, or a folder with it, its PNGs and the pictures.

    Raises:
        DataError: there is none, or it is broken.
    """
    root = source if source.is_dir() else source.parent
    if source.is_file() and root.name == "annotations":
        root = root.parent
    if settings.annotations is not None:
        path = next((path for path in (root / settings.annotations, settings.annotations) if path.is_file()), None)
        if path is None:
            raise DataError(f"{settings.annotations} does not exist (setting annotations)", "missing")
        files = [path]
    else:
        files = _files(source)
    if not files:
        raise NotThisFormat(f"{source} holds no COCO panoptic annotations (a JSON file with segments_info)")
    notes, pictures = Notes(), []
    labels: dict[str, None] = {}
    things: dict[str, None] = {}
    contents = [(path, read_json(path, _File)) for path in files]
    for _, content in contents:
        labels.update(dict.fromkeys(category.name for category in content.categories))
        things.update(dict.fromkeys(category.name for category in content.categories if category.isthing))
    ids = {name: i for i, name in enumerate(labels)}
    for path, content in contents:
        masks_root = _masks_root(path, root, settings)
        finder = PictureFinder(
            root if settings.images is None else root / settings.images,
            skip=(masks_root.relative_to(root).as_posix(),) if masks_root.is_relative_to(root) and masks_root != root else (),
        )
        pictures += _pictures(path, content, finder, PictureFinder(masks_root), ids, notes)
    return Labelled(pictures, list(things), list(labels), notes=notes)


def _files(source: Path) -> list[Path]:
    paths = [source] if source.is_file() else sorted(path for pattern in ("*.json", "*/*.json") for path in source.glob(pattern))
    return [path for path in paths if path.suffix.lower() == ".json" and _is_panoptic(path)]


def _is_panoptic(path: Path) -> bool:
    if not start_of(path).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"segments_info"') >= 0


def _masks_root(path: Path, root: Path, settings: Settings) -> Path:
    if settings.masks is not None:
        return root / settings.masks
    for folder in (path.with_suffix(""), root / path.stem, root / "annotations" / path.stem):
        if folder.is_dir():
            return folder
    raise DataError(f"{path} has no folder of its name with the PNGs; give it (--set masks=FOLDER)", "missing")


def _pictures(path: Path, content: _File, finder: PictureFinder, masks: PictureFinder, ids: dict[str, int], notes: Notes) -> list[Picture]:
    categories = {category.id: category for category in content.categories}
    images = {image.id: image for image in content.images}
    pictures = []
    for annotation in content.annotations:
        image = images.get(annotation.image_id)
        if image is None:
            notes.add("annotations of images that are not listed, left out", f"{path.name}: {annotation.file_name}")
            continue
        unknown = next((segment for segment in annotation.segments_info if segment.category_id not in categories), None)
        if unknown is not None:
            raise DataError(
                f"{path}: segment {unknown.id} of {annotation.file_name} is of category {unknown.category_id}, which is not listed",
                "unknown class",
            )
        mask = masks.find(annotation.file_name) or annotation.file_name
        mask_path = masks.path(mask)
        things = [
            Instance(categories[segment.category_id].name, None, PixelsOf(mask_path, (segment.id,), in_rgb=True), bool(segment.iscrowd))
            for segment in annotation.segments_info
            if categories[segment.category_id].isthing
        ]
        found = finder.find(image.file_name)
        pictures.append(
            Picture(
                name=found or image.file_name,
                image=ImageFile(finder.path(found or image.file_name)),
                size=(image.width, image.height) if image.width and image.height else None,
                instances=things,
                semantic=PanopticMap(mask_path, tuple((s.id, ids[categories[s.category_id].name]) for s in annotation.segments_info)),
                where=path.name,
            )
        )
    without = len(images) - len({annotation.image_id for annotation in content.annotations})
    notes.add("images without panoptic annotations, left out", path.name, without)
    return pictures

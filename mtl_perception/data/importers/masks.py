# SPDX-License-Identifier: Apache-2.0
"""Folders of pictures and of masks with the same names, and a file that says which id or colour is which class."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.label_colors import LabelImage, read_label_colors
from mtl_perception.data.importers.labelled import Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options

_PALETTES = (
    "palette.yaml",
    "palette.yml",
    "palette.json",
    "palette.txt",
    "labelmap.txt",
    "label_colors.txt",
    "class_dict.csv",
    "classes.txt",
)
_MASK_FOLDERS = ("masks", "labels", "annotations", "gt", "SegmentationClass", "semantic")
_PICTURE_FOLDERS = ("images", "imgs", "img", "JPEGImages", "rgb")
_ENDINGS = ("", "_mask", "_L", "_label", "_gt", "_labelIds", ".mask")


class Settings(Options):
    """``palette``: the file of class names with ids or colours; ``images``, ``masks``: folders; ``unlabelled`` is not needed: a
    picture without a mask is left out and listed."""

    palette: Path | None = None
    images: Path | None = None
    masks: Path | None = None


def looks_like(source: Path) -> str:
    if not source.is_dir() or _existing(source, None, _PALETTES) is None:
        return ""
    masks = _existing(source, None, _MASK_FOLDERS)
    return f"it has {masks.name}/ and a palette file" if masks is not None and masks.is_dir() else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data set in the folder ``source``.

    Raises:
        DataError: a folder or the palette file is missing, or the file can't be understood.
    """
    masks_root = _existing(source, settings.masks, _MASK_FOLDERS)
    if masks_root is None or not source.is_dir():
        raise NotThisFormat(f"{source} has no folder of masks ({', '.join(_MASK_FOLDERS)}, or setting masks=FOLDER)")
    images_root = _existing(source, settings.images, _PICTURE_FOLDERS)
    palette = _existing(source, settings.palette, _PALETTES)
    if images_root is None:
        raise DataError(f"{source} has no folder of pictures ({', '.join(_PICTURE_FOLDERS)}); give it (--set images=FOLDER)", "missing")
    if palette is None:
        raise DataError(
            f"{source} has no file that says which id or colour is which class ({', '.join(_PALETTES)}); give one (--set palette=FILE), "
            "for example YAML: 'floor: [128, 64, 128]' or 'floor: 0' on each line",
            "missing",
        )
    colors, notes = read_label_colors(palette), Notes()
    images, masks = PictureFinder(images_root), PictureFinder(masks_root)
    pictures, used = [], set()
    for found in images.all():
        mask = _mask_of(found, masks)
        if mask is None:
            notes.add("pictures without a mask, left out", found)
            continue
        used.add(mask)
        pictures.append(
            Picture(
                name=found, image=ImageFile(images.path(found)), semantic=LabelImage(masks.path(mask), colors), where=masks.path(mask).name
            )
        )
    for mask in sorted(set(masks.all()) - used):
        notes.add("masks without a picture, left out", mask)
    if not pictures:
        raise DataError(f"no picture in {images_root} has a mask of its name in {masks_root}", "missing")
    return Labelled(pictures, segmentation_labels=colors.labels, notes=notes)


def _existing(source: Path, said: Path | None, usual: tuple[str, ...]) -> Path | None:
    if said is not None:
        found = next((path for path in (source / said, said) if path.exists()), None)
        if found is None:
            raise DataError(f"{said} does not exist, neither here nor in {source}", "missing")
        return found
    return next((source / name for name in usual if (source / name).exists()), None)


def _mask_of(picture: str, masks: PictureFinder) -> str | None:
    path = PurePosixPath(picture)
    for ending in _ENDINGS:
        found = masks.find_stem(str(path.with_name(path.stem + ending)))
        if found is not None:
            return found
    return None

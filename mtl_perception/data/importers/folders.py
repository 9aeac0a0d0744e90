# SPDX-License-Identifier: Apache-2.0
"""Pictures sorted into folders, one a class, as torchvision's ImageFolder reads them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.labelled import Labelled, Picture
from mtl_perception.data.importers.registry import NotThisFormat
from mtl_perception.data.importers.registry import Options as Settings

__all__ = ["Settings", "looks_like", "read"]

_SIDES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def looks_like(source: Path) -> str:
    classes = sorted({name for name, _ in _classes(source)}) if source.is_dir() else []
    return f"its pictures lie in folders: {', '.join(classes[:3])}" if len(classes) > 1 else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The pictures in ``source``/CLASS/ or ``source``/SIDE/CLASS/.

    Raises:
        DataError: there are none.
    """
    finder, found = PictureFinder(source), _classes(source)
    if not found:
        raise NotThisFormat(f"{source} has no folders of pictures, one a class")
    pictures = [
        Picture(name=path, image=ImageFile(finder.path(path)), side=_SIDES.get(PurePosixPath(path).parts[0].lower()), classes=[name])
        for name, path in found
    ]
    return Labelled(pictures, classification_labels=sorted({name for name, _ in found}))


def _classes(source: Path) -> list[tuple[str, str]]:
    """Returns (class, picture) of every picture."""
    found = []
    for path in PictureFinder(source).all():
        folders = PurePosixPath(path).parts[:-1]
        if folders and folders[0].lower() in _SIDES:
            folders = folders[1:]
        if folders:
            found.append((folders[0], path))
    return found

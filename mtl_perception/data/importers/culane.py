# SPDX-License-Identifier: Apache-2.0
"""CULane's lanes: beside each picture a text file with the points of a lane on each line."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.labelled import Labelled, Notes, Picture
from mtl_perception.data.importers.lane_lines import LaneDrawing, Stroke
from mtl_perception.data.importers.registry import NotThisFormat, Options

_ENDING = ".lines.txt"


class Settings(Options):
    """``line_width``: pixels of a lane's line in a picture of 1000 pixels."""

    line_width: float = 12


def looks_like(source: Path) -> str:
    found = next(source.rglob(f"*{_ENDING}"), None) if source.is_dir() else None
    return f"it has {found.name}" if found is not None else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The folder ``source``; each folder of pictures is a drive.

    Raises:
        DataError: there are no labels, or a line can't be understood.
    """
    finder, notes, pictures = PictureFinder(source), Notes(), []
    for found in finder.all():
        image = ImageFile(finder.path(found))
        labels = image.path.with_suffix(_ENDING)
        if not labels.is_file():
            notes.add("pictures without a .lines.txt, left out", found)
            continue
        strokes = tuple(_strokes(labels))
        notes.add("lanes that were told apart: all are of one mask", labels.name, int(len(strokes) > 1))
        group = str(PurePosixPath(found).parent)
        pictures.append(
            Picture(name=found, image=image, group=group, lanes=LaneDrawing(image, strokes, settings.line_width), where=labels.name)
        )
    if not pictures:
        raise NotThisFormat(f"{source} holds no picture with a file of lanes beside it (NAME{_ENDING})")
    return Labelled(pictures, lanes_labels=["lane"], notes=notes)


def _strokes(path: Path) -> list[Stroke]:
    strokes = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            values = [float(word) for word in line.split()]
        except ValueError:
            values = [0.0]
        if len(values) % 2:
            raise DataError(f"{path}, line {number} is '{line[:60]}', expected pairs of x and y", "label file")
        if len(values) > 2:
            strokes.append(Stroke(0, list(zip(values[0::2], values[1::2], strict=True))))
    return strokes

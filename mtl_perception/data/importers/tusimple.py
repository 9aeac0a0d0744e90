# SPDX-License-Identifier: Apache-2.0
"""TuSimple's lanes: a JSON a line, with the column of each lane at common rows."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import msgspec

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import posix_name
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.json_file import parse_json, start_of
from mtl_perception.data.importers.labelled import Labelled, Notes, Picture
from mtl_perception.data.importers.lane_lines import LaneDrawing, Stroke
from mtl_perception.data.importers.registry import NotThisFormat, Options


class Settings(Options):
    """``line_width``: pixels of a lane's line in a picture of 1000 pixels."""

    line_width: float = 12


class _Line(msgspec.Struct):
    lanes: list[list[float]]
    h_samples: list[float]
    raw_file: str


def looks_like(source: Path) -> str:
    files = _files(source)
    return f"{files[0].name} has lines with h_samples" if files else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The folder ``source`` with label_data_*.json and clips/, or one of the files.

    Raises:
        DataError: there is none, or a line can't be understood.
    """
    files, notes = _files(source), Notes()
    if not files:
        raise NotThisFormat(f"{source} holds no TuSimple labels (JSON lines with lanes, h_samples and raw_file)")
    root = source if source.is_dir() else source.parent
    pictures: dict[str, Picture] = {}
    for path in files:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            content = parse_json(line, _Line, where)
            if any(len(lane) != len(content.h_samples) for lane in content.lanes):
                raise DataError(f"{where}: a lane has not as many columns as there are h_samples ({len(content.h_samples)})", "label file")
            name = posix_name(content.raw_file)
            image = ImageFile(root / name)
            lanes = [[(x, y) for x, y in zip(lane, content.h_samples, strict=True) if x >= 0] for lane in content.lanes]
            strokes = tuple(Stroke(0, points) for points in lanes if len(points) > 1)
            notes.add("lanes that were told apart: all are of one mask", where, int(len(strokes) > 1))
            group = "/".join(PurePosixPath(name).parts[:2])
            pictures[name] = Picture(
                name=name, image=image, group=group, lanes=LaneDrawing(image, strokes, settings.line_width), where=where
            )
    return Labelled(list(pictures.values()), lanes_labels=["lane"], notes=notes)


def _files(source: Path) -> list[Path]:
    paths = [source] if source.is_file() else sorted(source.glob("*.json"))
    return [path for path in paths if b'"h_samples"' in (head := start_of(path)) and b'"raw_file"' in head]

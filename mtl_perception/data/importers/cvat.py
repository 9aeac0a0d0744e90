# SPDX-License-Identifier: Apache-2.0
"""CVAT's XML, "for images" and "for video"."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.json_file import start_of
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat
from mtl_perception.data.importers.registry import Options as Settings
from mtl_perception.data.importers.shapes import PatchRuns, Polygons, ellipse, turned
from mtl_perception.data.importers.xml_file import number

__all__ = ["Settings", "looks_like", "read"]

_SHAPES = {"box", "polygon", "mask", "ellipse", "polyline", "points", "cuboid", "skeleton"}
_FRAME_NUMBER = re.compile(r"(\d+)$")


def looks_like(source: Path) -> str:
    files = _files(source)
    return f"{files[0].name} has <annotations>" if files else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data set at ``source``: the XML file, or a folder with it and the pictures.

    Raises:
        DataError: there is none, or it is broken.
    """
    files = _files(source)
    if not files:
        raise NotThisFormat(f"{source} holds no CVAT annotations (an XML file with <annotations>)")
    root = source if source.is_dir() else source.parent
    reader = _Reader(PictureFinder(root))
    for path in files:
        reader.read(path)
    return Labelled(reader.pictures, list(reader.labels), classification_labels=list(reader.tags), notes=reader.notes)


def _files(source: Path) -> list[Path]:
    paths = [source] if source.is_file() else sorted(source.rglob("*.xml"))
    return [path for path in paths if path.suffix.lower() == ".xml" and b"<annotations" in start_of(path, 4096)]


class _Reader:
    def __init__(self, finder: PictureFinder) -> None:
        self._finder = finder
        self.notes = Notes()
        self.pictures: list[Picture] = []
        self.labels: dict[str, None] = {}
        self.tags: dict[str, None] = {}
        self._names: set[str] = set()

    def read(self, path: Path) -> None:
        """Element by element, for the file may be large."""
        tracks: dict[int, list[Instance]] = defaultdict(list)
        declared: dict[str, None] = {}
        size: tuple[int, int] | None = None
        is_video, length = False, 0
        try:
            for _, element in ElementTree.iterparse(path):
                if element.tag == "meta":
                    declared = {text: None for label in element.iter("label") if (text := (label.findtext("name") or "").strip())}
                    found = element.find(".//original_size")
                    if found is not None:
                        size = tuple(int(number(found.findtext(side), str(path), side)) for side in ("width", "height"))  # pyright: ignore[reportAssignmentType]
                    length = int(element.findtext(".//size") or 0)
                elif element.tag == "image":
                    self._add_image(path, element)
                    element.clear()
                elif element.tag == "track":
                    is_video = True
                    self._add_track(path, element, tracks)
                    element.clear()
        except ElementTree.ParseError as error:
            raise DataError(f"{path} is not valid XML: {error}; export it from CVAT again", "unreadable") from error
        if is_video:
            self._add_frames(path, tracks, size, length)
        used = {name: None for name in declared if name not in self.tags or name in self.labels}
        self.labels = {**self.labels, **used}

    def _add_image(self, path: Path, element: ElementTree.Element) -> None:
        name = element.get("name", "")
        where = f"{path.name}: image {element.get('id')}"
        if not name:
            raise DataError(f"{where} has no name", "index")
        width, height = number(element.get("width"), where, "width"), number(element.get("height"), where, "height")
        instances, tags = [], None
        for child in element:
            if child.tag == "tag":
                label = sys.intern(child.get("label", ""))
                self.tags.setdefault(label)
                tags = [*(tags or ()), label]
            elif child.tag in _SHAPES:
                instance = self._instance(child, child.get("label", ""), where)
                if instance is not None:
                    instances.append(instance)
            else:
                self.notes.add(f"<{child.tag}> elements, which are not read", where)
        found = self._finder.find(name)
        self._add(
            Picture(
                name=found or name,
                image=ImageFile(self._finder.path(found or name)),
                size=(int(width), int(height)),
                side=_side(element.get("subset")),
                instances=instances,
                classes=tags,
                where=path.name,
            )
        )

    def _add(self, picture: Picture) -> None:
        if picture.name in self._names:
            raise DataError(f"{picture.where}: {picture.name} is listed twice; remove one", "duplicate")
        self._names.add(picture.name)
        self.pictures.append(picture)

    def _add_track(self, path: Path, element: ElementTree.Element, frames: dict[int, list[Instance]]) -> None:
        label, id_ = element.get("label", ""), element.get("id", "")
        for child in element:
            if child.tag in _SHAPES and child.get("outside") != "1":
                where = f"{path.name}: track {id_}"
                instance = self._instance(child, label, where, track=int(id_) if id_.isdigit() else id_)
                if instance is not None:
                    frames[int(number(child.get("frame"), where, "frame"))].append(instance)

    def _add_frames(self, path: Path, tracks: dict[int, list[Instance]], size: tuple[int, int] | None, length: int) -> None:
        """The pictures of a video are those whose names end with the frame's number."""
        found: dict[int, str] = {}
        for name in self._finder.all():
            match = _FRAME_NUMBER.search(name.rpartition(".")[0])
            if match:
                found.setdefault(int(match[1]), name)
        if not found:
            raise DataError(
                f"{path} is of a video, and there are no pictures beside it; export it from CVAT with images, or with ffmpeg -i VIDEO "
                "-start_number 0 images/frame_%06d.png",
                "missing",
            )
        for frame in range(max(length, max(tracks, default=-1) + 1)):
            instances = tracks.get(frame, [])
            if frame not in found and not instances:
                continue
            name = found.get(frame, f"frame_{frame:06d}.png")
            group = path.parent.name if path.stem == "annotations" else path.stem
            self._add(
                Picture(name=name, image=ImageFile(self._finder.path(name)), size=size, group=group, instances=instances, where=path.name)
            )

    def _instance(self, element: ElementTree.Element, label: str, where: str, track: int | str | None = None) -> Instance | None:
        label = sys.intern(label)
        self.labels.setdefault(label)
        where = f"{where}: {element.tag} {label}"
        if element.find("attribute") is not None:
            self.notes.add("attributes of shapes, which are not read", where)

        def value(name: str) -> float:
            return number(element.get(name), where, name)

        if element.tag == "box":
            box = (value("xtl"), value("ytl"), value("xbr"), value("ybr"))
            rotation = float(element.get("rotation") or 0)
            if rotation % 360 == 0:
                return Instance(label, box, track=track)
            return Instance(label, None, Polygons([_rotated(box, rotation)]), track=track)
        if element.tag == "polygon":
            return Instance(label, None, Polygons([_points(element.get("points", ""), where)]), track=track)
        if element.tag == "ellipse":
            outline = _ellipse(value("cx"), value("cy"), value("rx"), value("ry"), float(element.get("rotation") or 0))
            return Instance(label, None, Polygons([outline]), track=track)
        if element.tag == "mask":
            try:
                counts = tuple(int(word) for word in element.get("rle", "").split(","))
            except ValueError:
                raise DataError(f"{where}: rle is '{element.get('rle', '')[:40]}', expected numbers with commas", "label file") from None
            left, top, width, height = (int(value(name)) for name in ("left", "top", "width", "height"))
            return Instance(label, None, PatchRuns(counts, left, top, width, height), track=track)
        self.notes.add(f"{element.tag} shapes, which have no area here and are left out", where)
        return None


def _points(text: str, where: str) -> list[float]:
    try:
        values = [float(word) for pair in text.split(";") for word in pair.split(",")]
    except ValueError:
        raise DataError(f"{where}: points are '{text[:60]}', expected x,y;x,y;…", "label file") from None
    return values


def _rotated(box: tuple[float, float, float, float], degrees: float) -> list[float]:
    """Corners of a box that is turned clockwise about its middle."""
    x1, y1, x2, y2 = box
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    half_x, half_y = (x2 - x1) / 2, (y2 - y1) / 2
    corners = ((-half_x, -half_y), (half_x, -half_y), (half_x, half_y), (-half_x, half_y))
    return [value for dx, dy in turned(corners, degrees) for value in (x + dx, y + dy)]


def _ellipse(x: float, y: float, rx: float, ry: float, degrees: float) -> list[float]:
    return [value for dx, dy in turned(ellipse(rx, ry), degrees) for value in (x + dx, y + dy)]


def _side(subset: str | None) -> str | None:
    return {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}.get((subset or "").lower())

# SPDX-License-Identifier: Apache-2.0
"""SUN RGB-D: a folder for each frame, with picture, depth, intrinsics, outlines of objects, and the kind of room."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import msgspec

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.depth_files import DepthPng
from mtl_perception.data.importers.image_file import ImageFile, has_picture_suffix, read_header
from mtl_perception.data.importers.json_file import read_json
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options
from mtl_perception.data.importers.shapes import Polygons


class Settings(Options):
    """``depth``: "measured" (depth/) or "filled" (depth_bfx/, in which holes are guessed)."""

    depth: Literal["measured", "filled"] = "measured"


class _Polygon(msgspec.Struct):
    object: int
    x: list[float] | float
    y: list[float] | float


class _Frame(msgspec.Struct):
    polygon: list[_Polygon] | None = None


class _Object(msgspec.Struct):
    name: str = ""


class _Index(msgspec.Struct):
    frames: list[_Frame]
    objects: list[_Object | None] | None = None


def looks_like(source: Path) -> str:
    found = _frames(source)
    return f"{found[0].name}/ has image/, depth/ and intrinsics.txt" if found else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The folder ``source`` (SUNRGBD/), however deep the frames lie.

    Raises:
        DataError: there are none, or a file can't be understood.
    """
    frames, notes = _frames(source), Notes()
    if not frames:
        raise NotThisFormat(f"{source} holds no frames of SUN RGB-D (folders with image/, depth/ and intrinsics.txt)")
    labels: dict[str, None] = {}
    rooms: dict[str, None] = {}
    pictures = []
    for root in frames:
        path = next((p for p in sorted((root / "image").iterdir()) if has_picture_suffix(p.name)), None)
        folder = root / ("depth" if settings.depth == "measured" else "depth_bfx")
        depth = next(iter(sorted(folder.glob("*.png"))), None)
        if path is None or depth is None:
            notes.add("frames without a picture or a depth image, left out", root.name)
            continue
        instances = _instances(root, notes)
        labels.update(dict.fromkeys(instance.label for instance in instances or ()))
        room = (root / "scene.txt").read_text().strip() if (root / "scene.txt").is_file() else None
        rooms.update({room: None} if room else {})
        image = ImageFile(path)
        relative = root.relative_to(source) if root != source else Path(root.name)
        pictures.append(
            Picture(
                name=relative.with_name(f"{relative.name}{path.suffix}").as_posix(),
                image=image,
                # Frames of one room stand in one folder of the recording.
                group=relative.parent.as_posix() if len(relative.parts) > 1 else None,
                instances=instances,
                depth=DepthPng(depth, 1e-3, is_rotated=True),
                camera=_camera(root / "intrinsics.txt", image),
                classes=[room] if room else None,
                where=root.name,
            )
        )
    return Labelled(pictures, sorted(labels), classification_labels=sorted(rooms), notes=notes)


def _frames(source: Path) -> list[Path]:
    if not source.is_dir():
        return []
    return sorted(
        path.parent for path in source.rglob("intrinsics.txt") if (path.parent / "image").is_dir() and (path.parent / "depth").is_dir()
    )


def _camera(path: Path, image: ImageFile) -> Intrinsics:
    values = [float(word) for word in path.read_text().split()]
    if len(values) != 9:
        raise DataError(f"{path} has {len(values)} numbers, expected 9", "camera")
    width, height = read_header(image.read()).upright_size
    return Intrinsics(width, height, values[0], values[4], values[2], values[5])


def _instances(root: Path, notes: Notes) -> list[Instance] | None:
    path = next(
        (root / name / "index.json" for name in ("annotation2Dfinal", "annotation") if (root / name / "index.json").is_file()), None
    )
    if path is None:
        notes.add("frames without outlines of objects: not labelled for boxes", root.name)
        return None
    content = read_json(path, _Index)
    if (root / "annotation3Dfinal").is_dir():
        notes.add("boxes in space (annotation3Dfinal), which are not read: they stand in another frame", root.name)
    instances = []
    for polygon in content.frames[0].polygon or () if content.frames else ():
        known = content.objects or []
        instance = known[polygon.object] if 0 <= polygon.object < len(known) else None
        if instance is None or not instance.name.strip() or not isinstance(polygon.x, list) or len(polygon.x) < 3:
            notes.add("outlines without a name or with fewer than 3 points, left out", path.parent.parent.name)
            continue
        # People wrote "chair:truncated" and "chair:occluded".
        label = sys.intern(instance.name.strip().lower().split(":")[0])
        instances.append(Instance(label, None, Polygons([[v for point in zip(polygon.x, polygon.y, strict=True) for v in point]])))
    return instances

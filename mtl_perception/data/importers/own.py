# SPDX-License-Identifier: Apache-2.0
"""This project's own data folders: to rename classes, split, merge, and to export."""

from __future__ import annotations

import mmap
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import UNLABELLED
from mtl_perception.data.format import DataError, parse_description
from mtl_perception.data.importers.box_masks import Box, BoxMasks
from mtl_perception.data.importers.image_file import ImageFile, read_index_image
from mtl_perception.data.importers.json_file import read_json
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options
from mtl_perception.data.importers.shapes import CocoJson
from mtl_perception.data.index import find_problems, read_index
from mtl_perception.data.label_lists import united


class Settings(Options):
    """``masks``: classes with commas between them, whose boxes get a mask where the picture has none; see ``box_masks``."""

    masks: str = ""


@dataclass(frozen=True, slots=True)
class SemanticFile:
    """A file of semantic/."""

    path: Path

    def read(self) -> np.ndarray:
        ids = read_index_image(self.path).astype(np.int32)
        ids[ids == UNLABELLED] = -1
        return ids


@dataclass(frozen=True, slots=True)
class LanesFile:
    """A file of lanes/."""

    path: Path

    def read(self) -> np.ndarray:
        return read_index_image(self.path).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class DepthFile:
    """A file of depth/."""

    path: Path

    def read(self) -> np.ndarray:
        return read_index_image(self.path).astype(np.float32) / 1000


class _Annotation(msgspec.Struct, gc=False):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int | bool = 0
    segmentation: msgspec.Raw = msgspec.Raw()
    box_3d: dict[str, list[float]] | None = None
    track: int | str | None = None
    score: float | None = None


class _File(msgspec.Struct):
    annotations: list[_Annotation]
    images: list[dict[str, Any]]


_KNOWN = {"id", "file_name", "width", "height", "group", "tasks", "camera", "detection_labels", "classes"}


def looks_like(source: Path) -> str:
    if not (source / "dataset.json").is_file() or not (source / "annotations.json").is_file():
        return ""
    with (source / "annotations.json").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return "it has dataset.json, and annotations.json with tasks" if content.find(b'"tasks"') >= 0 else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data folder ``source``.

    Raises:
        DataError: it is none, or its index contradicts itself.
        ValueError: a class that is to have masks has no boxes.
    """
    if not (source / "dataset.json").is_file():
        raise NotThisFormat(f"{source} is no data folder of this project: it has no dataset.json")
    index = read_index(source)
    problem = next((problem for problem in find_problems(index) if problem.is_error), None)
    if problem is not None:
        raise DataError(f"{problem.text} ('mtl-perception check {source}' lists all)", problem.kind)
    content = read_json(index.annotations_file, _File)
    instances: dict[int, list[Instance]] = defaultdict(list)
    for annotation in content.annotations:
        x, y, width, height = annotation.bbox
        raw = bytes(annotation.segmentation)
        instances[annotation.image_id].append(
            Instance(
                index.categories[annotation.category_id],
                (x, y, x + width, y + height),
                CocoJson(raw) if len(raw) > 4 else None,
                bool(annotation.iscrowd),
                annotation.box_3d,
                annotation.track,
                annotation.score,
            )
        )
    del content.annotations
    described = parse_description(source / "dataset.json")
    detection, segmentation = described.labels("detection"), described.labels("segmentation")
    masked = _masked(settings.masks, detection)
    segmentation = united([segmentation, masked])
    ids = {label: segmentation.index(label) for label in masked}
    pictures = []
    for image in content.images:
        tasks, file_name = image["tasks"], image["file_name"]
        label = Path(file_name).with_suffix(".png")
        camera = index.cameras.get(image.get("camera"))
        of_image = instances.get(image["id"], []) if "detection" in tasks else None
        semantic = SemanticFile(source / "semantic" / label) if "segmentation" in tasks else None
        if of_image and any(one.label in ids and not one.is_crowd for one in of_image):
            boxes = [Box(one.label, one.box_xyxy, None if one.is_crowd else ids.get(one.label)) for one in of_image if one.box_xyxy]
            semantic = BoxMasks(source / "images" / file_name, (image["width"], image["height"]), semantic, boxes)
        pictures.append(
            Picture(
                name=file_name,
                image=ImageFile(source / "images" / file_name),
                size=(image["width"], image["height"]),
                group=image["group"],
                instances=of_image,
                exhaustive=image.get("detection_labels"),
                semantic=semantic,
                depth=DepthFile(source / "depth" / label) if "depth" in tasks else None,
                camera=None if camera is None else Intrinsics(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy),
                depth_is_nominal=camera is not None and camera.depth_scale == "nominal",
                classes=image.get("classes", []) if "classification" in tasks else None,
                lanes=LanesFile(source / "lanes" / label) if "lanes" in tasks else None,
                extra={key: value for key, value in image.items() if key not in _KNOWN},
                labels_are_upright=False,
                where="annotations.json",
            )
        )
    return Labelled(
        pictures,
        detection,
        segmentation,
        described.labels("classification"),
        described.labels("lanes"),
        notes=Notes(),
        source=described.source,
        license=described.license,
    )


def _masked(classes: str, known: list[str]) -> list[str]:
    """The names in ``classes``, which have commas between them."""
    names = [name.strip() for name in classes.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"masks: '{unknown[0]}' is no class that has boxes here; expected some of: {', '.join(known)}")
    return names

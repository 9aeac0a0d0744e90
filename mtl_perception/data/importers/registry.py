# SPDX-License-Identifier: Apache-2.0
"""The formats that can be imported, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mtl_perception.core.validation_text import problems
from mtl_perception.data.by_name import find_by_name
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.labelled import Labelled


class Options(BaseModel):
    """Settings of one format, given as ``--set NAME=VALUE``."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Format:
    """A format that can be read.

    Its module has ``read(source, options) -> Labelled``; ``looks_like(source) -> str``, which says by what a folder or file
    can be told to be of this format and is empty if it can't; and, where there is something to set, a class ``Settings``.

    Attributes:
        name: as on the command line.
        title: one line for people.
        module: below ``importers/``.
        preset: settings of a module that reads several formats.
    """

    name: str
    title: str
    module: str
    preset: tuple[tuple[str, Any], ...] = ()

    def _loaded(self) -> ModuleType:
        """Raises ImportError: a library that it needs is not installed."""
        try:
            return importlib.import_module(f"mtl_perception.data.importers.{self.module}")
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("mtl_perception"):
                raise
            raise ImportError(f"importing {self.name} needs {error.name}: pip install 'mtl-perception[import]'") from None

    def read(self, source: Path, settings: dict[str, str]) -> Labelled:
        """The data set at ``source``.

        Raises:
            DataError: it is not of this format, or broken.
            ValueError: a setting is unknown or wrong.
        """
        module = self._loaded()
        kind: type[Options] = getattr(module, "Settings", Options)
        try:
            options = kind.model_validate({**dict(self.preset), **settings})
        except ValidationError as error:
            known = [name for name in kind.model_fields if name not in dict(self.preset)]
            raise ValueError(
                f"settings of {self.name}: {problems(error, whole='settings')}; known are: {', '.join(known) or 'none'}"
            ) from None
        return module.read(source, options)

    def evidence(self, source: Path) -> str:
        """By what ``source`` looks like this format; empty if it does not."""
        look: Callable[[Path], str] = self._loaded().looks_like
        try:
            return look(source)
        except (OSError, ValueError):
            return ""


FORMATS = (
    Format("own", "this project's own data folders (docs/data.md)", "own"),
    Format("coco", "COCO detection and instance segmentation, also LVIS and Roboflow's", "coco"),
    Format("coco-panoptic", "COCO panoptic segmentation", "coco_panoptic"),
    Format("yolo", "YOLO text files: boxes and polygons, data.yaml", "yolo"),
    Format("voc", "Pascal VOC: XML boxes, SegmentationClass, SegmentationObject", "voc"),
    Format("labelme", "labelme: one JSON a picture", "labelme"),
    Format("cvat", "CVAT XML, for images and for video", "cvat"),
    Format("label-studio", "Label Studio: JSON and JSON-MIN", "label_studio"),
    Format("openimages", "Open Images: CSV files of boxes and of verified labels", "openimages"),
    Format("masks", "folders of pictures and of masks, and a palette file", "masks"),
    Format("cityscapes", "Cityscapes: label maps, instances, depth from disparity", "cityscapes"),
    Format("camvid", "CamVid: coloured label maps, or SegNet's", "camvid"),
    Format("bdd100k", "BDD100K: boxes, drivable areas, lanes", "bdd100k"),
    Format("tusimple", "TuSimple: lanes", "tusimple"),
    Format("culane", "CULane: lanes", "culane"),
    Format("kitti", "KITTI: boxes in the picture and in space; depth", "kitti"),
    Format("nyu", "NYU Depth v2: the labelled .mat, or .h5 files", "nyu"),
    Format("sunrgbd", "SUN RGB-D: outlines, depth, kinds of rooms", "sun_rgbd"),
    Format("tum", "TUM RGB-D: depth and poses", "tum_rgbd"),
    Format("7scenes", "7-Scenes: depth and poses", "seven_scenes"),
    Format("mot", "MOTChallenge: boxes and tracks", "mot"),
    Format("rosbag2", "recorded drives: pictures, registered depth, poses", "rosbag2"),
    Format("folders", "classification: a folder of pictures for each class", "folders"),
)


def recognised(source: Path) -> list[tuple[Format, str]]:
    """The formats that ``source`` looks like, the likeliest first, each with by what."""
    found = ((entry, entry.evidence(source)) for entry in FORMATS)
    return [(entry, evidence) for entry, evidence in found if evidence]


def read_source(name: str, source: Path, settings: dict[str, str]) -> tuple[Format, Labelled]:
    """The data set at ``source`` in the format ``name``, or with "auto" in the one that it looks like.

    Raises:
        DataError: it is not of this format; the message says which one it looks like.
        ValueError: the format or a setting is unknown.
    """
    if not source.exists():
        raise DataError(f"{source} does not exist", "missing")
    if name == "auto":
        found = recognised(source)
        if not found:
            names = ", ".join(entry.name for entry in FORMATS)
            raise DataError(f"{source} looks like none of the formats that are known ({names}); name the one that it is", "format")
        chosen = found[0][0]
    else:
        chosen = find_by_name(FORMATS, name, "format", "auto")
    try:
        return chosen, chosen.read(source, settings)
    except NotThisFormat as error:
        others = [(entry, why) for entry, why in recognised(source) if entry is not chosen]
        hint = "; ".join(f"it looks like {entry.name}: {why} (mtl-perception import {entry.name} {source})" for entry, why in others[:2])
        raise DataError(f"{error}; {hint or 'it looks like no other known format either'}", "format") from error


class NotThisFormat(DataError):
    """There is nothing of this format at the source; the message says what was looked for."""

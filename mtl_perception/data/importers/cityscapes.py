# SPDX-License-Identifier: Apache-2.0
"""Cityscapes: label maps, instances, cameras, and depth from its disparities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile, read_index_image
from mtl_perception.data.importers.json_file import read_json
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat
from mtl_perception.data.importers.registry import Options as Settings
from mtl_perception.data.importers.shapes import PixelsOf

__all__ = ["Settings", "looks_like", "read"]

_IDS = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light", 20: "traffic sign",
    21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train",
    32: "motorcycle", 33: "bicycle",
}  # fmt: skip
"""The 19 classes that are scored; the other ids are unlabelled."""
_INSTANCES = [_IDS[id_] for id_ in (24, 25, 26, 27, 28, 31, 32, 33)]


@dataclass(frozen=True, slots=True)
class CityMap:
    path: Path

    def read(self) -> np.ndarray:
        table = np.full(256, -1, np.int32)
        table[list(_IDS)] = range(len(_IDS))
        return table[read_index_image(self.path).astype(np.uint8)]


@dataclass(frozen=True, slots=True)
class CityInstances:
    """Values from 1000 on are class · 1000 + number; smaller ones of an object's class are groups."""

    path: Path

    def read(self) -> Sequence[Instance]:
        values = np.unique(read_index_image(self.path).astype(np.int32)).tolist()
        named = ((value, _IDS.get(value // 1000 if value >= 1000 else value)) for value in values)
        return [Instance(name, None, PixelsOf(self.path, (value,)), is_crowd=value < 1000) for value, name in named if name in _INSTANCES]


@dataclass(frozen=True, slots=True)
class CityDepth:
    """Depth is baseline · fx / disparity; a stored value p is a disparity of (p - 1) / 256, and 0 is unknown."""

    path: Path
    baseline_fx: float

    def read(self) -> np.ndarray:
        disparity = (read_index_image(self.path).astype(np.float32) - 1) / 256
        return np.where(disparity > 0, self.baseline_fx / np.maximum(disparity, 1e-6), 0).astype(np.float32)


class _Camera(msgspec.Struct):
    intrinsic: dict[str, float]
    extrinsic: dict[str, float]


def looks_like(source: Path) -> str:
    return "it has leftImg8bit/ and gtFine/" if (source / "leftImg8bit").is_dir() and _labels_root(source) is not None else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The folder that holds leftImg8bit/ and gtFine/ (or gtCoarse/), and perhaps camera/ and disparity/.

    Raises:
        DataError: it holds neither, or a file is broken.
    """
    labels = _labels_root(source)
    if labels is None or not (source / "leftImg8bit").is_dir():
        raise NotThisFormat(f"{source} has no leftImg8bit/ and gtFine/ as Cityscapes has")
    kind, finder, notes = labels.name, PictureFinder(source / "leftImg8bit"), Notes()
    pictures = []
    for found in finder.all():
        stem = found.rpartition("_leftImg8bit")[0]
        ids, instances = labels / f"{stem}_{kind}_labelIds.png", labels / f"{stem}_{kind}_instanceIds.png"
        if not ids.is_file():
            notes.add("pictures without a label map, left out", found)
            continue
        camera_file, disparity = source / "camera" / f"{stem}_camera.json", source / "disparity" / f"{stem}_disparity.png"
        camera = read_json(camera_file, _Camera) if camera_file.is_file() else None
        parts = PurePosixPath(stem).parts
        pictures.append(
            Picture(
                name=found,
                image=ImageFile(finder.path(found)),
                group=parts[-1].rpartition("_")[0],
                side=parts[0] if parts[0] in ("train", "val", "test") else None,
                instances=CityInstances(instances) if instances.is_file() and kind == "gtFine" else None,
                semantic=CityMap(ids),
                depth=None
                if camera is None or not disparity.is_file()
                else CityDepth(disparity, camera.extrinsic["baseline"] * camera.intrinsic["fx"]),
                camera=None if camera is None else _intrinsics(camera.intrinsic),
                where=ids.name,
            )
        )
    return Labelled(pictures, _INSTANCES, list(_IDS.values()), notes=notes)


def _labels_root(source: Path) -> Path | None:
    return next((source / name for name in ("gtFine", "gtCoarse") if (source / name).is_dir()), None)


def _intrinsics(lens: dict[str, float]) -> Intrinsics:
    return Intrinsics(2048, 1024, lens["fx"], lens["fy"], lens["u0"], lens["v0"])

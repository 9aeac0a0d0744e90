# SPDX-License-Identifier: Apache-2.0
"""KITTI: boxes in the picture and in space, and the depth of its depth benchmark."""

from __future__ import annotations

import math
import sys
from pathlib import Path

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.depth_files import DepthPng
from mtl_perception.data.importers.finder import PictureFinder
from mtl_perception.data.importers.image_file import ImageFile, read_header
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat
from mtl_perception.data.importers.registry import Options as Settings

__all__ = ["Settings", "looks_like", "read"]

_METRES = 1 / 256
_CLASSES = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc")


def looks_like(source: Path) -> str:
    objects = _objects_root(source)
    if objects is not None:
        return f"{objects.name}/ has label_2/"
    if (source / "groundtruth_depth").is_dir():
        return "it has groundtruth_depth/"
    found = next(source.glob("**/proj_depth/groundtruth/image_02"), None) if source.is_dir() else None
    return f"it has {found.relative_to(source)}" if found is not None else ""


def read(source: Path, settings: Settings) -> Labelled:
    """One of: image_2/, label_2/ and calib/ (or training/ with them); image/, groundtruth_depth/ and intrinsics/ of the depth
    selection; drives of the raw data with proj_depth/.

    Raises:
        DataError: it is none of them, or a file can't be understood.
    """
    notes = Notes()
    objects = _objects_root(source)
    if objects is not None:
        return _read_objects(objects, notes)
    if (source / "groundtruth_depth").is_dir():
        return _read_selection(source, notes)
    drives = sorted(path.parents[2] for path in source.glob("**/proj_depth/groundtruth/image_02"))
    if not drives:
        raise NotThisFormat(f"{source} has neither label_2/ nor groundtruth_depth/ nor drives with proj_depth/ as KITTI has")
    return Labelled([picture for drive in drives for picture in _read_drive(source, drive, notes)], notes=notes)


def _objects_root(source: Path) -> Path | None:
    """The folder with label_2/: ``source``, or one in it, such as training/."""
    found = [source, *sorted(source.glob("*"))] if source.is_dir() else []
    return next((path for path in found if (path / "label_2").is_dir()), None)


def _read_objects(root: Path, notes: Notes) -> Labelled:
    finder, pictures = PictureFinder(root / "image_2"), []
    labels: dict[str, None] = {}
    for found in finder.all():
        image, stem = ImageFile(finder.path(found)), Path(found).stem
        path = root / "label_2" / f"{stem}.txt"
        if not path.is_file():
            notes.add("pictures without a label file, left out", found)
            continue
        instances = _instances(path, notes)
        labels.update(dict.fromkeys(instance.label for instance in instances))
        calibration = root / "calib" / f"{stem}.txt"
        camera = _projection(calibration, "P2", image) if calibration.is_file() else None
        pictures.append(Picture(name=found, image=image, instances=instances, camera=camera, where=path.name))
    return Labelled(pictures, [name for name in _CLASSES if name in labels] + sorted(labels.keys() - set(_CLASSES)), notes=notes)


def _instances(path: Path, notes: Notes) -> list[Instance]:
    """type, truncation, occlusion, alpha, box (4), height, width, length, x, y, z of the middle of its floor, turn about y."""
    instances = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            values = [float(word) for word in words[1:]]
            x1, y1, x2, y2 = values[3:7]
            height, width, length, x, y, z, turn = values[7:14] if len(values) >= 14 else [-1.0] * 7
        except ValueError:
            raise DataError(f"{path}, line {number} is '{line[:60]}', expected a class and 14 numbers", "label file") from None
        if words[0] == "DontCare":
            notes.add("regions that nobody labelled (DontCare), which are not read", path.name)
            continue
        box_3d = None
        if min(height, width, length) > 0:
            # In its own axes the box is long along x, high along y and wide along z.
            box_3d = {
                "center_m": [x, y - height / 2, z],
                "size_m": [length, height, width],
                "quaternion_xyzw": [0.0, math.sin(turn / 2), 0.0, math.cos(turn / 2)],
            }
        instances.append(Instance(sys.intern(words[0]), (x1, y1, x2, y2), box_3d=box_3d))
    return instances


def _projection(path: Path, key: str, image: ImageFile) -> Intrinsics:
    for line in path.read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == key:
            values = [float(word) for word in numbers.split()]
            if len(values) != 12:
                raise DataError(f"{path}: {key} has {len(values)} numbers, expected 12", "camera")
            width, height = read_header(image.read()).upright_size
            return Intrinsics(width, height, values[0], values[5], values[2], values[6])
    raise DataError(f"{path} has no {key}", "camera")


def _read_selection(root: Path, notes: Notes) -> Labelled:
    finder, pictures = PictureFinder(root / "image"), []
    for found in finder.all():
        image, stem = ImageFile(finder.path(found)), Path(found).stem
        depth = root / "groundtruth_depth" / f"{stem.replace('_sync_image_', '_sync_groundtruth_depth_')}.png"
        lens = root / "intrinsics" / f"{stem}.txt"
        if not depth.is_file() or not lens.is_file():
            notes.add("pictures without depth or intrinsics, left out", found)
            continue
        values = [float(word) for word in lens.read_text().split()]
        width, height = read_header(image.read()).upright_size
        camera = Intrinsics(width, height, values[0], values[4], values[2], values[5])
        pictures.append(
            Picture(name=found, image=image, group=stem.split("_sync_")[0], depth=DepthPng(depth, _METRES), camera=camera, where=depth.name)
        )
    return Labelled(pictures, notes=notes)


def _read_drive(source: Path, drive: Path, notes: Notes) -> list[Picture]:
    """image_02/data/ of a raw drive beside its proj_depth/, wherever below the source each of them lies."""
    pictures = []
    images = next((path for path in (drive / "image_02/data", *source.glob(f"**/{drive.name}/image_02/data")) if path.is_dir()), None)
    if images is None:
        raise DataError(f"{drive} has depth and no pictures: image_02/data of the raw data of {drive.name} is missing", "missing")
    date = drive.name[:10]
    calibration = next(iter(sorted(source.glob(f"**/{date}/calib_cam_to_cam.txt"))), None) or next(
        iter(sorted(source.glob("**/calib_cam_to_cam.txt"))), None
    )
    if calibration is None:
        raise DataError(f"{source} has no calib_cam_to_cam.txt of {date}; copy it from the raw data", "missing")
    for depth in sorted((drive / "proj_depth/groundtruth/image_02").glob("*.png")):
        image = ImageFile(images / depth.name)
        if not image.path.is_file():
            notes.add("depth images without a picture, left out", f"{drive.name}/{depth.name}")
            continue
        pictures.append(
            Picture(
                name=f"{drive.name}/{depth.name}",
                image=image,
                group=drive.name,
                depth=DepthPng(depth, _METRES),
                camera=_projection(calibration, "P_rect_02", image),
                where=depth.name,
            )
        )
    return pictures

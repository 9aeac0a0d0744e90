# SPDX-License-Identifier: Apache-2.0
"""7-Scenes: pictures, depth and poses of a Kinect, sequence by sequence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.rotation import quaternion_xyzw
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.depth_files import DepthPng
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.labelled import Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options


class Settings(Options):
    """``step``: every so many frames."""

    step: int = 1


def looks_like(source: Path) -> str:
    found = next(source.rglob("*.color.png"), None) if source.is_dir() else None
    return f"it has {found.name}" if found is not None and found.with_name(_stem(found) + ".depth.png").is_file() else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The folder ``source`` of sequences (frame-000000.color.png, .depth.png, .pose.txt).

    Raises:
        DataError: there are none, or a pose can't be understood.
    """
    notes, pictures = Notes(), []
    frames = sorted(source.rglob("*.color.png")) if source.is_dir() else []
    if not frames:
        raise NotThisFormat(f"{source} holds no frames of 7-Scenes (frame-000000.color.png)")
    for path in frames[:: max(1, settings.step)]:
        depth, pose = (path.with_name(f"{_stem(path)}.{kind}") for kind in ("depth.png", "pose.txt"))
        if not depth.is_file():
            notes.add("pictures without a depth image, left out", path.name)
            continue
        relative = path.relative_to(source)
        pictures.append(
            Picture(
                name=f"{relative.parent.as_posix()}/{_stem(path)}.png".removeprefix("./"),
                image=ImageFile(path),
                group=path.parent.relative_to(source).as_posix() if path.parent != source else source.name,
                depth=DepthPng(depth, 1e-3, unknown=65535),
                # The set gives one focal length, of the depth camera, and does not register depth with colour.
                camera=Intrinsics(640, 480, 585.0, 585.0, 320.0, 240.0),
                depth_is_nominal=True,
                extra={"pose": _pose(pose)} if pose.is_file() else None,
            )
        )
    notes.add(
        "depth that is not registered with the colours: it teaches shape and no scale (depth_scale nominal)", source.name, len(pictures)
    )
    return Labelled(pictures, notes=notes)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".color.png")


def _pose(path: Path) -> dict[str, Any]:
    try:
        matrix = np.loadtxt(path)
    except ValueError as error:
        raise DataError(f"{path} can't be understood: {error}", "label file") from error
    if matrix.shape != (4, 4):
        raise DataError(f"{path} holds {matrix.shape}, expected 4 rows of 4 numbers", "label file")
    return {
        "frame": "world",
        "position_m": matrix[:3, 3].round(6).tolist(),
        "quaternion_xyzw": quaternion_xyzw(matrix[:3, :3]).round(7).tolist(),
    }

# SPDX-License-Identifier: Apache-2.0
"""NYU Depth v2: the labelled .mat of MATLAB 7.3 (an HDF5 file), and folders of .h5 with a picture and its depth each."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.labelled import Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options

# The colour camera, of the set's own toolbox. MATLAB calls the first pixel 1.
_LENS = (518.85790117450188, 519.46961112127485, 325.58244941119034 - 1, 253.73616633400465 - 1)


class Settings(Options):
    """``depth``: "measured" (rawDepths, with holes) or "filled" (depths: the holes are guessed from the colours); ``labels``: "no" leaves
    the label maps out."""

    depth: Literal["measured", "filled"] = "measured"
    labels: Literal["yes", "no"] = "yes"


@dataclass(frozen=True, slots=True)
class MatImage:
    """Picture ``row`` of an array (N, 3, W, H)."""

    path: Path
    row: int

    def read(self) -> np.ndarray:
        return np.ascontiguousarray(_rows(self.path, "images", self.row).transpose(2, 1, 0))


@dataclass(frozen=True, slots=True)
class MatMap:
    """Array ``name`` (N, W, H) at ``row``: metres, or ids of which 0 is unlabelled."""

    path: Path
    name: str
    row: int

    def read(self) -> np.ndarray:
        values = np.ascontiguousarray(_rows(self.path, self.name, self.row).transpose(1, 0))
        return values.astype(np.float32) if values.dtype.kind == "f" else values.astype(np.int32) - 1


@dataclass(frozen=True, slots=True)
class H5Image:
    """``rgb`` (3, H, W) of a small file."""

    path: Path

    def read(self) -> np.ndarray:
        return np.ascontiguousarray(_dataset(self.path, "rgb").transpose(1, 2, 0).astype(np.uint8))


@dataclass(frozen=True, slots=True)
class H5Depth:
    """``depth`` (H, W), metres, of a small file."""

    path: Path

    def read(self) -> np.ndarray:
        return _dataset(self.path, "depth").astype(np.float32)


def looks_like(source: Path) -> str:
    mat = _mat(source)
    if mat is not None:
        return f"{mat.name} has images, depths and labels"
    small = next(source.rglob("*.h5"), None) if source.is_dir() else None
    return f"{small.name} has rgb and depth" if small is not None and _keys(small) >= {"rgb", "depth"} else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The .mat file, or a folder with it, or a folder of .h5 files.

    Raises:
        DataError: there is none, or it is damaged.
    """
    mat, notes = _mat(source), Notes()
    if mat is not None:
        return _read_mat(mat, settings, notes)
    files = sorted(source.rglob("*.h5")) if source.is_dir() else []
    files = [path for path in files if _keys(path) >= {"rgb", "depth"}]
    if not files:
        raise NotThisFormat(f"{source} holds neither nyu_depth_v2_labeled.mat nor .h5 files with rgb and depth")
    pictures = []
    for path in files:
        height, width = _dataset(path, "depth").shape
        name = path.relative_to(source).with_suffix(".png").as_posix()
        camera = Intrinsics(640, 480, *_LENS).scaled(width, height)
        pictures.append(Picture(name=name, image=H5Image(path), group=path.parent.name, depth=H5Depth(path), camera=camera))
    return Labelled(pictures, notes=notes)


def _mat(source: Path) -> Path | None:
    files = [source] if source.is_file() else sorted(source.glob("*.mat"))
    return next((path for path in files if path.suffix == ".mat" and _keys(path) >= {"images", "depths", "labels", "names"}), None)


def _read_mat(path: Path, settings: Settings, notes: Notes) -> Labelled:
    depth = "depths" if settings.depth == "filled" else "rawDepths"
    with h5py.File(path) as file:
        if depth not in file:
            raise DataError(f"{path} has no {depth}; give --set depth=filled", "missing")
        count, _, width, height = file["images"].shape
        names = [_text(file[reference]) for reference in file["names"][0]]  # pyright: ignore[reportGeneralTypeIssues]
        scenes = [_text(file[reference]) for reference in file["scenes"][0]] if "scenes" in file else []  # pyright: ignore[reportGeneralTypeIssues]
        kinds = [_text(file[reference]) for reference in file["sceneTypes"][0]] if "sceneTypes" in file else []  # pyright: ignore[reportGeneralTypeIssues]
    camera = Intrinsics(640, 480, *_LENS).scaled(width, height)
    pictures = [
        Picture(
            name=f"{row + 1:04d}.png",
            image=MatImage(path, row),
            group=scenes[row] if scenes else None,
            semantic=MatMap(path, "labels", row) if settings.labels == "yes" else None,
            depth=MatMap(path, depth, row),
            camera=camera,
            classes=[kinds[row]] if kinds else None,
            where=path.name,
        )
        for row in range(count)
    ]
    notes.add("instances, which are not read", path.name)
    labels = names if settings.labels == "yes" else []
    return Labelled(pictures, segmentation_labels=labels, classification_labels=sorted(set(kinds)), notes=notes)


def _text(values: h5py.Dataset) -> str:
    return "".join(chr(value) for value in np.asarray(values).ravel())


def _keys(path: Path) -> set[str]:
    try:
        with h5py.File(path) as file:
            return set(file)
    except OSError:
        return set()


def _rows(path: Path, name: str, row: int) -> np.ndarray:
    try:
        return _opened(path)[name][row]  # pyright: ignore[reportReturnType]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: {name} of picture {row + 1} can't be read: {error}; copy the file again", "unreadable") from error


@functools.lru_cache(maxsize=1)
def _opened(path: Path) -> h5py.File:
    """Three gigabytes: opened once a process."""
    return h5py.File(path)


def _dataset(path: Path, name: str) -> np.ndarray:
    try:
        with h5py.File(path) as file:
            return file[name][()]  # pyright: ignore[reportReturnType]
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: {name} can't be read: {error}", "unreadable") from error

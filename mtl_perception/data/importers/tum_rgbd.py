# SPDX-License-Identifier: Apache-2.0
"""TUM RGB-D sequences: pictures, registered depth, poses."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import Any

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.depth_files import DepthPng, read_poses
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.labelled import Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options

_CAMERAS = {  # of the benchmark's page: fx, fy, cx, cy
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
_USUAL = (525.0, 525.0, 319.5, 239.5)


class Settings(Options):
    """``every``: seconds between pictures, 0 for all; ``tolerance``: seconds that picture, depth and pose may be apart."""

    every: float = 0.0
    tolerance: float = 0.02


def looks_like(source: Path) -> str:
    found = _sequences(source)
    return f"{found[0].name}/ has rgb.txt and depth.txt" if found else ""


def read(source: Path, settings: Settings) -> Labelled:
    """A sequence (rgb.txt, depth.txt, groundtruth.txt), or a folder of sequences.

    Raises:
        DataError: there is none, or a file can't be understood.
    """
    sequences, notes, pictures = _sequences(source), Notes(), []
    if not sequences:
        raise NotThisFormat(f"{source} holds no TUM RGB-D sequence (a folder with rgb.txt and depth.txt)")
    for root in sequences:
        prefix = "" if root == source else f"{root.relative_to(source).as_posix()}/"
        pictures += _read_sequence(root, prefix, settings, notes)
    return Labelled(pictures, notes=notes)


def _sequences(source: Path) -> list[Path]:
    if not source.is_dir():
        return []
    return sorted(path.parent for path in source.rglob("rgb.txt") if (path.parent / "depth.txt").is_file())


def _read_sequence(root: Path, prefix: str, settings: Settings, notes: Notes) -> list[Picture]:
    known = next((values for name, values in _CAMERAS.items() if name in str(root.resolve())), None)
    if known is None:
        notes.add("sequences of a camera that is not known: the usual intrinsics are taken (--camera if they are others)", root.name)
    depths, poses = _listed(root / "depth.txt"), []
    if (root / "groundtruth.txt").is_file():
        poses = read_poses(root / "groundtruth.txt")
    depth_times, pose_times = [time for time, _ in depths], [time for time, _ in poses]
    pictures, last = [], float("-inf")
    for time, name in _listed(root / "rgb.txt"):
        if time - last < settings.every:
            continue
        last = time
        depth = _nearest(depth_times, time, settings.tolerance)
        if depth is None:
            notes.add(f"pictures without a depth image within {settings.tolerance:g} s, left out", f"{prefix}{name}")
            continue
        pose = _nearest(pose_times, time, settings.tolerance)
        pictures.append(
            Picture(
                name=f"{prefix}{name}",
                image=ImageFile(root / name),
                group=root.name,
                depth=DepthPng(root / depths[depth][1], 1 / 5000),
                camera=Intrinsics(640, 480, *(known or _USUAL)),
                extra={"stamp_s": time} | ({} if pose is None else {"pose": _pose(poses[pose][1])}),
            )
        )
    return pictures


def _listed(path: Path) -> list[tuple[float, str]]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        try:
            rows.append((float(words[0]), words[1]))
        except (ValueError, IndexError):
            raise DataError(f"{path}, line {number} is '{line[:60]}', expected a time and a file", "label file") from None
    return sorted(rows)


def _nearest(times: list[float], time: float, tolerance: float) -> int | None:
    at = bisect_left(times, time)
    near = [i for i in (at - 1, at) if 0 <= i < len(times)]
    best = min(near, key=lambda i: abs(times[i] - time), default=None)
    return best if best is not None and abs(times[best] - time) <= tolerance else None


def _pose(values: list[float]) -> dict[str, Any]:
    return {"frame": "world", "position_m": values[:3], "quaternion_xyzw": values[3:7]}

# SPDX-License-Identifier: Apache-2.0
"""MOTChallenge: sequences of pictures with the boxes and ids of tracks."""

from __future__ import annotations

import configparser
from collections import defaultdict
from pathlib import Path

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.image_file import ImageFile, has_picture_suffix
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat
from mtl_perception.data.importers.registry import Options as Settings

__all__ = ["Settings", "looks_like", "read"]

_CLASSES = {
    1: "pedestrian", 2: "person on vehicle", 3: "car", 4: "bicycle", 5: "motorbike", 6: "non motorized vehicle", 7: "static person",
    8: "distractor", 9: "occluder", 10: "occluder on the ground", 11: "occluder full", 12: "reflection", 13: "crowd",
}  # fmt: skip


def looks_like(source: Path) -> str:
    found = _sequences(source)
    return f"{found[0].name}/ has gt/gt.txt" if found else ""


def read(source: Path, settings: Settings) -> Labelled:
    """A sequence (img1/, gt/gt.txt, seqinfo.ini), or a folder of sequences.

    Raises:
        DataError: there is none, or a line can't be understood.
    """
    sequences, notes, pictures = _sequences(source), Notes(), []
    if not sequences:
        raise NotThisFormat(f"{source} holds no MOTChallenge sequence (a folder with gt/gt.txt and img1/)")
    labels: dict[str, None] = {}
    for root in sequences:
        instances = _instances(root / "gt/gt.txt", labels, notes)
        folder, size = _info(root)
        files = sorted(path for path in folder.iterdir() if has_picture_suffix(path.name)) if folder.is_dir() else []
        if not files:
            raise DataError(f"{root} has no pictures in {folder.name}/", "missing")
        prefix = "" if root == source else f"{root.relative_to(source).as_posix()}/"
        for path in files:
            frame = int(path.stem) if path.stem.isdigit() else -1
            pictures.append(
                Picture(
                    name=f"{prefix}{path.name}",
                    image=ImageFile(path),
                    size=size,
                    group=root.name,
                    instances=instances.get(frame, []),
                    where="gt.txt",
                )
            )
    return Labelled(pictures, sorted(labels), notes=notes)


def _sequences(source: Path) -> list[Path]:
    if not source.is_dir():
        return []
    return sorted(path.parent.parent for path in source.rglob("gt.txt") if path.parent.name == "gt")


def _info(root: Path) -> tuple[Path, tuple[int, int] | None]:
    parser = configparser.ConfigParser()
    parser.read(root / "seqinfo.ini", encoding="utf-8-sig")
    info = parser["Sequence"] if parser.has_section("Sequence") else {}
    size = (int(info["imWidth"]), int(info["imHeight"])) if "imWidth" in info and "imHeight" in info else None
    return root / info.get("imDir", "img1"), size


def _instances(path: Path, labels: dict[str, None], notes: Notes) -> dict[int, list[Instance]]:
    """Frame → objects. Coordinates count from 1; what is marked as not to be scored is a crowd."""
    instances: dict[int, list[Instance]] = defaultdict(list)
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = [float(word) for word in line.split(",")]
            frame, track, x, y, width, height = values[:6]
        except ValueError:
            raise DataError(f"{path}, line {number} is '{line[:60]}', expected frame,id,left,top,width,height,…", "label file") from None
        is_scored = len(values) < 7 or values[6] != 0
        class_id = int(values[7]) if len(values) > 7 else 1
        label = _CLASSES.get(class_id, "pedestrian")
        labels.setdefault(label)
        notes.add(
            "boxes that are not to be scored, taken as crowds: their class is unlabelled in the picture",
            f"{path}, line {number}",
            int(not is_scored),
        )
        instances[int(frame)].append(
            Instance(label, (x - 1, y - 1, x - 1 + width, y - 1 + height), is_crowd=not is_scored, track=int(track))
        )
    return instances

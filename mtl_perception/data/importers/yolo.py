# SPDX-License-Identifier: Apache-2.0
"""YOLO's text files, a line an object: class and box, or class and polygon, in shares of the picture's size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder, posix_name
from mtl_perception.data.importers.image_file import ImageFile
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options
from mtl_perception.data.importers.shapes import Polygons

_NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt")
_SIDES = {"train": "train", "val": "val", "valid": "val", "test": "test"}
_BEYOND = 0.1


class Settings(Options):
    """How to read what YOLO's folders leave open.

    Attributes:
        names: a file of class names, one a line, where there is no data.yaml.
        classes: or the names, with commas.
        unlabelled: what a picture without a label file is: "empty" (nothing is in it, as YOLO's trainers take it) or "skip".
    """

    names: Path | None = None
    classes: str | None = None
    unlabelled: str = "empty"


def looks_like(source: Path) -> str:
    config = _config(source)
    if config is not None:
        return f"{config.name} names its classes"
    root = source if source.is_dir() else source.parent
    names = [root / name for name in _NAME_FILES[:3]]
    if any(path.is_file() for path in names) and any(path not in names for path in root.glob("**/*.txt")):
        return "it has a list of class names and text files"
    labels = next((path for path in root.glob("**/labels/**/*.txt")), None)
    first = labels.read_text(errors="replace").split("\n", 1)[0].split() if labels is not None else []
    return f"{labels.name} holds lines of a class and 4 numbers" if len(first) == 5 and first[0].isdigit() else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data set at ``source``: a data.yaml, or a folder.

    Raises:
        DataError: there is none, class names are missing, or a line can't be understood.
    """
    if settings.unlabelled not in ("empty", "skip"):
        raise ValueError(f"setting unlabelled is '{settings.unlabelled}', expected empty or skip")
    config = _config(source)
    root = source if source.is_dir() else source.parent
    if config is None and (root / "data.yaml").is_file():
        _read_config(root / "data.yaml")  # if it is damaged, that is why there are no names
    content: dict[str, Any] = _read_config(config) if config is not None else {}
    names = _names(root, content, config, settings)
    finder = PictureFinder(_data_root(root, content, config))
    listed = _listed(content, config, finder) if config is not None else None
    if listed is None:
        listed = {found: _side_of(found) for found in finder.all()}
    if not names or not listed:
        what = "no pictures" if names else "neither a data.yaml nor a classes.txt with class names (setting names=FILE)"
        raise NotThisFormat(f"{source} holds no YOLO data set that can be read: there {'are' if names else 'is'} {what}")
    keypoints = content.get("kpt_shape")
    notes, pictures = Notes(), []
    has_labels = False
    for found, side in sorted(listed.items()):
        labels = _label_file(finder.path(found))
        if labels is None and settings.unlabelled == "skip":
            notes.add("pictures without a label file, left out (setting unlabelled=skip)", found)
            continue
        if labels is None:
            notes.add("pictures without a label file, taken as empty (setting unlabelled=skip leaves them out)", found)
        has_labels |= labels is not None
        instances = [] if labels is None else _instances(labels, names, keypoints, notes)
        pictures.append(
            Picture(
                name=found,
                image=ImageFile(finder.path(found)),
                is_normalized=True,
                side=side,
                instances=instances,
                where=labels.name if labels is not None else "",
            )
        )
    if not has_labels:
        raise NotThisFormat(f"{source} has pictures, but no label file of any (a .txt beside it, or in labels/ instead of images/)")
    return Labelled(pictures, [names[id_] for id_ in sorted(names)], notes=notes)


def _config(source: Path) -> Path | None:
    if source.is_file():
        return source if source.suffix.lower() in (".yaml", ".yml") and "names" in _quiet(source) else None
    candidates = [source / "data.yaml", source / "dataset.yaml", *sorted(source.glob("*.y*ml"))]
    return next((path for path in candidates if path.is_file() and "names" in _quiet(path)), None)


def _quiet(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig", errors="replace"))
    except (OSError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path} can't be read: {' '.join(str(error).split())}", "unreadable") from error
    return content if isinstance(content, dict) else {}


def _data_root(root: Path, content: dict[str, Any], config: Path | None) -> Path:
    """The ``path`` of data.yaml: as it is, or below the file. Where neither exists the folder of the file itself."""
    said = str(content.get("path") or "")
    if config is None or not said:
        return root
    for candidate in (
        config.parent / said,
        Path(said),
        config.parent / posix_name(said),
        config.parent / PurePosixPath(posix_name(said)).name,
    ):
        if candidate.is_dir():
            return candidate
    return root


def _names(root: Path, content: dict[str, Any], config: Path | None, settings: Settings) -> dict[int, str]:
    names: Any = content.get("names")
    if settings.classes is not None:
        names = [name.strip() for name in settings.classes.split(",")]
    if isinstance(names, list):
        return {i: str(name) for i, name in enumerate(names)}
    if isinstance(names, dict):
        try:
            return {int(id_): str(name) for id_, name in names.items()}
        except ValueError:
            raise DataError(f"{config}: names has the key {next(iter(names))!r}, expected ids 0, 1, 2 …") from None
    files = [settings.names, root / settings.names] if settings.names else [root / name for name in _NAME_FILES]
    path = next((path for path in files if path is not None and path.is_file()), None)
    if settings.names and path is None:
        raise DataError(f"{settings.names} does not exist (setting names)", "missing")
    if path is None:
        return {}
    lines = _lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    return {i: line.strip() for i, line in enumerate(lines)}


def _listed(content: dict[str, Any], config: Path, finder: PictureFinder) -> dict[str, str | None] | None:
    """Picture → side of the split, of the folders and lists that data.yaml names; None where it names none."""
    listed: dict[str, str | None] = {}
    named = False
    for key, side in _SIDES.items():
        value = content.get(key)
        for entry in value if isinstance(value, list) else [value] if value else []:
            named = True
            listed.update(dict.fromkeys(_pictures_of(str(entry), config, finder), side))
    return listed if named and listed else None


def _pictures_of(entry: str, config: Path, finder: PictureFinder) -> Iterable[str]:
    name = posix_name(entry)
    if name.endswith(".txt"):
        file = next((path for path in (finder.root / name, config.parent / name, Path(entry)) if path.is_file()), None)
        if file is None:
            raise DataError(f"{config} names the list {entry}, which does not exist below {finder.root}", "missing")
        for line in _lines(file):
            if line.strip():
                yield finder.find(line) or posix_name(line)
        return
    # Roboflow writes ../train/images for what lies in train/images.
    folder = "/".join(part for part in name.split("/") if part != "..").rstrip("/")
    while folder:
        found = [picture for picture in finder.all() if picture.startswith(folder + "/") or folder == "."]
        if found:
            yield from found
            return
        folder = folder.partition("/")[2]


def _side_of(found: str) -> str | None:
    return next((_SIDES[part] for part in PurePosixPath(found).parts[:-1] if part in _SIDES), None)


def _label_file(picture: Path) -> Path | None:
    """``labels`` in place of the last ``images`` folder, or beside the picture."""
    beside = picture.with_suffix(".txt")
    parts = list(picture.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i].lower() == "images":
            other = Path(*parts[:i], "labels", *parts[i + 1 :]).with_suffix(".txt")
            if other.is_file():
                return other
            break
    return beside if beside.is_file() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}", "unreadable") from error


def _instances(path: Path, names: dict[int, str], keypoints: Any, notes: Notes) -> list[Instance]:
    instances: dict[tuple, Instance] = {}
    for number, line in enumerate(_lines(path), start=1):
        words = line.split()
        if not words:
            continue
        where = f"{path}, line {number}"
        try:
            values = [float(word) for word in words]
        except ValueError:
            raise DataError(f"{where} holds '{line[:60]}', expected a class id and numbers", "label file") from None
        if len(values) < 5 or not all(map(math.isfinite, values)):
            raise DataError(
                f"{where} has {len(values)} numbers, expected a class id and 4 of a box, or 6 and more of a polygon", "label file"
            )
        if values[0] != int(values[0]) or int(values[0]) not in names:
            raise DataError(
                f"{where} is of class {words[0]}, the names go from {min(names)} to {max(names)}; add the name", "unknown class"
            )
        if max(values[1:5]) > 1 + _BEYOND or min(values[1:5]) < -_BEYOND:
            raise DataError(
                f"{where} holds {', '.join(words[1:5])}, expected shares of the picture's size between 0 and 1: are these pixels?",
                "label file",
            )
        if tuple(values) in instances:
            notes.add("lines that stand twice in a label file, taken once", where)
            continue
        instances[tuple(values)] = _instance(names[int(values[0])], values[1:], keypoints, notes, where)
    return list(instances.values())


def _instance(label: str, values: list[float], keypoints: Any, notes: Notes, where: str) -> Instance:
    is_box = len(values) in (4, 5)
    if keypoints and len(values) == 4 + math.prod(keypoints):
        notes.add("keypoints, which are not read", where)
        is_box = True
    if is_box:
        if len(values) == 5:
            notes.add("scores after boxes (predictions?), which are not read", where)
        x, y, width, height = values[:4]
        return Instance(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    if len(values) % 2:
        raise DataError(f"{where} has {len(values)} numbers after the class, expected 4 of a box or pairs of a polygon", "label file")
    return Instance(label, None, Polygons([values]))

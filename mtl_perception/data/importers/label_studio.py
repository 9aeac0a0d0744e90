# SPDX-License-Identifier: Apache-2.0
"""Label Studio's exports, JSON and JSON-MIN: rectangles, polygons, ellipses, brushed masks, choices."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
import numpy as np

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.finder import PictureFinder, posix_name
from mtl_perception.data.importers.image_file import ImageFile, has_picture_suffix
from mtl_perception.data.importers.json_file import read_json, start_of
from mtl_perception.data.importers.labelled import Instance, Labelled, Notes, Picture
from mtl_perception.data.importers.registry import NotThisFormat, Options
from mtl_perception.data.importers.shapes import Encoded, Polygons, ellipse, turned
from mtl_perception.data.masks import encode_mask

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")


class Settings(Options):
    """``field``: of a task's data, the one that holds the picture; found by itself if only one looks like a picture."""

    field: str | None = None


class _Result(msgspec.Struct):
    value: msgspec.Raw = msgspec.Raw(b"{}")
    type: str = ""
    original_width: float | None = None
    original_height: float | None = None
    image_rotation: float = 0


class _Annotation(msgspec.Struct):
    result: list[_Result] = []
    was_cancelled: bool = False
    ground_truth: bool = False


class _Task(msgspec.Struct):
    data: dict[str, Any]
    annotations: list[_Annotation] | None = None
    completions: list[_Annotation] | None = None  # the name before version 1.0
    id: int | str | None = None


@dataclass(frozen=True, slots=True)
class BrushMask:
    """A brushed mask in Label Studio's own packing: run lengths of an RGBA picture, of which alpha is the mask."""

    packed: bytes

    def encoded(self, width: int, height: int) -> Encoded:
        values = unpack_brush(self.packed)
        if len(values) != width * height * 4:
            raise ValueError(f"its brush mask has {len(values)} values, expected 4 for each pixel of {width}x{height}")
        return encode_mask(values.reshape(height, width, 4)[:, :, 3] > 0)


def looks_like(source: Path) -> str:
    files = _files(source)
    return f"{files[0].name} is a list of tasks" if files else ""


def read(source: Path, settings: Settings) -> Labelled:
    """The data set at ``source``: the JSON file, or a folder with it and the pictures.

    Raises:
        DataError: there is none, or it is broken.
    """
    files = _files(source)
    if not files:
        raise NotThisFormat(f"{source} holds no Label Studio export (a JSON list of tasks)")
    finder = PictureFinder(source if source.is_dir() else source.parent)
    notes, pictures = Notes(), {}
    labels: dict[str, None] = {}
    choices: dict[str, None] = {}
    for path in files:
        for task in _tasks(path, notes):
            picture = _picture(path, task, finder, settings, notes, labels, choices)
            if picture is None:
                continue
            if picture.name in pictures:
                raise DataError(f"{path}: several tasks are of {picture.name}; export one of them alone", "duplicate")
            pictures[picture.name] = picture
    if labels:  # regions are drawn in this project: a task with none has nothing of them
        pictures = {name: replace(picture, instances=picture.instances or []) for name, picture in pictures.items()}
    return Labelled(list(pictures.values()), sorted(labels), classification_labels=sorted(choices), notes=notes)


def _files(source: Path) -> list[Path]:
    paths = [source] if source.is_file() else sorted(source.glob("*.json"))
    return [path for path in paths if _is_tasks(start_of(path))]


def _is_tasks(head: bytes) -> bool:
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return False
    return b'"annotations"' in head or b'"completions"' in head or b'labels"' in head or b'"original_width"' in head


def _tasks(path: Path, notes: Notes) -> list[_Task]:
    content = read_json(path, list[dict[str, msgspec.Raw]])
    tasks = []
    for i, entry in enumerate(content):
        try:
            tasks.append(_full_task(entry) if "data" in entry else _short_task(entry))
        except msgspec.DecodeError as error:
            raise DataError(f"{path}: task {i + 1} is not as expected: {error}") from error
    return tasks


def _full_task(entry: dict[str, msgspec.Raw]) -> _Task:
    wanted = {key: entry[key] for key in ("data", "annotations", "completions", "id") if key in entry}
    return msgspec.json.decode(msgspec.json.encode(wanted), type=_Task)


def _short_task(entry: dict[str, msgspec.Raw]) -> _Task:
    """JSON-MIN: each field of the task and of the labelling beside each other."""
    data, results, is_labelled = {}, [], False
    for key, raw in entry.items():
        value = msgspec.json.decode(raw)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            is_labelled = True
            results += [_short_result(item) for item in value]
        else:
            if (isinstance(value, str) and has_picture_suffix(_picture_name(value))) or key == "id":
                data[key] = value
            elif key in ("choice", "choices", "class") and value:
                named = value.get("choices", []) if isinstance(value, dict) else value if isinstance(value, list) else [value]
                results.append(_Result(msgspec.Raw(msgspec.json.encode({"choices": named})), "choices"))
            is_labelled |= key in ("annotation_id", "annotator", "lead_time")
    return _Task(data, [_Annotation(results)] if is_labelled else [], id=data.pop("id", None))


def _short_result(item: dict[str, Any]) -> _Result:
    kind = next((key for key in item if key.endswith("labels")), "")
    sizes = {key: item.get(key) for key in ("original_width", "original_height")}
    return _Result(msgspec.Raw(msgspec.json.encode(item)), kind, **sizes, image_rotation=item.get("image_rotation") or 0)


def _picture(
    path: Path,
    task: _Task,
    finder: PictureFinder,
    settings: Settings,
    notes: Notes,
    labels: dict[str, None],
    choices: dict[str, None],
) -> Picture | None:
    where = f"{path.name}: task {task.id}"
    name = _picture_name(_image_field(task, settings, where))
    done = [one for one in task.annotations or task.completions or [] if not one.was_cancelled]
    if not done:
        notes.add("tasks that nobody labelled, or that were skipped, left out", where)
        return None
    if len(done) > 1:
        notes.add("tasks with several labellings: the one marked as ground truth is read, else the last", where)
    chosen = next((one for one in done if one.ground_truth), done[-1])
    instances: list[Instance] = []
    classes: list[str] | None = None
    size: tuple[int, int] | None = None
    for result in chosen.result:
        if result.original_width and result.original_height:
            size = (round(result.original_width), round(result.original_height))
        if result.image_rotation:
            raise DataError(
                f"{where}: the picture was turned by {result.image_rotation:g}° in the tool, which is not read; turn it back there and export again",
                "label file",
            )
        value = msgspec.json.decode(result.value)
        if result.type == "choices":
            classes = [*(classes or ()), *map(str, value.get("choices", ()))]
            continue
        instances += _instances(result.type, value, size, notes, where)
    labels.update(dict.fromkeys(instance.label for instance in instances))
    choices.update(dict.fromkeys(classes or ()))
    found = finder.find(name) or finder.find(_UPLOAD.sub("", PurePosixPath(name).name))
    return Picture(
        name=found or name,
        image=ImageFile(finder.path(found or name)),
        size=size,
        is_normalized=True,
        instances=instances if instances or classes is None else None,
        classes=classes,
        where=where,
    )


def _image_field(task: _Task, settings: Settings, where: str) -> str:
    if settings.field is not None:
        value = task.data.get(settings.field)
        if not isinstance(value, str):
            raise DataError(f"{where} has no {settings.field}, it has {', '.join(task.data)} (setting field)", "index")
        return value
    fields = {key: value for key, value in task.data.items() if isinstance(value, str)}
    pictures = {key: value for key, value in fields.items() if has_picture_suffix(_picture_name(value))}
    chosen = pictures or {key: value for key, value in fields.items() if key in ("image", "img", "ocr", "photo")}
    if len(chosen) != 1:
        raise DataError(f"{where}: which of {', '.join(task.data) or 'nothing'} is the picture? Name it (--set field=NAME)", "index")
    return next(iter(chosen.values()))


def _picture_name(address: str) -> str:
    r"""Of /data/upload/1/5f2-a.jpg, /data/local-files/?d=photos/a.jpg, s3://bucket/a.jpg, C:\\photos\\a.jpg and so on."""
    parts = urlsplit(address) if "://" in address or address.startswith("/data/") else None
    if parts is None:
        return posix_name(address)
    local = parse_qs(parts.query).get("d")
    path = local[0] if local else unquote(parts.path)
    path = re.sub(r"^/?data/(upload/(\d+/)?)?", "", path)
    return posix_name(path)


def _instances(kind: str, value: dict[str, Any], size: tuple[int, int] | None, notes: Notes, where: str) -> list[Instance]:
    """In shares of the picture's size."""
    names = value.get(kind) or value.get("labels") or next((v for k, v in value.items() if k.endswith("labels")), None)
    if not names:
        notes.add(f"results of type {kind} without a label, left out", where)
        return []
    shape = box = None
    if "rle" in value:
        shape = BrushMask(bytes(value["rle"]))
    elif ("points" in value and "closed" in value) or kind == "polygonlabels":
        shape = Polygons([[coordinate / 100 for point in value["points"] for coordinate in point]])
    elif "radiusX" in value:
        outline = _ellipse(value, size)
        if outline is None:
            notes.add("turned ellipses of pictures whose size is not said, left out", where)
            return []
        shape = Polygons([outline])
    elif "width" in value and "height" in value and "x" in value and kind != "keypointlabels":
        x, y, width, height = (value[key] / 100 for key in ("x", "y", "width", "height"))
        rotation = value.get("rotation") or 0
        if rotation and size is None:
            notes.add("turned rectangles of pictures whose size is not said, left out", where)
            return []
        if rotation:
            shape = Polygons([_rotated(x, y, width, height, rotation, size)])
        else:
            box = (x, y, x + width, y + height)
    else:
        notes.add(f"results of type {kind}, which have no area and are left out", where)
        return []
    if len(names) > 1:
        notes.add("regions with several labels: an object for each", where)
    return [Instance(sys.intern(str(name)), box, shape) for name in names]


def _rotated(x: float, y: float, width: float, height: float, degrees: float, size: tuple[int, int]) -> list[float]:
    """Corners of a rectangle that is turned clockwise about its upper left corner; in pixels it keeps its angles."""
    w, h = width * size[0], height * size[1]
    corners = turned(((0, 0), (w, 0), (w, h), (0, h)), degrees)
    return [value for dx, dy in corners for value in (x + dx / size[0], y + dy / size[1])]


def _ellipse(value: dict[str, Any], size: tuple[int, int] | None) -> list[float] | None:
    degrees = value.get("rotation") or 0
    if degrees and size is None:
        return None
    width, height = size or (100, 100)
    outline = turned(ellipse(value["radiusX"] / 100 * width, value["radiusY"] / 100 * height), degrees)
    return [number for dx, dy in outline for number in (value["x"] / 100 + dx / width, value["y"] / 100 + dy / height)]


class _Bits:
    """Reads numbers of any number of bits, the highest bit first."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "big")
        self._left = 8 * len(content)

    def take(self, bits: int) -> int:
        if bits > self._left:
            raise ValueError("its brush mask breaks off")
        self._left -= bits
        return (self._value >> self._left) & ((1 << bits) - 1)


def unpack_brush(packed: bytes) -> np.ndarray:
    """The values of Label Studio's run-length packing: a count, the size of a word, four sizes of lengths; then runs.

    Raises:
        ValueError: it is damaged.
    """
    if len(packed) > 1 << 22:
        raise ValueError(f"its brush mask has {len(packed)} bytes, expected far fewer")
    bits = _Bits(packed)
    count, word = bits.take(32), bits.take(5) + 1
    sizes = [bits.take(4) + 1 for _ in range(4)]
    if count > 1 << 30:
        raise ValueError(f"its brush mask says {count} values")
    values = np.empty(count, np.uint8 if word <= 8 else np.uint32)
    at = 0
    while at < count:
        is_run = bits.take(1)
        length = bits.take(sizes[bits.take(2)]) + 1
        if at + length > count:
            raise ValueError("its brush mask is damaged: a run goes beyond its end")
        if is_run:
            values[at : at + length] = bits.take(word)
        else:
            values[at : at + length] = [bits.take(word) for _ in range(length)]
        at += length
    return values

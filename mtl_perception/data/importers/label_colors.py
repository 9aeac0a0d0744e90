# SPDX-License-Identifier: Apache-2.0
"""Label maps as pictures: ids, palette indices or colours, and the file that says which class each of them is."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.image_file import read_index_image

_IGNORED = {"void", "ignore", "ignored", "unlabeled", "unlabelled", "unknown"}
_LINE = re.compile(r"^\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(.+?)\s*$")


@dataclass(frozen=True)
class LabelColors:
    """Which value of a label map is which class.

    Attributes:
        labels: class names in the order of their ids here.
        ids: value in a grey or palette picture → id here; -1 unlabelled.
        colors: red + 256·green + 65536·blue → id here.
    """

    labels: list[str]
    ids: dict[int, int]
    colors: dict[int, int]


@dataclass(frozen=True, slots=True)
class LabelImage:
    """A label map on disk."""

    path: Path
    colors: LabelColors

    def read(self) -> np.ndarray:
        """(H, W) int32 ids, -1 unlabelled.

        Raises:
            DataError: it can't be read, or holds an id or colour that has no name.
        """
        values = read_index_image(self.path)
        if values.ndim == 3:
            table, values = self.colors.colors, values.astype(np.int32) @ np.array([1, 256, 65536], np.int32)
            if not table:
                raise DataError(
                    f"{self.path} holds colours, and no file says which class each is; give one (setting palette=FILE)", "unknown class"
                )
        else:
            table, values = self.colors.ids, values.astype(np.int32)
        found, inverse = np.unique(values, return_inverse=True)
        unknown = [int(value) for value in found if int(value) not in table]
        if unknown:
            named = ", ".join(_written(value, self.colors, values.ndim == 2 and table is self.colors.colors) for value in unknown[:3])
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            known = ", ".join(self.colors.labels[:8])
            raise DataError(
                f"{self.path} holds {named}{more}, which no class has ({known} …); add it to the palette file, or as 'void'",
                "unknown class",
            )
        return np.array([table[int(value)] for value in found], np.int32)[inverse].reshape(values.shape)


def _written(value: int, colors: LabelColors, is_color: bool) -> str:
    return f"colour {value & 255},{value >> 8 & 255},{value >> 16}" if is_color else f"id {value}"


def rgb(red: int, green: int, blue: int) -> int:
    return red + 256 * green + 65536 * blue


def pascal_colors(names: Sequence[str]) -> LabelColors:
    """Names in the order of ids, in Pascal VOC's colours; 255 and its cream are unlabelled."""
    colors = {rgb(*pascal_color(i)): i for i in range(len(names))}
    return LabelColors(list(names), {**{i: i for i in range(len(names))}, 255: -1}, {**colors, rgb(224, 224, 192): -1})


def pascal_color(index: int) -> tuple[int, int, int]:
    """VOC's colour of an id: its bits, dealt out to red, green and blue from the highest bit down."""
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]


def read_label_colors(path: Path) -> LabelColors:
    """A file of class names with ids or colours: YAML or JSON (name: id, or name: [r, g, b]), text (``r g b name``, CVAT's
    ``name:r,g,b::``, or a name a line), or CSV with a header (name, r, g, b).

    Classes called void, ignore or unlabelled are unlabelled.

    Raises:
        DataError: it can't be understood, or gives a value twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read: {error}", "unreadable") from error
    if path.suffix.lower() in (".yaml", ".yml", ".json"):
        entries = _from_mapping(path, text)
    elif path.suffix.lower() == ".csv":
        entries = _from_csv(path, text)
    else:
        entries = _from_lines(path, text)
    return _collected(path, entries)


_Entry = tuple[str, int | None, tuple[int, int, int] | None]


def _from_mapping(path: Path, text: str) -> list[_Entry]:
    try:
        content: Any = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} can't be understood: {error}") from error
    if isinstance(content, list):
        content = {name: i for i, name in enumerate(content)}
    if not isinstance(content, dict):
        raise DataError(f"{path} holds {type(content).__name__}, expected class names with an id or a colour each")
    entries: list[_Entry] = []
    for name, value in content.items():
        if isinstance(name, int) and isinstance(value, str):
            name, value = value, name
        if isinstance(value, int):
            entries.append((str(name), value, None))
        elif isinstance(value, list) and len(value) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in value):
            entries.append((str(name), None, tuple(value)))
        else:
            raise DataError(f"{path}: {name} has {value!r}, expected an id or a colour [r, g, b] of 0 to 255")
    return entries


def _from_csv(path: Path, text: str) -> list[_Entry]:
    rows = [{key.strip().lower(): value for key, value in row.items() if key} for row in csv.DictReader(text.splitlines())]
    try:
        return [(row["name"].strip(), None, (int(row["r"]), int(row["g"]), int(row["b"]))) for row in rows]
    except (KeyError, ValueError, AttributeError) as error:
        raise DataError(f"{path} can't be understood ({error}), expected a header and rows of name, r, g, b") from None


def _from_lines(path: Path, text: str) -> list[_Entry]:
    entries: list[_Entry] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(("#", "//")):
            continue
        match = _LINE.match(line)
        if match:
            entries.append((match[4], None, (int(match[1]), int(match[2]), int(match[3]))))
        elif ":" in line:
            name, _, rest = line.partition(":")
            parts = [part.strip() for part in rest.split(":")[0].split(",")]
            if parts == [""]:  # NAME::: in Pascal's own colours, which follow from the place in the list
                entries.append((name.strip(), None, pascal_color(len(entries))))
                continue
            if len(parts) != 3 or not all(part.isdigit() for part in parts):
                raise DataError(f"{path}, line {number} is '{line[:60]}', expected NAME:R,G,B")
            entries.append((name.strip(), None, (int(parts[0]), int(parts[1]), int(parts[2]))))
        else:
            entries.append((line.strip(), len(entries), None))
    return entries


def _collected(path: Path, entries: list[_Entry]) -> LabelColors:
    if not entries:
        raise DataError(f"{path} names no class")
    labels: dict[str, int] = {}
    ids: dict[int, int] = {}
    colors: dict[int, int] = {}
    for position, (name, id_, color) in enumerate(entries):
        target = -1 if name.lower() in _IGNORED else labels.setdefault(name, len(labels))
        table, key = (ids, id_) if color is None else (colors, rgb(*color))
        if key in table and table[key] != target:
            raise DataError(f"{path} gives {id_ if color is None else color} to {name} and to another class")
        table[key] = target
        if color is not None:
            ids.setdefault(position, target)  # the same order is used for palette indices
    ids.setdefault(255, colors.get(rgb(255, 255, 255), -1))  # a grey picture of black and white, or nothing
    return LabelColors(list(labels), ids, colors)

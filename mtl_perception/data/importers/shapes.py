# SPDX-License-Identifier: Apache-2.0
"""Which pixels a labelled object covers, in the forms that files hold it; decoded only where it is needed."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.image_file import read_index_image
from mtl_perception.data.masks import RunLengths, encode_mask

Encoded = RunLengths | list[list[float]]
"""COCO's run lengths, or its polygons: x, y, x, y … in pixels."""

_ELLIPSE_POINTS = 64


class Shape(Protocol):
    """Can be sent to another process."""

    def encoded(self, width: int, height: int) -> Encoded:
        """As COCO's run lengths or polygons, in a picture (or the label files' frame) of this size.

        Raises:
            ValueError: it does not fit the picture, or is damaged; the text says how.
        """
        ...


class Polygons(NamedTuple):
    """Outlines, each x, y, x, y …; of a picture's width and height if the picture's labels are normalized."""

    parts: Sequence[Sequence[float]]

    def encoded(self, width: int, height: int) -> Encoded:
        return checked_polygons(self.parts)


class CocoJson(NamedTuple):
    """COCO's ``segmentation`` as the bytes of its JSON: a million of them fit into memory so."""

    json: bytes

    def encoded(self, width: int, height: int) -> Encoded:
        import msgspec

        value = msgspec.json.decode(self.json)
        if isinstance(value, list):
            if value and not isinstance(value[0], list):
                value = [value]  # one polygon without its brackets, as some converters write it
            return checked_polygons(value)
        return checked_runs(value, width, height)


@dataclass(frozen=True, slots=True)
class PixelsOf:
    """The pixels of a label image that have one of ``values``; ``in_rgb``: red + 256·green + 65536·blue."""

    path: Path
    values: tuple[int, ...]
    in_rgb: bool = False
    rgb_values: tuple[int, ...] = ()
    """The same values where the picture turns out to be in colours."""

    def encoded(self, width: int, height: int) -> Encoded:
        try:
            pixels = _label_image(self.path)
        except DataError as error:
            raise ValueError(str(error)) from error
        values = self.values
        if self.in_rgb and pixels.ndim != 3:
            raise ValueError(f"{self.path} is no colour PNG")
        if pixels.ndim == 3:
            values = self.rgb_values or values
            pixels = pixels.astype(np.int32) @ np.array([1, 256, 65536], np.int32)
        if pixels.shape != (height, width):
            raise ValueError(f"{self.path} is of {pixels.shape[1]}x{pixels.shape[0]}, the picture of {width}x{height}")
        mask = pixels == values[0] if len(values) == 1 else np.isin(pixels, values)
        if not mask.any():
            raise ValueError(f"{self.path} has no pixel of value {', '.join(map(str, values))}")
        return encode_mask(mask)


@dataclass(frozen=True, slots=True)
class PatchMask:
    """A small picture of a mask (a PNG file's bytes), not black where the object is, at ``x``, ``y`` of the whole one."""

    png: bytes
    x: int
    y: int

    def encoded(self, width: int, height: int) -> Encoded:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self.png)) as opened:
                patch = np.asarray(opened.convert("L")) > 0
        except (OSError, SyntaxError) as error:
            raise ValueError(f"its mask is no PNG: {error}") from error
        return encode_mask(pasted(patch, self.x, self.y, width, height))


@dataclass(frozen=True, slots=True)
class PatchRuns:
    """Run lengths of a part of the picture, row by row, beginning with pixels that are not of the object."""

    counts: tuple[int, ...]
    x: int
    y: int
    width: int
    height: int

    def encoded(self, width: int, height: int) -> Encoded:
        if sum(self.counts) != self.width * self.height or min(self.counts, default=0) < 0:
            raise ValueError(f"its run lengths cover {sum(self.counts)} pixels, not {self.width}x{self.height}")
        values = np.arange(len(self.counts)) % 2 == 1
        patch = np.repeat(values, self.counts).reshape(self.height, self.width)
        return encode_mask(pasted(patch, self.x, self.y, width, height))


def ellipse(rx: float, ry: float) -> list[tuple[float, float]]:
    """Returns points on an ellipse about the origin."""
    turns = (2 * math.pi * i / _ELLIPSE_POINTS for i in range(_ELLIPSE_POINTS))
    return [(rx * math.cos(turn), ry * math.sin(turn)) for turn in turns]


def turned(points: Iterable[tuple[float, float]], degrees: float) -> list[tuple[float, float]]:
    """Returns the points turned about the origin, clockwise as y points down."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(x * cosine - y * sine, x * sine + y * cosine) for x, y in points]


def pasted(patch: np.ndarray, x: int, y: int, width: int, height: int) -> np.ndarray:
    """(height, width) bool with ``patch`` at x, y; what lies beyond the edges is cut off."""
    mask = np.zeros((height, width), bool)
    left, top = max(x, 0), max(y, 0)
    part = patch[top - y : height - y, left - x : width - x]
    mask[top : top + part.shape[0], left : left + part.shape[1]] = part
    return mask


def checked_polygons(parts: Sequence[Sequence[float]]) -> list[list[float]]:
    """Raises ValueError: a part is no polygon."""
    for part in parts:
        if len(part) % 2 or len(part) < 6:
            raise ValueError(f"a polygon has {len(part)} numbers, expected x and y of at least 3 points")
    return [list(part) for part in parts]


def checked_runs(runs: Any, width: int, height: int) -> RunLengths:
    """Compressed run lengths of the picture's size. Raises ValueError."""
    if not isinstance(runs, dict) or "counts" not in runs or "size" not in runs:
        raise ValueError("its segmentation is neither polygons nor run lengths with size and counts")
    if list(runs["size"]) != [height, width]:
        raise ValueError(f"its run lengths are of size {runs['size']}, expected the picture's [{height}, {width}]")
    counts = runs["counts"]
    if isinstance(counts, list):
        if sum(counts) != width * height or min(counts, default=0) < 0:
            raise ValueError(f"its run lengths cover {sum(counts)} pixels, the picture has {width * height}")
        from faster_coco_eval import mask as coco

        encoded = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        counts = encoded["counts"].decode("ascii")
    return {"size": [height, width], "counts": counts}


@functools.lru_cache(maxsize=1)
def _label_image(path: Path) -> np.ndarray:
    """The objects of a picture come one after another, each out of the same file: the last one is kept."""
    return read_index_image(path)

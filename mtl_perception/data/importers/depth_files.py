# SPDX-License-Identifier: Apache-2.0
"""Depth images of the usual kinds, as metres."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.image_file import read_index_image


@dataclass(frozen=True, slots=True)
class DepthPng:
    """A 16-bit PNG. ``unknown``: a value that says nothing, beside 0."""

    path: Path
    metres_per_unit: float
    unknown: int = 0
    is_rotated: bool = False
    """The lowest three bits stand at the top, as SUN RGB-D stores it."""

    def read(self) -> np.ndarray:
        values = read_index_image(self.path)
        if values.ndim != 2:
            raise DataError(f"{self.path} has {values.shape[2]} channels, expected a 16-bit grey PNG", "file type")
        values = values.astype(np.uint16)
        if self.is_rotated:
            values = (values >> 3) | (values << 13)
        return np.where(values == self.unknown, 0, values * np.float32(self.metres_per_unit))


def read_poses(path: Path) -> list[tuple[float, list[float]]]:
    """(time, values) of the lines of a file with "time value value …", in the order of time; # begins a remark.

    Raises:
        DataError: it is missing, or a line can't be understood.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist", "missing")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        words = line.split("#", 1)[0].replace(",", " ").split()
        if not words:
            continue
        try:
            rows.append((float(words[0]), [float(word) for word in words[1:]]))
        except ValueError:
            raise DataError(f"{path}, line {number} is '{line[:60]}', expected numbers", "label file") from None
    return sorted(rows)

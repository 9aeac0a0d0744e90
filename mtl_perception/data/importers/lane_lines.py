# SPDX-License-Identifier: Apache-2.0
"""Lanes that are given as lines and areas, drawn as masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from mtl_perception.data.importers.image_file import ImageFile, read_header


class Stroke(NamedTuple):
    """A line, or an area if ``is_area``, of points x, y in pixels, for bit ``bit``."""

    bit: int
    points: Sequence[tuple[float, float]]
    is_area: bool = False


@dataclass(frozen=True, slots=True)
class LaneDrawing:
    """A mask of lanes, of the size of its picture.

    Attributes:
        width_px: of lines, where the picture is 1000 pixels wide; wider pictures get wider lines.
    """

    image: ImageFile
    strokes: tuple[Stroke, ...]
    width_px: float

    def read(self) -> np.ndarray:
        header = read_header(self.image.read())
        bits = np.zeros((header.height, header.width), np.uint8)
        thickness = max(1, round(self.width_px * header.width / 1000))
        for stroke in self.strokes:
            mask = np.zeros_like(bits)
            points = np.rint(np.array(stroke.points, np.float64) * 8).astype(np.int32).reshape(-1, 1, 2)
            if stroke.is_area:
                cv2.fillPoly(mask, [points], 1, shift=3)
            else:
                cv2.polylines(mask, [points], False, 1, thickness, shift=3)
            bits |= mask << stroke.bit
        return bits

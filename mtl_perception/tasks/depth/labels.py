# SPDX-License-Identifier: Apache-2.0
"""Labels of depth: (H, W) float32 metres along the optical axis, 0 unknown; in files millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import cv2
import numpy as np

from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.tasks._labels import LabelError, MapCodec, Window, padded_map

_BIN_MM = 50
_BINS = 65535 // _BIN_MM + 1


class DepthCodec(MapCodec):
    folder: ClassVar[str] = "depth"
    dtype: ClassVar[type[np.uint8 | np.uint16]] = np.uint16
    has_classes: ClassVar[bool] = False
    needs_camera: ClassVar[bool] = True

    def check(self, stored: np.ndarray, classes: int) -> None:
        if not cv2.countNonZero(stored):
            raise LabelError("is 0 (unknown) everywhere; remove 'depth' from the image's tasks", "no depth")

    def stored(self, values: np.ndarray) -> np.ndarray:
        """From metres; what is not within (0, 65.535] or not finite is unknown."""
        return depth_to_millimetres(values)

    def label(self, stored: np.ndarray, own: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
        return stored * np.float32(1e-3)

    def teaches(self, label: np.ndarray) -> bool:
        return bool((label > 0).any())

    def cropped(self, label: np.ndarray, window: Window) -> np.ndarray:
        """Metres stay as they are: a zoom is a longer focal length, and an object stands where it stood."""
        return window.nearest(label)

    def mirrored(self, label: np.ndarray, width: int) -> np.ndarray:
        return cv2.flip(label, 1)

    def padded(self, label: np.ndarray, width: int, height: int) -> np.ndarray:
        return padded_map(label, width, height, 0)

    def truth(self, label: np.ndarray) -> dict[str, Any]:
        return {"depth_m": label}

    def count(self, stored: np.ndarray) -> np.ndarray:
        """Pixels by depth, in steps of 5 cm."""
        return np.bincount(stored[stored > 0] // _BIN_MM, minlength=_BINS)

    def overview(self, counts: np.ndarray) -> list[tuple[str, str]]:
        if not counts.sum():
            return []
        below = np.cumsum(counts) / counts.sum()
        first, last = (int(np.searchsorted(below, share)) for share in (0.01, 0.99))
        return [("depth", f"{first * _BIN_MM / 1000:.2f} to {(last + 1) * _BIN_MM / 1000:.2f} m (98 % of the pixels)")]


CODEC = DepthCodec()

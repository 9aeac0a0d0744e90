# SPDX-License-Identifier: Apache-2.0
"""Labels that may overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import cv2
import numpy as np

from mtl_perception.tasks._labels import LabelError, MapCodec, Window, known_among, padded_map


class LaneLabels(NamedTuple):
    """Masks that may overlap, such as a lane's line on the drivable area.

    Attributes:
        bits: (H, W) uint8, bit k is set where class k is.
        labelled: (C,) bool, the classes that are labelled; None: all.
    """

    bits: np.ndarray
    labelled: np.ndarray | None = None

    @property
    def teaches(self) -> bool:
        """Whether any class is labelled."""
        return self.labelled is None or bool(self.labelled.any())


class LanesCodec(MapCodec):
    folder: ClassVar[str] = "lanes"
    most_classes: ClassVar[int | None] = 8

    def check(self, stored: np.ndarray, classes: int) -> None:
        highest = int(stored.max())
        if highest >= 1 << classes:
            text = f"expected 0 to {classes - 1} (lanes_labels of dataset.json)"
            raise LabelError(f"has bit {highest.bit_length() - 1} set, {text}", "unknown class")

    def label(self, stored: np.ndarray, own: Sequence[str], wanted: Sequence[str]) -> LaneLabels:
        bits = stored if list(own) == list(wanted) else cv2.LUT(stored, _bit_table(own, wanted))
        return LaneLabels(bits, known_among(wanted, own))

    def check_wanted(self, wanted: Sequence[str]) -> None:
        if len(wanted) > 8:
            raise ValueError(f"{len(wanted)} lanes labels ({', '.join(wanted)}), expected at most 8: masks share 8 bits")

    def teaches(self, label: LaneLabels) -> bool:
        return label.teaches

    def cropped(self, label: LaneLabels, window: Window) -> LaneLabels:
        return label._replace(bits=window.nearest(label.bits))

    def mirrored(self, label: LaneLabels, width: int) -> LaneLabels:
        return label._replace(bits=cv2.flip(label.bits, 1))

    def padded(self, label: LaneLabels, width: int, height: int) -> LaneLabels:
        """Masks have no value for unknown: nothing is on what was added."""
        return label._replace(bits=padded_map(label.bits, width, height, 0))


def _bit_table(own: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """(256,) uint8: bits in the order of ``own`` → those of the same names in the order of ``wanted``."""
    values = np.arange(256)
    moved = (((values >> i) & 1) << wanted.index(name) for i, name in enumerate(own) if name in wanted)
    return sum(moved, np.zeros(256, np.int64)).astype(np.uint8)


CODEC = LanesCodec()

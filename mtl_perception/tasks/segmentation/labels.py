# SPDX-License-Identifier: Apache-2.0
"""Labels of one class a pixel: (H, W) uint8 ids, 255 unlabelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import cv2
import numpy as np

from mtl_perception.core.scene import UNLABELLED
from mtl_perception.tasks._labels import LabelError, MapCodec, Tile, Window, padded_map, tiled_map


class SegmentationCodec(MapCodec):
    folder: ClassVar[str] = "semantic"
    is_listed: ClassVar[bool] = True
    most_classes: ClassVar[int | None] = UNLABELLED
    can_be_tiled: ClassVar[bool] = True

    def check(self, stored: np.ndarray, classes: int) -> None:
        if classes < UNLABELLED and cv2.countNonZero(cv2.inRange(stored, classes, UNLABELLED - 1)):
            unknown = ", ".join(str(id_) for id_ in np.unique(stored) if classes <= id_ < UNLABELLED)
            text = f"expected 0 to {classes - 1} (segmentation_labels of dataset.json) or {UNLABELLED}"
            raise LabelError(f"holds class id {unknown}, {text}", "unknown class")

    def label(self, stored: np.ndarray, own: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
        """A pixel of a class that is not wanted becomes unlabelled."""
        return stored if list(own) == list(wanted) else cv2.LUT(stored, _id_table(own, wanted))

    def check_wanted(self, wanted: Sequence[str]) -> None:
        if len(wanted) > UNLABELLED:
            raise ValueError(f"{len(wanted)} segmentation labels, expected at most {UNLABELLED}: ids have 8 bits")

    def teaches(self, label: np.ndarray) -> bool:
        return bool((label != UNLABELLED).any())

    def cropped(self, label: np.ndarray, window: Window) -> np.ndarray:
        return window.nearest(label)

    def mirrored(self, label: np.ndarray, width: int) -> np.ndarray:
        return cv2.flip(label, 1)

    def padded(self, label: np.ndarray, width: int, height: int) -> np.ndarray:
        return padded_map(label, width, height, UNLABELLED)

    def tiled(self, labels: Sequence[np.ndarray], tiles: Sequence[Tile]) -> np.ndarray:
        return tiled_map(labels, tiles)

    def truth(self, label: np.ndarray) -> dict[str, Any]:
        return {"mask": label}

    def truth_of_names(self, named: np.ndarray) -> dict[str, Any]:
        return {"mask_ids": np.flatnonzero(named)}

    def regions(self, label: np.ndarray) -> np.ndarray:
        return label

    def remark(self, stored: np.ndarray) -> str | None:
        if (stored == UNLABELLED).all():
            return f"is {UNLABELLED} (unlabelled) everywhere; it teaches nothing"
        return None

    def count(self, stored: np.ndarray) -> np.ndarray:
        """(256,) pixels by id."""
        return np.bincount(stored.ravel(), minlength=256)

    def overview(self, counts: np.ndarray) -> list[tuple[str, str]]:
        return [("pixels unlabelled", f"{counts[UNLABELLED] / counts.sum():.1%}")]

    def shares(self, counts: np.ndarray | None, classes: Sequence[str]) -> dict[str, float]:
        counts = np.zeros(256, np.int64) if counts is None else counts
        labelled = max(1, counts[:UNLABELLED].sum())
        return {name: float(counts[i] / labelled) for i, name in enumerate(classes)}


def _id_table(own: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """(256,) uint8: an id among ``own`` → that of the same name among ``wanted``, 255 if none."""
    table = np.full(256, UNLABELLED, np.uint8)
    for i, name in enumerate(own):
        if name in wanted:
            table[i] = wanted.index(name)
    return table


CODEC = SegmentationCodec()

# SPDX-License-Identifier: Apache-2.0
"""Labels of instances: the visible pixels of each object, from the masks that boxes have in annotations.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import cv2
import numpy as np

from mtl_perception.tasks._labels import MasksCodec, Window, padded_map


class InstanceLabels(NamedTuple):
    """The objects of one image.

    Attributes:
        ids: (H, W) uint16, 1 to N where a pixel shows that object, 0 elsewhere. A pixel of several masks is of the smallest: it lies in
            front.
        class_ids: (N,) int64, of the detection labels.
        is_complete: whether each box of the image has a mask.
    """

    ids: np.ndarray
    class_ids: np.ndarray
    is_complete: bool = True


class InstancesCodec(MasksCodec):
    made_from: ClassVar[str] = "detection"

    def of_masks(self, masks: Sequence[np.ndarray | None], class_ids: np.ndarray, size: tuple[int, int]) -> InstanceLabels:
        ids = np.zeros(size, np.uint16)
        known = [(number, mask) for number, mask in enumerate(masks, start=1) if mask is not None and mask.any()]
        for number, mask in sorted(known, key=lambda item: -np.count_nonzero(item[1])):
            ids[mask] = number
        return InstanceLabels(ids, class_ids, len(known) == len(masks))

    def teaches(self, label: InstanceLabels) -> bool:
        return bool(label.ids.any())

    def cropped(self, label: InstanceLabels, window: Window) -> InstanceLabels:
        return label._replace(ids=window.nearest(label.ids))

    def mirrored(self, label: InstanceLabels, width: int) -> InstanceLabels:
        return label._replace(ids=cv2.flip(label.ids, 1))

    def padded(self, label: InstanceLabels, width: int, height: int) -> InstanceLabels:
        return label._replace(ids=padded_map(label.ids, width, height, 0))


CODEC = InstancesCodec()

# SPDX-License-Identifier: Apache-2.0
"""Images with their truth in a model's own labels, from a data folder or from a bag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mtl_perception.bags import Bag, BagError, Topic
from mtl_perception.evaluation.ground_truth import BagTruth
from mtl_perception.evaluation.truth import Truth
from mtl_perception.geometry import Intrinsics
from mtl_perception.scene import UNLABELLED

Sample = tuple[np.ndarray, "Intrinsics | None", Truth]
"""(image_rgb, intrinsics, truth)."""


class FolderSamples:
    """Every image of a data folder, or ``limit`` of them spread evenly.

    Attributes:
        left_out: classes of the folder that the model does not know; they are not scored.

    Raises:
        DataError: the folder can't be used.
    """

    def __init__(self, root: Path, card: Any, limit: int | None = None) -> None:
        from mtl_perception.data.folder import ImageFolder

        self._folder = ImageFolder(root)
        self._chosen = _spread(len(self._folder), limit)
        self._things = id_table(self._folder.detection_labels, card.detection_labels)
        self._stuff = id_table(self._folder.segmentation_labels, card.segmentation_labels)
        known = {*card.detection_labels, *card.segmentation_labels}
        self.left_out = {*self._folder.detection_labels, *self._folder.segmentation_labels} - known

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Sample]:
        for index in self._chosen:
            sample = self._folder[int(index)]
            yield sample.image, sample.intrinsics, self._renamed(Truth.of_sample(sample))

    def _renamed(self, truth: Truth) -> Truth:
        boxes_xyxy, class_ids, mask = truth.boxes_xyxy, truth.class_ids, truth.mask
        if boxes_xyxy is not None:
            class_ids = self._things[class_ids]
            known = class_ids != UNLABELLED
            boxes_xyxy, class_ids = boxes_xyxy[known], class_ids[known]
        if mask is not None:
            mask = self._stuff[mask]
        return replace(truth, boxes_xyxy=boxes_xyxy, class_ids=class_ids, mask=mask)


class BagSamples:
    """Every image of an open bag that has ground truth, or ``limit`` of them spread evenly.

    Attributes:
        left_out: classes of the bag that the model does not know; they are not scored.
        stamps_ns: of the images, in order.

    Raises:
        BagError: no image has ground truth, or the bag is damaged.
    """

    def __init__(
        self, bag: Bag, image: Topic, camera_info: Topic | None, card: Any, limit: int | None = None
    ) -> None:
        self._bag, self._image, self._camera_info = bag, image, camera_info
        self._truth = BagTruth(bag, card.detection_labels, card.segmentation_labels)
        if not len(self._truth):
            raise BagError(
                f"bag {bag.path} holds no ground truth under /ground_truth/: there is nothing to score"
            )
        chosen = _spread(len(self._truth), limit)
        self.stamps_ns = [self._truth.stamps_ns[index] for index in chosen]
        self.left_out = self._truth.left_out

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def __iter__(self) -> Iterator[Sample]:
        wanted = set(self.stamps_ns)
        for frame in self._bag.frames(self._image, self._camera_info):
            if frame.stamp_ns in wanted and frame.image_rgb is not None:
                yield frame.image_rgb, frame.intrinsics, self._truth.at(frame.stamp_ns)


def id_table(labels: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """(256,) uint8: an id among ``labels`` → that of the same name among ``wanted``, 255 if none."""
    table = np.full(256, UNLABELLED, np.uint8)
    for index, name in enumerate(labels):
        if name in wanted:
            table[index] = list(wanted).index(name)
    return table


def _spread(count: int, limit: int | None) -> np.ndarray:
    return (
        np.arange(count)
        if limit is None or limit >= count
        else np.linspace(0, count - 1, limit).round().astype(int)
    )

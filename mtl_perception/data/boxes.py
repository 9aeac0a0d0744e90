# SPDX-License-Identifier: Apache-2.0
"""The boxes of a data folder, kept as a few arrays: loader processes get a copy each."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtl_perception.core.scene import Boxes3D
from mtl_perception.data.format import ImageEntry
from mtl_perception.data.index import Index


class BoxArrays(NamedTuple):
    """The boxes of one image, as ``BoxLabels`` has them."""

    boxes_xyxy: np.ndarray
    class_ids: np.ndarray
    labelled: np.ndarray | None
    boxes_3d: Boxes3D | None
    weights: np.ndarray | None


class BoxTable:
    """Every box of a checked index; ``kind`` is the one whose labels they are.

    A crowd (``iscrowd``) says that there are more objects of its class than boxes. It is no box to learn, and what lies in
    it is not background either, so its class counts as unlabelled in that image and the image's other boxes of the class
    are left out too.
    """

    def __init__(self, index: Index, kind: str) -> None:
        labels = index.description.labels(kind)
        position = {id_: labels.index(name) for id_, name in index.categories.items()}
        images = {image.id: (row, image) for row, image in enumerate(index.images)}
        self._rows = {id_: row for id_, (row, _) in images.items()}

        # (images, classes) whether every object of the class has a box there.
        self._labelled = np.ones((len(images), len(labels)), bool)
        for row, image in enumerate(index.images):
            if image.detection_labels is not None:
                self._labelled[row] = [name in image.detection_labels for name in labels]
        for annotation in index.annotations:
            if annotation.iscrowd:
                self._labelled[self._rows[annotation.image_id], position[annotation.category_id]] = False

        rows = np.array([self._rows[a.image_id] for a in index.annotations], np.int64)
        class_ids = np.array([position[a.category_id] for a in index.annotations], np.int64)
        xywh = np.array([a.bbox for a in index.annotations], np.float32).reshape(-1, 4)
        boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)
        limits = np.array([(image.width, image.height) * 2 for image in index.images], np.float32).reshape(-1, 4)
        boxes = np.clip(boxes, 0, limits[rows])

        order = np.argsort(rows, kind="stable")
        proposed = np.array([a.score is not None and not a.iscrowd for a in index.annotations], bool)
        order = order[self._labelled[rows[order], class_ids[order]] | proposed[order]]
        self._places = order
        self._boxes, self._class_ids = boxes[order], class_ids[order]
        scores = np.array([1.0 if a.score is None else a.score for a in index.annotations], np.float32)
        self._weights = scores[order] if proposed.any() else None
        self._boxes_3d = _boxes_3d(index)[order] if any(a.box_3d for a in index.annotations) else None
        self._starts = np.searchsorted(rows[order], np.arange(len(images) + 1))

    def of_image(self, image: ImageEntry) -> BoxArrays:
        """The image's boxes, clipped to it, and the classes that are labelled in it."""
        row, part = self._part(image)
        labelled = self._labelled[row]
        boxes_3d = None if self._boxes_3d is None else _as_scene(self._boxes_3d[part])
        return BoxArrays(
            self._boxes[part],
            self._class_ids[part],
            None if labelled.all() else labelled,
            boxes_3d,
            None if self._weights is None else self._weights[part],
        )

    def places(self, image: ImageEntry) -> np.ndarray:
        """(N,) where in annotations.json the image's boxes stand, counted from 0."""
        return self._places[self._part(image)[1]]

    def _part(self, image: ImageEntry) -> tuple[int, slice]:
        row = self._rows[image.id]
        return row, slice(int(self._starts[row]), int(self._starts[row + 1]))

    def with_labels(self, labels: Sequence[str], wanted: Sequence[str]) -> BoxTable:
        """The same boxes with ids among ``wanted`` instead of ``labels``; boxes of other classes are left out, and a class
        that is not among ``labels`` is unlabelled everywhere."""
        table = copy.copy(self)
        ids = np.array([wanted.index(name) if name in wanted else -1 for name in labels], np.int64)
        table._labelled = np.zeros((len(self._labelled), len(wanted)), bool)
        table._labelled[:, ids[ids >= 0]] = self._labelled[:, ids >= 0]
        class_ids = ids[self._class_ids] if len(ids) else self._class_ids
        kept = class_ids >= 0
        table._boxes, table._class_ids, table._places = self._boxes[kept], class_ids[kept], self._places[kept]
        table._boxes_3d = None if self._boxes_3d is None else self._boxes_3d[kept]
        table._weights = None if self._weights is None else self._weights[kept]
        table._starts = np.concatenate([[0], np.cumsum(kept)])[self._starts]
        return table


def _boxes_3d(index: Index) -> np.ndarray:
    """(N, 10) float64: centre, size, quaternion; NaN where an annotation has none."""
    unknown = (np.nan,) * 10
    boxes = (a.box_3d for a in index.annotations)
    rows = [unknown if box is None else (*box.center_m, *box.size_m, *box.quaternion_xyzw) for box in boxes]
    return np.array(rows, np.float64).reshape(-1, 10)


def _as_scene(rows: np.ndarray) -> Boxes3D:
    valid = np.isfinite(rows).all(1)
    sizes_m = np.where(valid[:, None], rows[:, 3:6], 0.0)
    quaternions_xyzw = np.where(valid[:, None], rows[:, 6:], [0.0, 0.0, 0.0, 1.0])
    covariances_m2 = np.where(valid[:, None, None], np.zeros((3, 3)), np.nan)
    return Boxes3D(rows[:, :3], sizes_m, quaternions_xyzw, covariances_m2, valid)

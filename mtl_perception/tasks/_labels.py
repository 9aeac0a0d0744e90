# SPDX-License-Identifier: Apache-2.0
"""Codecs: how labels are stored in data folders, and how they are cropped, resized and mirrored with their image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import cv2
import numpy as np

from mtl_perception.core.scene import Boxes3D
from mtl_perception.tasks._sample import Sample

Place = Literal["annotations", "classes", "map", "made"]
"""Where a data folder has the labels. ``annotations``: boxes in annotations.json. ``classes``: class names in an image's entry there.
``map``: a PNG for each image, in a folder of their own. ``made``: not stored, but computed from another kind's."""


class LabelError(ValueError):
    """Invalid values of a label; the message begins with a verb, as its subject is the file.

    Attributes:
        kind: a word or two for tables.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Window(NamedTuple):
    """A part of an image, resized to ``width`` × ``height``; all in pixels."""

    left: int
    top: int
    part_width: int
    part_height: int
    width: int
    height: int

    @property
    def scale(self) -> tuple[float, float]:
        """Factors of x and y."""
        return self.width / self.part_width, self.height / self.part_height

    def part(self, pixels: np.ndarray) -> np.ndarray:
        """The window of (H, W, …) ``pixels``, not resized; a view."""
        return pixels[self.top : self.top + self.part_height, self.left : self.left + self.part_width]

    def nearest(self, pixels: np.ndarray) -> np.ndarray:
        """The window of (H, W, …) ``pixels``, each of its pixels as the nearest one was."""
        return cv2.resize(self.part(pixels), (self.width, self.height), interpolation=cv2.INTER_NEAREST_EXACT)


class Tile(NamedTuple):
    """Where an image lies in one that is put together of several; all in pixels."""

    left: int
    top: int
    width: int
    height: int


def tiled_map(parts: Sequence[np.ndarray], tiles: Sequence[Tile]) -> np.ndarray:
    """(H, W, …) pixels put together from those of each tile; the tiles cover it."""
    height, width = max(tile.top + tile.height for tile in tiles), max(tile.left + tile.width for tile in tiles)
    whole = np.empty((height, width, *parts[0].shape[2:]), parts[0].dtype)
    for part, tile in zip(parts, tiles, strict=True):
        whole[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] = part
    return whole


def padded_map(pixels: np.ndarray, width: int, height: int, unknown: int) -> np.ndarray:
    """(H, W, …) ``pixels`` extended to (height, width, …) with ``unknown``, right and below."""
    below, right = height - pixels.shape[0], width - pixels.shape[1]
    return cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_CONSTANT, value=[unknown] * 4)


class LabelCodec(ABC):
    """Reads, writes, checks, counts and augments labels of one kind.

    Attributes:
        place: where a data folder has them.
        folder: of a ``map``: the folder of its PNGs.
        dtype: of a ``map``: type of the PNGs' values, uint8 or uint16.
        has_classes: whether dataset.json lists their classes, under ``KIND_labels``.
        is_listed: whether that list is required, even if it is empty.
        most_classes: largest number of classes; None: any.
        needs_camera: whether they require the camera's intrinsics.
        made_from: of a ``made`` kind: the kind that it is computed from.
        can_be_tiled: whether an image put together from parts of others has a sensible label of this kind.
    """

    place: ClassVar[Place]
    folder: ClassVar[str] = ""
    dtype: ClassVar[type[np.uint8 | np.uint16]] = np.uint8
    has_classes: ClassVar[bool] = True
    is_listed: ClassVar[bool] = False
    most_classes: ClassVar[int | None] = None
    needs_camera: ClassVar[bool] = False
    made_from: ClassVar[str | None] = None
    can_be_tiled: ClassVar[bool] = False

    @abstractmethod
    def teaches(self, label: Any) -> bool:
        """Whether ``label`` has any known value to train on."""

    @abstractmethod
    def cropped(self, label: Any, window: Window) -> Any:
        """``label`` for a window of its image."""

    @abstractmethod
    def mirrored(self, label: Any, width: int) -> Any:
        """``label`` flipped horizontally; ``width`` of the image in pixels."""

    @abstractmethod
    def padded(self, label: Any, width: int, height: int) -> Any:
        """``label`` for its image extended right and below to ``width`` × ``height`` pixels; the added area is unlabelled."""

    def tiled(self, labels: Sequence[Any], tiles: Sequence[Tile]) -> Any:
        """One label for images that are put together as ``tiles`` of one; of kinds that ``can_be_tiled``."""
        raise NotImplementedError

    def truth(self, label: Any) -> dict[str, Any]:
        """Fields of ``Truth`` for ``label``, beside ``Truth.labels``."""
        return {}

    def truth_of_names(self, named: np.ndarray) -> dict[str, Any]:
        """Fields of ``Truth`` that follow from ``named``, (C,) bool: which classes the data set has a name for, where it has not all."""
        return {}

    def regions(self, label: Any) -> np.ndarray | None:
        """(H, W) uint8 class ids, 255 for none, if the labels are one class per pixel; otherwise None."""
        return None


class BoxesCodec(LabelCodec):
    """Labels that are the boxes in annotations.json; exactly one kind."""

    place: ClassVar[Place] = "annotations"
    is_listed: ClassVar[bool] = True

    @abstractmethod
    def of_boxes(
        self,
        boxes_xyxy: np.ndarray,
        class_ids: np.ndarray,
        labelled: np.ndarray | None,
        boxes_3d: Boxes3D | None,
        weights: np.ndarray | None,
    ) -> Any:
        """The label of an image.

        Args:
            boxes_xyxy: (N, 4) float32, pixels.
            class_ids: (N,) int64.
            labelled: (C,) bool, the classes that are labelled exhaustively; None: all.
            boxes_3d: of the N boxes; None without such annotations.
            weights: (N,) float32 in (0, 1], confidence of proposed boxes; None: all are 1.
        """


class ClassesCodec(LabelCodec):
    """Labels that are the class names under ``classes`` in annotations.json; exactly one kind."""

    place: ClassVar[Place] = "classes"

    @abstractmethod
    def of_classes(self, present: np.ndarray, labelled: np.ndarray | None) -> Any:
        """The label of an image, from (C,) bool ``present``, and (C,) bool, the classes for which that is known; None: all."""


class MapCodec(LabelCodec):
    """Labels with one value per pixel, in a PNG for each image."""

    place: ClassVar[Place] = "map"

    def check(self, stored: np.ndarray, classes: int) -> None:
        """Check the values of a PNG, (H, W) of ``dtype``; ``classes``: number of classes in dataset.json.

        Raises:
            LabelError: a value is invalid.
        """

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Values of the PNG for ``values``, (H, W) as they are given to the writer.

        Raises:
            ValueError: they are of the wrong type.
        """
        if values.dtype != self.dtype:
            raise ValueError(f"holds {values.dtype}, expected {np.dtype(self.dtype)}")
        return values

    @abstractmethod
    def label(self, stored: np.ndarray, own: Sequence[str], wanted: Sequence[str]) -> Any:
        """The label of a sample from its PNG, mapped from the folder's ``own`` classes to the ``wanted`` ones.

        Raises:
            ValueError: too many classes are wanted.
        """

    def check_wanted(self, wanted: Sequence[str]) -> None:
        """Raises ValueError if too many classes are wanted."""

    def remark(self, stored: np.ndarray) -> str | None:
        """A warning about unusual values that need not be wrong, beginning with a verb; None without any."""
        return None

    def count(self, stored: np.ndarray) -> np.ndarray | None:
        """Integer counts, to be summed over the PNGs of a folder; None if there is nothing to count."""
        return None

    def overview(self, counts: np.ndarray) -> list[tuple[str, str]]:
        """Rows of a table, (name, text), from sums of ``count``."""
        return []

    def shares(self, counts: np.ndarray | None, classes: Sequence[str]) -> dict[str, float]:
        """Share of each class in the labelled pixels, from sums of ``count`` (None: there are none); empty if the
        kind has no such shares."""
        return {}


class MadeCodec(LabelCodec):
    """Labels that are computed from another kind's when they are needed."""

    place: ClassVar[Place] = "made"
    has_classes: ClassVar[bool] = False
    made_from: ClassVar[str]

    @abstractmethod
    def make(self, source: Any, sample: Sample) -> Any:
        """The label, computed from the label ``source`` of the kind ``made_from``."""


class MasksCodec(LabelCodec):
    """Labels computed from the masks of the boxes in annotations.json; exactly one kind. ``made_from`` is the kind of the boxes."""

    place: ClassVar[Place] = "made"
    has_classes: ClassVar[bool] = False
    made_from: ClassVar[str]

    @abstractmethod
    def of_masks(self, masks: Sequence[np.ndarray | None], class_ids: np.ndarray, size: tuple[int, int]) -> Any:
        """The label of an image.

        Args:
            masks: of each of the image's N boxes (H, W) bool, or None without a mask.
            class_ids: (N,) int64.
            size: H and W.
        """


def known_among(wanted: Sequence[str], own: Sequence[str]) -> np.ndarray | None:
    """(C,) bool, which of the ``wanted`` classes are in ``own``; None: all."""
    found = np.isin(wanted, own)
    return None if found.all() else found


def truth_fields(sample: Sample, codecs: Mapping[str, LabelCodec]) -> dict[str, Any]:
    """Fields of ``Truth`` for the labels of ``sample``."""
    fields: dict[str, Any] = {"labels": dict(sample.labels)}
    for kind, label in sample.labels.items():
        fields |= codecs[kind].truth(label)
        if kind in sample.named:
            fields |= codecs[kind].truth_of_names(sample.named[kind])
    return fields

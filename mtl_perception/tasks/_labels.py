# SPDX-License-Identifier: Apache-2.0
"""How a task's labels are kept in data folders, and what becomes of them when their image is cropped, zoomed or mirrored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import cv2
import numpy as np

from mtl_perception.core.scene import Boxes3D
from mtl_perception.tasks._sample import Sample

Place = Literal["annotations", "classes", "map", "made"]
"""Where in a data folder labels stand: ``annotations``: boxes of annotations.json. ``classes``: names in an image's entry there.
``map``: a PNG for each image in a folder of its own. ``made``: nowhere, they are made of another kind's."""


class LabelError(ValueError):
    """Values that no label of this kind has; the message begins with a verb, as its subject is the file.

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


def padded_map(pixels: np.ndarray, width: int, height: int, unknown: int) -> np.ndarray:
    """(H, W, …) ``pixels`` with ``unknown`` right and below, (height, width, …)."""
    below, right = height - pixels.shape[0], width - pixels.shape[1]
    return cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_CONSTANT, value=[unknown] * 4)


class LabelCodec(ABC):
    """Labels of one kind: reads, writes, checks, counts and changes them.

    Attributes:
        place: where they stand in a data folder.
        folder: of a ``map``: the folder of its PNGs.
        dtype: of a ``map``: uint8 or uint16, what its PNGs hold.
        has_classes: whether dataset.json lists classes of them, under ``KIND_labels``.
        is_listed: whether dataset.json must have that list, if only an empty one.
        most_classes: as many as fit.
        needs_camera: whether they mean nothing without the camera's intrinsics.
        made_from: of a ``made`` kind: the kind that it is made from.
    """

    place: ClassVar[Place]
    folder: ClassVar[str] = ""
    dtype: ClassVar[type[np.uint8 | np.uint16]] = np.uint8
    has_classes: ClassVar[bool] = True
    is_listed: ClassVar[bool] = False
    most_classes: ClassVar[int | None] = None
    needs_camera: ClassVar[bool] = False
    made_from: ClassVar[str | None] = None

    @abstractmethod
    def teaches(self, label: Any) -> bool:
        """Whether anything is known in ``label``."""

    @abstractmethod
    def cropped(self, label: Any, window: Window) -> Any:
        """``label`` of a part of its image."""

    @abstractmethod
    def mirrored(self, label: Any, width: int) -> Any:
        """``label`` as seen in a mirror; ``width`` of the image in pixels."""

    @abstractmethod
    def padded(self, label: Any, width: int, height: int) -> Any:
        """``label`` of its image extended right and below to ``width`` × ``height`` pixels, where nothing is known."""

    def truth(self, label: Any) -> dict[str, Any]:
        """Fields of ``Truth`` that ``label`` fills, beside ``labels``."""
        return {}

    def truth_of_names(self, named: np.ndarray) -> dict[str, Any]:
        """Fields of ``Truth`` that follow from ``named``, (C,) bool: which classes the data set has a name for, where it has not all."""
        return {}

    def regions(self, label: Any) -> np.ndarray | None:
        """(H, W) uint8 ids of classes that share the image among them, 255 for none, where the labels are such."""
        return None


class BoxesCodec(LabelCodec):
    """Labels that are the boxes of annotations.json; one kind is."""

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
            labelled: (C,) bool, the classes whose every object has a box; None: all of them.
            boxes_3d: of the N boxes; None where no annotation says it.
            weights: (N,) float32 in (0, 1], how sure it is that there is such an object; None: entirely.
        """


class ClassesCodec(LabelCodec):
    """Labels that are the names under ``classes`` of an image's entry in annotations.json; one kind is."""

    place: ClassVar[Place] = "classes"

    @abstractmethod
    def of_classes(self, present: np.ndarray, labelled: np.ndarray | None) -> Any:
        """The label of an image, from (C,) bool whether each class applies, and of which that is known; None: of all."""


class MapCodec(LabelCodec):
    """Labels of one value a pixel, in a PNG for each image."""

    place: ClassVar[Place] = "map"

    def check(self, stored: np.ndarray, classes: int) -> None:
        """Check what a PNG holds, (H, W) of ``dtype``; ``classes``: how many dataset.json lists.

        Raises:
            LabelError: a value means nothing.
        """

    def stored(self, values: np.ndarray) -> np.ndarray:
        """Returns what the PNG holds of ``values``, (H, W) as the writer is given them.

        Raises:
            ValueError: they are of another type.
        """
        if values.dtype != self.dtype:
            raise ValueError(f"holds {values.dtype}, expected {np.dtype(self.dtype)}")
        return values

    @abstractmethod
    def label(self, stored: np.ndarray, own: Sequence[str], wanted: Sequence[str]) -> Any:
        """The label of a sample, from its PNG in the folder's ``own`` classes, in the classes that are ``wanted``.

        Raises:
            ValueError: so many classes can't be had.
        """

    def check_wanted(self, wanted: Sequence[str]) -> None:
        """Raises ValueError where labels can't be had in so many classes."""

    def remark(self, stored: np.ndarray) -> str | None:
        """Returns a remark about a PNG that is odd and need not be wrong, or None; it begins with a verb."""
        return None

    def count(self, stored: np.ndarray) -> np.ndarray | None:
        """Whole numbers to be summed over the PNGs of a folder; None where there is nothing to count."""
        return None

    def overview(self, counts: np.ndarray) -> list[tuple[str, str]]:
        """Lines of a table, (what, how much), from sums of ``count``."""
        return []

    def shares(self, counts: np.ndarray | None, classes: Sequence[str]) -> dict[str, float]:
        """Share of each class among the labelled pixels, from sums of ``count``, None without any; empty where the
        kind has no such share."""
        return {}


class MadeCodec(LabelCodec):
    """Labels that are made of another kind's, when somebody asks for them."""

    place: ClassVar[Place] = "made"
    has_classes: ClassVar[bool] = False
    made_from: ClassVar[str]

    @abstractmethod
    def make(self, source: Any, sample: Sample) -> Any:
        """The label, from the label ``source`` of the kind ``made_from``."""


class MasksCodec(LabelCodec):
    """Labels made of the masks that the boxes of annotations.json have; one kind is. ``made_from`` is the kind of the boxes."""

    place: ClassVar[Place] = "made"
    has_classes: ClassVar[bool] = False
    made_from: ClassVar[str]

    @abstractmethod
    def of_masks(self, masks: Sequence[np.ndarray | None], class_ids: np.ndarray, size: tuple[int, int]) -> Any:
        """The label of an image.

        Args:
            masks: (H, W) bool of each of the image's N boxes; None where it has none.
            class_ids: (N,) int64.
            size: H and W.
        """


def known_among(wanted: Sequence[str], own: Sequence[str]) -> np.ndarray | None:
    """(C,) bool, which of the classes ``wanted`` are among ``own``; None: all."""
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

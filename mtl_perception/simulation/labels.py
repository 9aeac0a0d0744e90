# SPDX-License-Identifier: Apache-2.0
"""The classes that a rendered room knows, in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mtl_perception.core.scene import UNLABELLED

SEGMENTATION_LABELS = (
    "floor", "wall", "ceiling", "door", "window", "table", "chair", "shelf", "cabinet",
    "box", "can", "bottle", "cup", "bowl", "fruit", "book", "bin",
)  # fmt: skip
DETECTION_LABELS = SEGMENTATION_LABELS[3:]
SMALL_LABELS = ("can", "bottle", "cup", "bowl", "fruit", "book")
CLUTTER = "clutter"
"""Label of objects without a name. Like all that a label set does not name (a lamp, a kettle) it has segmentation id 255 and no box."""


@dataclass(frozen=True)
class LabelSet:
    """The classes of one data set.

    An object whose class is in neither list is unlabelled. Parts of other objects, such as handles, have classes that only
    ``detection`` lists: their pixels keep the class of what they are part of.

    Attributes:
        segmentation: names in the order of their ids in masks.
        detection: names of what gets boxes, each of which marks every visible object of its class.
        small: names of what views from close by look for.
        parts: whether parts of objects are told apart.
    """

    segmentation: tuple[str, ...]
    detection: tuple[str, ...]
    small: tuple[str, ...] = SMALL_LABELS
    parts: bool = True

    def segmentation_id(self, label: str) -> int:
        """Id of ``label`` in a mask; clutter is unlabelled."""
        return self.segmentation.index(label) if label in self.segmentation else UNLABELLED

    def with_objects(self, labels: Iterable[str], small: Iterable[str]) -> LabelSet:
        """This set and objects of these classes, some of them ``small``; they come last where they are new."""

        def extended(known: tuple[str, ...], names: Iterable[str]) -> tuple[str, ...]:
            return (*known, *(name for name in names if name not in known))

        names = tuple(labels)
        return replace(
            self,
            segmentation=extended(self.segmentation, names),
            detection=extended(self.detection, names),
            small=extended(self.small, small),
        )


FIRST_LABELS = LabelSet(SEGMENTATION_LABELS, DETECTION_LABELS, parts=False)
_LARGE_OBJECTS = ("sofa", "bed", "screen", "plant", "refrigerator")
_PARTS = ("handle", "cabinet door", "refrigerator door", "pillow", "sink")
SECOND_LABELS = LabelSet((*SEGMENTATION_LABELS, *_LARGE_OBJECTS), (*DETECTION_LABELS, *_LARGE_OBJECTS, *_PARTS))

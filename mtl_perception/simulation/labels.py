# SPDX-License-Identifier: Apache-2.0
"""The classes that a rendered room knows, in the order of their ids."""

from __future__ import annotations

from mtl_perception.scene import UNLABELLED

SEGMENTATION_LABELS = (
    "floor", "wall", "ceiling", "door", "window", "table", "chair", "shelf", "cabinet",
    "box", "can", "bottle", "cup", "bowl", "fruit", "book", "bin",
)  # fmt: skip
DETECTION_LABELS = SEGMENTATION_LABELS[3:]
SMALL_LABELS = ("can", "bottle", "cup", "bowl", "fruit", "book")
CLUTTER = "clutter"
"""Things of no class (a sofa, a plant, a lamp): segmentation id 255, no box."""


def segmentation_id(label: str) -> int:
    """Id of ``label`` in a segmentation mask; clutter is unlabelled."""
    return UNLABELLED if label == CLUTTER else SEGMENTATION_LABELS.index(label)

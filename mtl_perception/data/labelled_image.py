# SPDX-License-Identifier: Apache-2.0
"""An image and everything that is known of it, as the writer takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.format import TASKS


@dataclass(frozen=True)
class Instance:
    """One thing in an image.

    Attributes:
        label: its class, one of the data set's detection labels.
        box_xyxy: (4,) pixels, right and bottom edges exclusive.
        mask: (H, W) bool, its visible pixels; None where only the box is known.
        is_crowd: a group of things that nobody told apart.
        box_3d: ``center_m`` (3), ``size_m`` (3) and ``quaternion_xyzw`` (4) in the camera's optical frame, where known.
    """

    label: str
    box_xyxy: Sequence[float]
    mask: np.ndarray | None = None
    is_crowd: bool = False
    box_3d: Mapping[str, Sequence[float]] | None = None

    @classmethod
    def of_mask(cls, label: str, mask: np.ndarray, box_3d: Mapping[str, Sequence[float]] | None = None) -> Instance:
        """An instance with the tight box of ``mask``, (H, W) bool with at least one pixel."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            raise ValueError(f"the mask of an instance of '{label}' is empty, expected at least one pixel")
        return cls(
            label,
            (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1),
            mask,
            box_3d=box_3d,
        )


@dataclass(frozen=True)
class LabelledImage:
    """An image and what is known of it; a label that is None is not labelled, which differs from "nothing is there".

    Attributes:
        image: (H, W, 3) uint8 RGB.
        intrinsics: of this image; None if the camera is not calibrated (then there can be no depth).
        group: what a split must keep together, such as the room or the drive.
        instances: every thing of the data set's detection labels, or of ``detection_labels``.
        semantic: (H, W) uint8 class ids, 255 unlabelled.
        depth_m: (H, W) metres along the optical axis; anything not within (0, 65.535] or not finite is stored as unknown.
        detection_labels: the classes that are labelled in this image, if not all.
        classes: what the image as a whole is, of the data set's classification labels.
        lanes: (H, W) uint8, bit k set where class k of the data set's lanes labels is.
    """

    image: np.ndarray
    intrinsics: Intrinsics | None
    group: str
    instances: Sequence[Instance] | None = None
    semantic: np.ndarray | None = None
    depth_m: np.ndarray | None = None
    detection_labels: Sequence[str] | None = None
    classes: Sequence[str] | None = None
    lanes: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = self.image.shape[:2]
        if self.image.dtype != np.uint8 or self.image.shape != (*shape, 3):
            raise ValueError(f"image holds {self.image.dtype} of shape {self.image.shape}, expected uint8 of shape (H, W, 3)")
        if self.intrinsics is not None and (self.intrinsics.height, self.intrinsics.width) != shape:
            raise ValueError(f"intrinsics are of {self.intrinsics.width}x{self.intrinsics.height}, the image is {shape[1]}x{shape[0]}")
        if self.intrinsics is None and self.depth_m is not None:
            raise ValueError("depth needs the camera's intrinsics: a network can't learn metres from an unknown lens")
        for name, values in (("semantic", self.semantic), ("lanes", self.lanes)):
            if values is not None and (values.dtype != np.uint8 or values.shape != shape):
                raise ValueError(f"{name} holds {values.dtype} of shape {values.shape}, expected uint8 of shape {shape}")
        if self.depth_m is not None and self.depth_m.shape != shape:
            raise ValueError(f"depth_m has shape {self.depth_m.shape}, expected the image's {shape}")
        for instance in self.instances or ():
            if instance.mask is not None and instance.mask.shape != shape:
                raise ValueError(f"the mask of a '{instance.label}' has shape {instance.mask.shape}, expected the image's {shape}")
        if not self.tasks:
            raise ValueError("an image without any label teaches nothing; give instances, semantic, depth_m, classes or lanes")

    @property
    def tasks(self) -> list[str]:
        """The kinds of task that it is labelled for."""
        labels = zip(TASKS, (self.instances, self.semantic, self.depth_m, self.classes, self.lanes), strict=True)
        return [task for task, label in labels if label is not None]

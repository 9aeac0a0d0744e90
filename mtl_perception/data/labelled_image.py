# SPDX-License-Identifier: Apache-2.0
"""An image and everything that is known of it, as the writer takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.tasks import BOXED, LABELS, NAMED, MapCodec


@dataclass(frozen=True)
class Instance:
    """One object in an image.

    Attributes:
        label: its class, one of the data set's detection labels.
        box_xyxy: (4,) pixels, right and bottom edges exclusive.
        mask: (H, W) bool, its visible pixels; None where only the box is known.
        is_crowd: a group of objects that nobody told apart.
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
        instances: every object of the data set's detection labels, or of ``detection_labels``.
        maps: by kind of label, (H, W) values as ``MapCodec.stored`` of that kind takes them, such as
            {"segmentation": uint8 ids, 255 unlabelled; "depth": metres}.
        detection_labels: the classes that are labelled in this image, if not all.
        classes: what the image as a whole is, of the data set's classification labels.
    """

    image: np.ndarray
    intrinsics: Intrinsics | None
    group: str
    instances: Sequence[Instance] | None = None
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    detection_labels: Sequence[str] | None = None
    classes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        shape = self.image.shape[:2]
        if self.image.dtype != np.uint8 or self.image.shape != (*shape, 3):
            raise ValueError(f"image holds {self.image.dtype} of shape {self.image.shape}, expected uint8 of shape (H, W, 3)")
        if self.intrinsics is not None and (self.intrinsics.height, self.intrinsics.width) != shape:
            raise ValueError(f"intrinsics are of {self.intrinsics.width}x{self.intrinsics.height}, the image is {shape[1]}x{shape[0]}")
        for kind, values in self.maps.items():
            if not isinstance(codec := LABELS.get(kind), MapCodec):
                kinds = ", ".join(kind for kind, codec in LABELS.items() if isinstance(codec, MapCodec))
                raise ValueError(f"maps has '{kind}', expected some of {kinds}")
            if self.intrinsics is None and codec.needs_camera:
                raise ValueError(f"{kind} needs the camera's intrinsics: a network can't learn metres from an unknown lens")
            if values.shape != shape:
                raise ValueError(f"{kind} has shape {values.shape}, expected the image's {shape}")
            try:
                codec.stored(values[:1])
            except ValueError as error:
                raise ValueError(f"{kind} {error}") from None
        for instance in self.instances or ():
            if instance.mask is not None and instance.mask.shape != shape:
                raise ValueError(f"the mask of a '{instance.label}' has shape {instance.mask.shape}, expected the image's {shape}")
        if not self.tasks:
            raise ValueError("an image without any label teaches nothing; give instances, maps or classes")

    @property
    def tasks(self) -> list[str]:
        """The kinds of task that it is labelled for."""
        found = {BOXED: self.instances, NAMED: self.classes, **self.maps}
        return [task for task in LABELS if found.get(task) is not None]

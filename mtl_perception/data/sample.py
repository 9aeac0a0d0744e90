# SPDX-License-Identifier: Apache-2.0
"""One labelled image, with whatever labels it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Boxes3D


class BoxLabels(NamedTuple):
    """Boxes of one image.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels, right and bottom edges exclusive.
        class_ids: (N,) int64.
        labelled: (C,) bool, the classes whose every thing has a box; None: all of them. Of the other classes only the boxes
            that a teacher proposed are known, and a detection of one is neither right nor wrong.
        boxes_3d: where the things are, in the camera's optical frame; None where no annotation says it. Nothing is trained
            on it, so augmented samples do without.
        weights: (N,) float32 in (0, 1], how sure it is that there is such a thing; None: entirely.
    """

    boxes_xyxy: np.ndarray
    class_ids: np.ndarray
    labelled: np.ndarray | None = None
    boxes_3d: Boxes3D | None = None
    weights: np.ndarray | None = None

    @property
    def teaches(self) -> bool:
        """Whether anything is known: a class is labelled, or there is a box."""
        return self.labelled is None or bool(self.labelled.any()) or len(self.class_ids) > 0


class ClassLabels(NamedTuple):
    """Classes of the whole image.

    Attributes:
        present: (C,) bool, whether each class applies; several may.
        labelled: (C,) bool, the classes of which that is known; None: all of them.
    """

    present: np.ndarray
    labelled: np.ndarray | None = None

    @property
    def teaches(self) -> bool:
        """Whether any class is known."""
        return self.labelled is None or bool(self.labelled.any())


class LaneLabels(NamedTuple):
    """Masks that may overlap, such as a lane's line on the drivable area.

    Attributes:
        bits: (H, W) uint8, bit k is set where class k is.
        labelled: (C,) bool, the classes that were looked for; None: all of them.
    """

    bits: np.ndarray
    labelled: np.ndarray | None = None

    @property
    def teaches(self) -> bool:
        """Whether any class was looked for."""
        return self.labelled is None or bool(self.labelled.any())


@dataclass(frozen=True)
class Sample:
    """An image and its labels by kind of task.

    Attributes:
        name: what error messages call it, usually the file.
        image: (H, W, 3) uint8 RGB.
        intrinsics: of this image.
        labels: "detection": BoxLabels; "segmentation": (H, W) uint8 ids, 255 unlabelled; "depth": (H, W) float32
            metres, 0 unknown; "classification": ClassLabels; "lanes": LaneLabels. A kind that is absent is not
            labelled, which differs from "nothing is there".
        depth_is_metric: False where the depth is right up to one factor only.
    """

    name: str
    image: np.ndarray
    intrinsics: Intrinsics
    labels: dict[str, Any]
    depth_is_metric: bool = True

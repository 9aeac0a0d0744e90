# SPDX-License-Identifier: Apache-2.0
"""One labelled image, with whatever labels it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mtl_perception.geometry import Intrinsics


class BoxLabels(NamedTuple):
    """Boxes of one image.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels, right and bottom edges exclusive.
        class_ids: (N,) int64.
    """

    boxes_xyxy: np.ndarray
    class_ids: np.ndarray


@dataclass(frozen=True)
class Sample:
    """An image and its labels by kind of task.

    Attributes:
        name: what error messages call it, usually the file.
        image: (H, W, 3) uint8 RGB.
        intrinsics: of this image.
        labels: "detection": BoxLabels; "segmentation": (H, W) uint8 ids, 255 unlabelled; "depth": (H, W) float32
            metres, 0 unknown. A kind that is absent is not labelled, which differs from "nothing is there".
    """

    name: str
    image: np.ndarray
    intrinsics: Intrinsics
    labels: dict[str, Any]

# SPDX-License-Identifier: Apache-2.0
"""One labelled image, with whatever labels it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics


@dataclass(frozen=True)
class Sample:
    """An image and its labels by kind of task.

    Attributes:
        name: for error messages, usually the file.
        image: (H, W, 3) uint8 RGB.
        intrinsics: of this image.
        labels: by kind, as its ``LabelCodec`` defines. A missing kind is not labelled, which differs from
            labels without any object.
        depth_is_metric: False if depth is correct up to a factor only.
        named: by kind, (C,) bool: which classes the data set has a name for; a kind of which it names all classes is missing.
    """

    name: str
    image: np.ndarray
    intrinsics: Intrinsics
    labels: dict[str, Any]
    depth_is_metric: bool = True
    named: Mapping[str, np.ndarray] = field(default_factory=dict)

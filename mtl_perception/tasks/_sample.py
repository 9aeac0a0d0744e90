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
        name: what error messages call it, usually the file.
        image: (H, W, 3) uint8 RGB.
        intrinsics: of this image.
        labels: of each kind what its task's ``LabelCodec`` says. A kind that is absent is not labelled, which differs from
            "nothing is there".
        depth_is_metric: False where the depth is right up to one factor only.
        named: by kind, (C,) bool which of the classes the data set has a name for; a kind whose classes it names all is absent.
    """

    name: str
    image: np.ndarray
    intrinsics: Intrinsics
    labels: dict[str, Any]
    depth_is_metric: bool = True
    named: Mapping[str, np.ndarray] = field(default_factory=dict)

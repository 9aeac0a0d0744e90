# SPDX-License-Identifier: Apache-2.0
"""Classes of a whole image as the network gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Classification:
    """Classes of the whole image; several classes may apply.

    Attributes:
        scores: (C,) float32 in [0, 1], one for each of the model's classification labels.
    """

    scores: np.ndarray

    def resized(self, width: int, height: int) -> Classification:
        """The same: it is of the whole image."""
        return self

# SPDX-License-Identifier: Apache-2.0
"""Masks as the network gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtl_perception.core.scene import nearest


@dataclass(frozen=True)
class Lanes:
    """Masks that may overlap.

    Attributes:
        bits: (H, W) uint8, bit k is set where class k of the model's lanes labels is.
    """

    bits: np.ndarray

    def resized(self, width: int, height: int) -> Lanes:
        """The same for an image of another size: each pixel as the nearest one was."""
        return Lanes(nearest(self.bits, width, height))

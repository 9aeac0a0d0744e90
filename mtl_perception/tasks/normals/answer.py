# SPDX-License-Identifier: Apache-2.0
"""Surface normals as the network gives them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Normals:
    """Which way surfaces face.

    Attributes:
        vectors: (H, W, 3) float32, unit vectors in the camera's optical frame (x right, y down, z forward), towards the camera's side of
            the surface.
    """

    vectors: np.ndarray

    def resized(self, width: int, height: int) -> Normals:
        """The same for an image of another size, interpolated and of length 1 again."""
        vectors = cv2.resize(self.vectors, (width, height), interpolation=cv2.INTER_LINEAR)
        return Normals(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6))

# SPDX-License-Identifier: Apache-2.0
"""Labels of surface normals: (H, W, 3) float32 unit vectors in the camera's optical frame, 0 where unknown. They are made of depth."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np

from mtl_perception.tasks._labels import MadeCodec, Window, padded_map
from mtl_perception.tasks._sample import Sample
from mtl_perception.tasks.normals.from_depth import normals_from_depth


class NormalsCodec(MadeCodec):
    made_from: ClassVar[str] = "depth"

    def make(self, source: np.ndarray, sample: Sample) -> np.ndarray:
        """From (H, W) metres; all unknown where the camera's focal length is not to be trusted."""
        if not sample.depth_is_metric:
            return np.zeros((*source.shape, 3), np.float32)
        return normals_from_depth(source, sample.intrinsics)

    def teaches(self, label: np.ndarray) -> bool:
        return bool(label.any())

    def cropped(self, label: np.ndarray, window: Window) -> np.ndarray:
        """Vectors stay as they are: a part of an image is seen from the same place in the same direction."""
        return window.nearest(label)

    def mirrored(self, label: np.ndarray, width: int) -> np.ndarray:
        return cv2.flip(label, 1) * np.float32([-1, 1, 1])

    def padded(self, label: np.ndarray, width: int, height: int) -> np.ndarray:
        return padded_map(label, width, height, 0)


CODEC = NormalsCodec()

# SPDX-License-Identifier: Apache-2.0
"""Images of the benchmark's camera."""

from __future__ import annotations

from itertools import islice

import cv2
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.resources import resource

_COUNT = 8


def camera_images(width: int, height: int) -> list[np.ndarray]:
    """(height, width, 3) uint8 RGB frames of the shipped drive, or noise where the drive was not installed."""
    try:
        drive = resource("bags/demo")
    except FileNotFoundError:
        noise = np.random.default_rng(0).integers(0, 256, (_COUNT, height, width, 3), np.uint8)
        return list(noise)
    from mtl_perception.bags import Bag

    with Bag(drive) as bag:
        frames = [frame.image_rgb for frame in islice(bag.frames(bag.find_image(None), None), _COUNT)]
    return [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in frames]


def camera_intrinsics(width: int, height: int) -> Intrinsics:
    """A lens of about 65 degrees."""
    return Intrinsics(width, height, 0.78 * width, 0.78 * width, (width - 1) / 2, (height - 1) / 2)

# SPDX-License-Identifier: Apache-2.0
"""The masks of one frame beside the true ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtl_perception.core.drawing import tint_with_instances
from mtl_perception.core.instances import InstanceMasks
from mtl_perception.core.scene import Scene
from mtl_perception.tasks._panel import Panels, shrunk
from mtl_perception.tasks._truth import Truth


def panels(image_rgb: np.ndarray, scene: Scene, truth: Truth, card: Any) -> Panels:
    """Camera, true masks, and those of what is published by default."""
    true = truth.labels["instances"]
    numbers = [number for number in np.unique(true.ids).tolist() if number]
    height, width = true.ids.shape
    true_masks = InstanceMasks(width, height, [(0, 0)] * len(numbers), [true.ids == number for number in numbers])
    shown = scene.detections.by_default()
    masks = scene.instances.of(shown.boxes_xyxy, scene.width, scene.height)
    labels = card.detection_labels
    pictures = {
        "camera": image_rgb,
        "truth": tint_with_instances(image_rgb, true_masks, [labels[class_id] for class_id in true.class_ids[np.array(numbers, int) - 1]]),
        "found": tint_with_instances(image_rgb, masks, [labels[class_id] for class_id in shown.class_ids]),
    }
    return {caption: shrunk(picture) for caption, picture in pictures.items()}

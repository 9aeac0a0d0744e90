# SPDX-License-Identifier: Apache-2.0
"""Boxes of one frame beside the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.scene import SCORE_THRESHOLD, Scene
from mtl_perception.tasks._matching import match_boxes
from mtl_perception.tasks._panel import INK, RIGHT, WRONG, Panels
from mtl_perception.tasks._truth import Truth

_WIDTH_PX = 720


def panels(image_rgb: np.ndarray, scene: Scene, truth: Truth, card: Any) -> Panels:
    """True boxes, green where found; and found boxes, green where right."""
    found = scene.detections.by_default()
    boxes, scores, class_ids = found.boxes_xyxy, found.scores, found.class_ids
    taken = match_boxes(boxes, scores, class_ids, truth.boxes_xyxy, truth.class_ids)
    is_found = np.isin(np.arange(len(truth.boxes_xyxy)), taken)
    names = [card.detection_labels[class_id] for class_id in truth.class_ids]
    found_names = [f"{card.detection_labels[class_id]} {score:.2f}" for class_id, score in zip(class_ids, scores)]
    return {
        "truth: red was missed": _boxes(image_rgb, truth.boxes_xyxy, names, is_found),
        f"found, score ≥ {SCORE_THRESHOLD:g}: red is wrong": _boxes(image_rgb, boxes, found_names, taken >= 0),
    }


def _boxes(image_rgb: np.ndarray, boxes_xyxy: np.ndarray, names: Sequence[str], is_right: np.ndarray) -> np.ndarray:
    # Drawn at the picture's final size: lines and letters stay sharp.
    scale = _WIDTH_PX / image_rgb.shape[1]
    size = _WIDTH_PX, round(image_rgb.shape[0] * scale)
    canvas = cv2.resize(np.ascontiguousarray(image_rgb), size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    largest_first = np.argsort(-np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)) if len(boxes_xyxy) else []
    for index in largest_first:
        x1, y1, x2, y2 = (round(value) for value in boxes_xyxy[index] * scale)
        color = RIGHT if is_right[index] else WRONG
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), color, 2)
        (width, height), _ = cv2.getTextSize(names[index], cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        top = max(0, y1 - height - 6)
        cv2.rectangle(canvas, (x1, top), (x1 + width + 6, top + height + 6), color, cv2.FILLED)
        cv2.putText(canvas, names[index], (x1 + 3, top + height + 2), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
    return canvas

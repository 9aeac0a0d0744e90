# SPDX-License-Identifier: Apache-2.0
"""One frame with its truth beside what was found, task by task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.drawing import colorize_depth, colorize_mask
from mtl_perception.core.scene import UNLABELLED, Scene
from mtl_perception.evaluation.detection import PUBLISHED
from mtl_perception.evaluation.matching import match_boxes
from mtl_perception.evaluation.truth import Truth
from mtl_perception.pipeline import published

Panels = dict[str, np.ndarray]
"""Caption → (H, W, 3) uint8 RGB."""

_RIGHT, _WRONG, _INK = (60, 190, 110), (235, 70, 60), (16, 17, 20)
_SMALL_PX, _LARGE_PX = 480, 720
"""Widths of the pictures of dense tasks and of boxes: sharp on the page, and a report stays small."""
_ERROR_SHARE = 0.5
"""Relative error of depth that has the strongest colour."""


def detection_panels(image_rgb: np.ndarray, scene: Scene, truth: Truth, card: Any) -> Panels:
    """True boxes, green where found; and found boxes, green where right."""
    found = published(scene, PUBLISHED).detections
    boxes, scores, class_ids = found.boxes_xyxy, found.scores, found.class_ids
    taken = match_boxes(boxes, scores, class_ids, truth.boxes_xyxy, truth.class_ids)
    is_found = np.isin(np.arange(len(truth.boxes_xyxy)), taken)
    names = [card.detection_labels[class_id] for class_id in truth.class_ids]
    found_names = [f"{card.detection_labels[class_id]} {score:.2f}" for class_id, score in zip(class_ids, scores)]
    return {
        "truth: red was missed": _boxes(image_rgb, truth.boxes_xyxy, names, is_found),
        f"found, score ≥ {PUBLISHED.score_threshold:g}: red is wrong": _boxes(image_rgb, boxes, found_names, taken >= 0),
    }


def segmentation_panels(image_rgb: np.ndarray, scene: Scene, truth: Truth, card: Any) -> Panels:
    """Camera, truth, what was found, and where they differ."""
    mask, true_mask = scene.segmentation.mask, truth.mask
    differs = (mask != true_mask) & (true_mask != UNLABELLED)
    grey = cv2.cvtColor(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) // 2 + 90
    grey[differs] = _WRONG
    labels = card.segmentation_labels
    panels = {
        "camera": image_rgb,
        "truth": colorize_mask(true_mask, labels),
        "found": colorize_mask(mask, labels),
        "differs": grey,
    }
    return {caption: _shrunk(picture) for caption, picture in panels.items()}


def depth_panels(image_rgb: np.ndarray, scene: Scene, truth: Truth, card: Any) -> Panels:
    """Camera, truth, what was found in the same colours, and the error with its sign."""
    depth_m, true_depth_m = scene.depth.depth_m, truth.depth_m
    known = np.isfinite(true_depth_m) & (true_depth_m > 0)
    if known.any():
        near_m, far_m = (float(value) for value in np.percentile(true_depth_m[known], [1, 99]))
        near_m, far_m = near_m * 0.95, far_m * 1.05
    else:
        near_m, far_m = 0.3, 8.0
    panels = {
        "camera": image_rgb,
        f"truth, {near_m:.1f} to {far_m:.1f} m": colorize_depth(true_depth_m, near_m, far_m),
        "found": colorize_depth(depth_m, near_m, far_m),
        "error: red too far, blue too near": _signed_error(depth_m, true_depth_m, known),
    }
    return {caption: _shrunk(picture) for caption, picture in panels.items()}


PANELS: dict[str, Callable[[np.ndarray, Scene, Truth, Any], Panels]] = {
    "detection": detection_panels,
    "segmentation": segmentation_panels,
    "depth": depth_panels,
}
"""Task → its pictures of a frame; a task without has none."""


def _shrunk(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    if width <= _SMALL_PX:
        return picture
    return cv2.resize(picture, (_SMALL_PX, round(height * _SMALL_PX / width)), interpolation=cv2.INTER_AREA)


def _signed_error(depth_m: np.ndarray, true_depth_m: np.ndarray, known: np.ndarray) -> np.ndarray:
    """White where right, red where found too far, blue where too near, dark where nothing is known."""
    known = known & np.isfinite(depth_m)
    error = np.zeros(depth_m.shape, np.float32)
    error[known] = np.clip((depth_m[known] / true_depth_m[known] - 1) / _ERROR_SHARE, -1, 1)
    fade = (1 - np.abs(error))[..., None] * 245
    picture = np.where(error[..., None] > 0, (215, 48, 39), (49, 96, 190)) * np.abs(error)[..., None] + fade
    picture[~known] = _INK
    return picture.astype(np.uint8)


def _boxes(image_rgb: np.ndarray, boxes_xyxy: np.ndarray, names: Sequence[str], is_right: np.ndarray) -> np.ndarray:
    # Drawn at the picture's final size: lines and letters stay sharp.
    scale = _LARGE_PX / image_rgb.shape[1]
    size = _LARGE_PX, round(image_rgb.shape[0] * scale)
    canvas = cv2.resize(np.ascontiguousarray(image_rgb), size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    largest_first = np.argsort(-np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)) if len(boxes_xyxy) else []
    for index in largest_first:
        x1, y1, x2, y2 = (round(value) for value in boxes_xyxy[index] * scale)
        color = _RIGHT if is_right[index] else _WRONG
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), color, 2)
        (width, height), _ = cv2.getTextSize(names[index], cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        top = max(0, y1 - height - 6)
        cv2.rectangle(canvas, (x1, top), (x1 + width + 6, top + height + 6), color, cv2.FILLED)
        cv2.putText(canvas, names[index], (x1 + 3, top + height + 2), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return canvas

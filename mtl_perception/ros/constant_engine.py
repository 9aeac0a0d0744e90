# SPDX-License-Identifier: Apache-2.0
"""An engine that answers with constants and costs nothing: what remains is the node. For tests and benchmarks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation

LABELS = ["floor", "wall", "door", "table", "chair", "bottle"]


@dataclass(frozen=True)
class Card:
    """The part of a model's card that the node reads."""

    name: str = "free"
    detection_labels: list[str] = field(default_factory=lambda: LABELS[2:])
    segmentation_labels: list[str] = field(default_factory=lambda: list(LABELS))
    further_labels: dict[str, list[str]] = field(default_factory=dict)

    @property
    def kinds(self) -> list[str]:
        return list(self.further_labels)

    def labels_of(self, kind: str) -> list[str]:
        return self.further_labels.get(kind, [])


class ConstantEngine:
    """Answers the same for every image of a size: ``boxes`` detections, stripes of classes, depth growing to the right.

    Args:
        delay_s: sleep this long on every frame, as a slow network would.
        batch_size: frames that it wants at once.
    """

    def __init__(
        self,
        boxes: int = 50,
        delay_s: float = 0.0,
        batch_size: int = 1,
        tasks: tuple[str, ...] = ("detection", "segmentation", "depth"),
    ) -> None:
        self.card = Card()
        self.tasks = tasks
        self.device, self.precision = "cpu", "float32"
        self.batch_size = batch_size
        self.notes = ["device auto: no CUDA device, using cpu"]
        self.score_threshold = 0.3
        self._delay_s = delay_s
        self._boxes = boxes
        self._scenes: dict[tuple, Scene] = {}

    def warm_up(self, height: int, width: int) -> None:
        self._scene(height, width, self.tasks)

    def __call__(self, image_rgb, intrinsics=None, tasks=None) -> Scene:
        if self._delay_s:
            time.sleep(self._delay_s)
        return self._scene(*image_rgb.shape[:2], self.tasks if tasks is None else tuple(tasks))

    def batch(self, images_rgb, intrinsics, tasks) -> list[Scene]:
        return [self(*one) for one in zip(images_rgb, intrinsics, tasks)]

    def close(self) -> None:
        self._scenes.clear()

    def _scene(self, height: int, width: int, tasks: tuple[str, ...]) -> Scene:
        key = (height, width, tasks, self.score_threshold)
        if key not in self._scenes:
            segmentation, depth = _dense(height, width)
            self._scenes[key] = Scene(
                width,
                height,
                detections=_detections(self._boxes, self.score_threshold) if "detection" in tasks else None,
                segmentation=segmentation if "segmentation" in tasks else None,
                depth=depth if "depth" in tasks else None,
                stage_s={"preprocess": 0.0, "network": self._delay_s, "postprocess": 0.0},
            )
        return self._scenes[key]


def _detections(count: int, score_threshold: float) -> Detections:
    """``count`` boxes with scores falling from 0.99 to 0.5, less those below the threshold."""
    corners = np.stack([np.arange(count) * 8.0, np.arange(count) * 6.0], axis=1)
    boxes_xyxy = np.concatenate([corners, corners + [64.0, 48.0]], axis=1).astype(np.float32)
    scores = np.linspace(0.99, 0.5, count, dtype=np.float32)
    keep = scores >= score_threshold
    return Detections(boxes_xyxy[keep], scores[keep], np.arange(count)[keep] % len(LABELS[2:]))


def _dense(height: int, width: int) -> tuple[Segmentation, Depth]:
    columns = np.arange(width)
    mask = np.broadcast_to((columns // 64 % len(LABELS)).astype(np.uint8), (height, width)).copy()
    confidence = np.full((height, width), 200, np.uint8)
    depth_m = np.broadcast_to(np.linspace(0.5, 5.0, width, dtype=np.float32), (height, width)).copy()
    mask[0], depth_m[0] = 255, np.nan
    return Segmentation(mask, confidence), Depth(depth_m)

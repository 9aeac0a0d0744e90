# SPDX-License-Identifier: Apache-2.0
"""Results that the node left in a bag, as scenes again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mtl_perception.bags import IMAGE, Bag, stamp_ns
from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation

NODE = "/perception"


def recorded_scenes(bag: Bag, detection_labels: list[str], node: str = NODE) -> Iterator[tuple[int, Scene]]:
    """(stamp in nanoseconds, scene) of every frame that has a recorded status, in order.

    A frame's messages may come in any order; its status is the last that the node publishes.

    Args:
        bag: an open bag of results.
        detection_labels: the model's, to turn names into ids.
        node: name of the node that published them.
    """
    readers = {
        f"{node}/detections": lambda message: {"detections": _detections(message, detection_labels)},
        f"{node}/segmentation/mask": lambda message: {"mask": _pixels(message)},
        f"{node}/segmentation/confidence": lambda message: {"confidence": _pixels(message)},
        f"{node}/depth/image_rect": lambda message: {"depth": Depth(_depth_m(message))},
    }
    status = f"{node}/status"
    types = dict.fromkeys(readers, IMAGE) | {
        f"{node}/detections": "vision_msgs/msg/Detection2DArray",
        status: "mtl_perception/msg/PerceptionStatus",
    }
    topics = [topic for topic, kind in types.items() if bag.find(topic, kind) is not None]
    pending: dict[int, dict[str, Any]] = {}
    finished: list[int] = []
    for recorded in bag.messages(*topics):
        message = bag.deserialize(recorded)
        stamp = stamp_ns(message)
        parts = pending.setdefault(stamp, {})
        if recorded.topic == status:
            finished += [stamp] if stamp not in finished else []  # a camera may give two images one stamp
        else:
            parts |= readers[recorded.topic](message)
        # A status may overtake its frame's images by a moment: let the next frame's status come first.
        if len(finished) > 1:
            done = finished.pop(0)
            yield done, _scene(pending.pop(done))
    for done in finished:
        yield done, _scene(pending.pop(done))


def box_xyxy(box: Any) -> tuple[float, float, float, float]:
    """The sides of a ``vision_msgs/BoundingBox2D``, pixels."""
    center, half_x, half_y = box.center.position, box.size_x / 2, box.size_y / 2
    return center.x - half_x, center.y - half_y, center.x + half_x, center.y + half_y


def _scene(parts: dict[str, Any]) -> Scene:
    depth, mask = parts.get("depth"), parts.get("mask")
    shape = depth.depth_m.shape if depth is not None else mask.shape if mask is not None else (0, 0)
    segmentation = None
    if mask is not None:
        segmentation = Segmentation(mask, parts.get("confidence", np.full_like(mask, 255)))
    return Scene(shape[1], shape[0], parts.get("detections"), segmentation, depth)


def _detections(message: Any, labels: list[str]) -> Detections:
    boxes, scores, class_ids = [], [], []
    for detection in message.detections:
        boxes.append(box_xyxy(detection.bbox))
        best = detection.results[0].hypothesis
        scores.append(best.score)
        class_ids.append(labels.index(best.class_id))
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(class_ids, np.int64),
    )


def _pixels(message: Any) -> np.ndarray:
    return message.data.reshape(message.height, message.step)[:, : message.width]


def _depth_m(message: Any) -> np.ndarray:
    dtype = np.dtype("<f4" if message.encoding == "32FC1" else "<u2")
    pixels = message.data.reshape(message.height, message.step).view(dtype)[:, : message.width]
    if message.encoding == "32FC1":
        return pixels
    return np.where(pixels > 0, pixels * np.float32(1e-3), np.float32(np.nan))

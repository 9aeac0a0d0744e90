# SPDX-License-Identifier: Apache-2.0
"""Random views of a sample that keep its geometry true: what changes the image changes boxes, depth and camera too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from mtl_perception.data.sample import BoxLabels, Sample
from mtl_perception.geometry import Intrinsics

SMALLEST_BOX_SIDE_PX = 3.0
SMALLEST_VISIBLE_SHARE = 0.2
"""A box that a crop leaves less of than this is no longer labelled: nobody could name what is left of it."""


def random_view(sample: Sample, width: int, height: int, max_zoom: float, rng: np.random.Generator) -> Sample:
    """A random window of ``sample`` as an image of ``width`` × ``height``, mirrored half of the time.

    The window is anything from as much as fits the shape to one ``max_zoom`` times narrower. Zooming in lengthens the
    focal length and leaves the metres as they are, which is what a longer lens would have seen.
    """
    source_height, source_width = sample.image.shape[:2]
    least = max(width / source_width, height / source_height)
    scale = least * max_zoom ** rng.uniform()
    window_width, window_height = min(source_width, round(width / scale)), min(source_height, round(height / scale))
    left = int(rng.integers(source_width - window_width + 1))
    top = int(rng.integers(source_height - window_height + 1))
    viewed = crop_and_resize(sample, left, top, window_width, window_height, width, height)
    return mirrored(viewed) if rng.uniform() < 0.5 else viewed


def crop_and_resize(sample: Sample, left: int, top: int, window_width: int, window_height: int, width: int, height: int) -> Sample:
    """The window of ``sample`` that starts at (left, top), resized to ``width`` × ``height``."""
    rows, columns = slice(top, top + window_height), slice(left, left + window_width)
    sx, sy = width / window_width, height / window_height

    def nearest(values: np.ndarray) -> np.ndarray:
        return cv2.resize(values[rows, columns], (width, height), interpolation=cv2.INTER_NEAREST_EXACT)

    labels: dict[str, Any] = {}
    for kind, label in sample.labels.items():
        if kind == "detection":
            labels[kind] = _window_of_boxes(label, left, top, sx, sy, width, height)
        else:
            labels[kind] = nearest(label)
    # Averaging over the area avoids the moiré that a linear filter leaves when it shrinks.
    interpolation = cv2.INTER_AREA if sx < 1 else cv2.INTER_LINEAR
    image = cv2.resize(sample.image[rows, columns], (width, height), interpolation=interpolation)
    camera = sample.intrinsics
    window = Intrinsics(window_width, window_height, camera.fx, camera.fy, camera.cx - left, camera.cy - top)
    return replace(sample, image=image, intrinsics=window.scaled(width, height), labels=labels)


def _window_of_boxes(label: BoxLabels, left: int, top: int, sx: float, sy: float, width: int, height: int) -> BoxLabels:
    boxes = (label.boxes_xyxy - [left, top, left, top]) * [sx, sy, sx, sy]
    clipped = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
    sides = clipped[:, 2:] - clipped[:, :2]
    whole = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept = (sides.min(1, initial=np.inf) >= SMALLEST_BOX_SIDE_PX) & (sides.prod(1) >= SMALLEST_VISIBLE_SHARE * whole)
    return BoxLabels(clipped[kept], label.class_ids[kept], label.labelled)


def mirrored(sample: Sample) -> Sample:
    """``sample`` as seen in a mirror."""
    width = sample.image.shape[1]
    labels: dict[str, Any] = {}
    for kind, label in sample.labels.items():
        if kind == "detection":
            boxes = label.boxes_xyxy.copy()
            boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
            labels[kind] = BoxLabels(boxes, label.class_ids, label.labelled)
        else:
            labels[kind] = np.ascontiguousarray(label[:, ::-1])
    camera = replace(sample.intrinsics, cx=width - 1 - sample.intrinsics.cx)
    return replace(sample, image=np.ascontiguousarray(sample.image[:, ::-1]), intrinsics=camera, labels=labels)


def random_appearance(sample: Sample, rng: np.random.Generator) -> Sample:
    """``sample`` as another camera in another light might have seen it: exposure, white balance, contrast, saturation,
    defocus, sensor noise, JPEG artefacts."""
    image = sample.image
    if rng.uniform() < 0.3:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = rng.uniform(0.0, 1.4)
        image = cv2.addWeighted(image, keep, grey, 1 - keep, 0)
    levels = np.arange(256) / 255
    balance = rng.normal(1, 0.06, 3)
    exposure, gamma, contrast = rng.uniform(0.65, 1.4), rng.uniform(0.75, 1.35), rng.uniform(0.8, 1.2)
    curves = (((levels**gamma)[:, None] * exposure * balance) - 0.5) * contrast + 0.5
    image = cv2.LUT(image, np.clip(curves * 255, 0, 255).astype(np.uint8).reshape(1, 256, 3))
    if rng.uniform() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
    if rng.uniform() < 0.4:
        noise = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, 0, rng.uniform(2, 9))
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    if rng.uniform() < 0.3:
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))])
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    return replace(sample, image=image)

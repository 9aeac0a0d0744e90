# SPDX-License-Identifier: Apache-2.0
"""Random views of a sample that keep its geometry true: what changes the image changes boxes, depth and camera too."""

from __future__ import annotations

import functools
from dataclasses import replace
from statistics import NormalDist

import cv2
import numpy as np

from mtl_perception.core.geometry import LETTERBOX_GREY, Intrinsics
from mtl_perception.tasks import LABELS, Sample, Window, padded_map

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


SMALLEST_WHOLE = 0.7
"""How far from filling the shape an image that is shown whole may be."""


def random_view(sample: Sample, width: int, height: int, max_zoom: float, rng: np.random.Generator, whole: float = 0.0) -> Sample:
    """A random window of ``sample`` as an image of ``width`` × ``height``, mirrored half of the time.

    The window is anything from as much as fits the shape to one ``max_zoom`` times narrower. Zooming in lengthens the
    focal length and leaves the metres as they are, which is what a longer lens would have seen.

    Args:
        whole: share of the images that are shown whole instead, with grey right and below, as the running network sees an image
            of another shape. Without, objects in upright and square photographs are trained larger than they are met.
    """
    if whole and rng.uniform() < whole:
        return _whole_view(sample, width, height, rng)
    source_height, source_width = sample.image.shape[:2]
    least = max(width / source_width, height / source_height)
    scale = least * max_zoom ** rng.uniform()
    window_width, window_height = (
        min(source_width, max(1, round(width / scale))),
        min(source_height, max(1, round(height / scale))),
    )
    left = int(rng.integers(source_width - window_width + 1))
    top = int(rng.integers(source_height - window_height + 1))
    viewed = crop_and_resize(sample, left, top, window_width, window_height, width, height)
    return mirrored(viewed) if rng.uniform() < 0.5 else viewed


def _whole_view(sample: Sample, width: int, height: int, rng: np.random.Generator) -> Sample:
    source_height, source_width = sample.image.shape[:2]
    scale = min(width / source_width, height / source_height) * rng.uniform(SMALLEST_WHOLE, 1)
    content = max(1, round(source_width * scale)), max(1, round(source_height * scale))
    viewed = crop_and_resize(sample, 0, 0, source_width, source_height, *content)
    return padded(mirrored(viewed) if rng.uniform() < 0.5 else viewed, width, height)


def padded(sample: Sample, width: int, height: int) -> Sample:
    """``sample`` extended right and below by grey to ``width`` × ``height``."""
    labels = {kind: LABELS[kind].padded(label, width, height) for kind, label in sample.labels.items()}
    return replace(
        sample,
        image=padded_map(sample.image, width, height, LETTERBOX_GREY),
        intrinsics=replace(sample.intrinsics, width=width, height=height),
        labels=labels,
    )


def crop_and_resize(sample: Sample, left: int, top: int, window_width: int, window_height: int, width: int, height: int) -> Sample:
    """The window of ``sample`` that starts at (left, top), resized to ``width`` × ``height``."""
    part = Window(left, top, window_width, window_height, width, height)
    labels = {kind: LABELS[kind].cropped(label, part) for kind, label in sample.labels.items()}
    # Averaging over the area avoids the moiré that a linear filter leaves when it shrinks.
    interpolation = cv2.INTER_AREA if part.scale[0] < 1 else cv2.INTER_LINEAR
    image = cv2.resize(part.part(sample.image), (width, height), interpolation=interpolation)
    camera = sample.intrinsics
    window = Intrinsics(window_width, window_height, camera.fx, camera.fy, camera.cx - left, camera.cy - top)
    return replace(sample, image=image, intrinsics=window.scaled(width, height), labels=labels)


def mirrored(sample: Sample) -> Sample:
    """``sample`` as seen in a mirror."""
    width = sample.image.shape[1]
    labels = {kind: LABELS[kind].mirrored(label, width) for kind, label in sample.labels.items()}
    camera = replace(sample.intrinsics, cx=width - 1 - sample.intrinsics.cx)
    return replace(sample, image=cv2.flip(sample.image, 1), intrinsics=camera, labels=labels)


def random_appearance(sample: Sample, rng: np.random.Generator, strength: float = 1.0) -> Sample:
    """``sample`` as another camera in another light might have seen it: exposure, white balance, contrast, saturation,
    defocus, sensor noise, JPEG artefacts.

    Args:
        strength: 0 leaves the image nearly as it is, 2 covers cheap cameras in bad light.
    """
    # Colours first, all in one matrix, then one curve for the three channels: half the time of a curve for each.
    balance = np.diag(rng.normal(1, 0.06 * strength, 3))
    keep = rng.uniform(0.0, 1.4) if rng.uniform() < 0.3 * strength else 1.0
    image = cv2.transform(sample.image, balance @ (keep * np.eye(3) + (1 - keep) * np.array([_LUMINANCE] * 3)))
    exposure, gamma, contrast = (rng.uniform(low**strength, high**strength) for low, high in ((0.65, 1.4), (0.75, 1.35), (0.8, 1.2)))
    curve = ((np.arange(256) / 255) ** gamma * exposure - 0.5) * contrast + 0.5
    image = cv2.LUT(image, np.clip(curve * 255, 0, 255).astype(np.uint8))
    if rng.uniform() < 0.2 * strength:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, max(0.5, 1.2 * strength)))
    if rng.uniform() < 0.4 * strength:
        image = _noisy(image, rng.uniform(2, max(3, 9 * strength)), rng)
    if rng.uniform() < 0.3 * strength:
        lowest = int(35 / max(1.0, strength))
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(lowest, 90))])
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    return replace(sample, image=image)


def _noisy(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """``image`` with Gaussian noise. Random bytes looked up in the distribution's quantiles are five times faster than
    Gaussian numbers, and nobody sees that the tails end at 2.9 σ."""
    random = rng.integers(0, 2**64, -(-image.size // 8), dtype=np.uint64).view(np.uint8)[: image.size].reshape(image.shape)
    offsets = np.rint(128 + sigma * _normal_quantiles()).astype(np.uint8)
    return cv2.addWeighted(image, 1, cv2.LUT(random, offsets), 1, -128)


@functools.cache
def _normal_quantiles() -> np.ndarray:
    return np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])

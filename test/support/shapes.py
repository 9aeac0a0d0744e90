# SPDX-License-Identifier: Apache-2.0
"""A tiny labelled data set that needs no renderer: coloured boxes standing before a wall, in the real folder format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.writer import Instance, LabelledImage, write_index, write_sample

SEGMENTATION_LABELS = ["floor", "wall", "box", "can"]
DETECTION_LABELS = ["box", "can"]
_COLOURS = {"box": (200, 140, 60), "can": (40, 80, 220)}


def write_shapes(root: Path, images: int, seed: int = 0, width: int = 128, height: int = 96, classes: bool = False) -> Path:
    """Write ``images`` random pictures and return ``root``. Objects further away are smaller, so depth can be learned.

    Args:
        classes: label each image for classification too: "can" and "box" where there is one, and "person", which never is.
    """
    rng = np.random.default_rng(seed)
    entries = []
    for i in range(images):
        image = np.full((height, width, 3), 170, np.uint8)
        mask = np.ones((height, width), np.uint8)
        depth_m = np.full((height, width), 4, np.float32)
        horizon = int(height * 0.6)
        image[horizon:], mask[horizon:] = (90, 70, 60), 0
        depth_m[horizon:] = np.linspace(4, 1, height - horizon)[:, None]
        instances = []
        for _ in range(int(rng.integers(1, 4))):
            name = str(rng.choice(DETECTION_LABELS))
            distance_m = float(rng.uniform(1.2, 3.5))
            h, w = round(50 / distance_m), round((50 if name == "box" else 25) / distance_m)
            x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
            area = np.s_[y : y + h, x : x + w]
            if (depth_m[area] > distance_m).sum() < 0.7 * h * w:
                continue
            image[area] = np.array(_COLOURS[name]) + rng.integers(-20, 20, 3)
            mask[area] = SEGMENTATION_LABELS.index(name)
            depth_m[area] = distance_m
            pixels = np.zeros((height, width), bool)
            pixels[area] = True
            instances.append(Instance.of_mask(name, pixels))
        image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
        camera = Intrinsics(width, height, 100.0, 100.0, width / 2 - 0.5, height / 2 - 0.5)
        there = sorted({instance.label for instance in instances}) if classes else None
        maps = {"segmentation": mask, "depth": depth_m}
        labelled = LabelledImage(image, camera, f"room{i}", instances, maps, **({"classes": there} if classes else {}))
        entries.append(write_sample(root, f"{i:04d}", labelled, jpeg_quality=95))
    labels = {"segmentation_labels": SEGMENTATION_LABELS, "detection_labels": DETECTION_LABELS}
    if classes:
        labels["classification_labels"] = ["can", "box", "person"]
    write_index(root, {**labels, "generator": "shapes", "seed": seed}, entries)
    return root

# SPDX-License-Identifier: Apache-2.0
"""A tiny labelled data set that needs no renderer: coloured boxes standing before a wall, in the real folder format."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

SEGMENTATION_LABELS = ["floor", "wall", "box", "can"]
DETECTION_LABELS = ["box", "can"]
_COLOURS = {"box": (200, 140, 60), "can": (40, 80, 220)}


def write_shapes(root: Path, images: int, seed: int = 0, width: int = 128, height: int = 96) -> Path:
    """Write ``images`` random pictures and return ``root``. Things further away are smaller, so depth can be learned."""
    rng = np.random.default_rng(seed)
    for folder in ("images", "semantic", "depth"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    entries, annotations = [], []
    for i in range(images):
        image = np.full((height, width, 3), 170, np.uint8)
        mask = np.ones((height, width), np.uint8)
        depth = np.full((height, width), 4000, np.uint16)
        horizon = int(height * 0.6)
        image[horizon:], mask[horizon:] = (90, 70, 60), 0
        depth[horizon:] = np.linspace(4000, 1000, height - horizon)[:, None]
        for _ in range(int(rng.integers(1, 4))):
            name = str(rng.choice(DETECTION_LABELS))
            distance_m = float(rng.uniform(1.2, 3.5))
            h, w = round(50 / distance_m), round((50 if name == "box" else 25) / distance_m)
            x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
            area = np.s_[y : y + h, x : x + w]
            nearer = depth[area] > distance_m * 1000
            if nearer.sum() < 0.7 * h * w:
                continue
            image[area] = np.array(_COLOURS[name]) + rng.integers(-20, 20, 3)
            mask[area] = SEGMENTATION_LABELS.index(name)
            depth[area] = round(distance_m * 1000)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "category_id": DETECTION_LABELS.index(name) + 1,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
        image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(root / "images" / f"{i:04d}.jpg"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        cv2.imwrite(str(root / "semantic" / f"{i:04d}.png"), mask)
        cv2.imwrite(str(root / "depth" / f"{i:04d}.png"), depth)
        entries.append(
            {
                "id": i,
                "file_name": f"{i:04d}.jpg",
                "width": width,
                "height": height,
                "room": i,
                "camera": {"fx": 100.0, "fy": 100.0, "cx": width / 2 - 0.5, "cy": height / 2 - 0.5},
                "tasks": ["detection", "segmentation", "depth"],
            }
        )
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(DETECTION_LABELS)]
    index = {"images": entries, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(index))
    description = {
        "format_version": 1,
        "segmentation_labels": SEGMENTATION_LABELS,
        "detection_labels": DETECTION_LABELS,
        "generator": "shapes",
        "seed": seed,
        "renderer": "none",
    }
    (root / "dataset.json").write_text(json.dumps(description))
    return root

# SPDX-License-Identifier: Apache-2.0
"""The configurations of config/applications, made small, and drawn streets and kitchens for them to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.yaml_file import load_yaml
from mtl_perception.data.writer import Instance, LabelledImage, write_index, write_sample
from mtl_perception.training import TrainingConfig

FOLDER = Path(__file__).parents[2] / "config" / "applications"
SMALL: dict[str, Any] = {
    "steps": 4,
    "warmup_steps": 1,
    "stages": [{"until": 1.0, "width": 96, "height": 64, "batch_size": 4, "max_zoom": 1.0}],
    "ema_decay": 0.5,
    "cache": False,
    "device": "cpu",
    "tensorboard": False,
}
DOORS = ["door", "handle", "cabinet door", "refrigerator door"]


def small(name: str, **changes: Any) -> TrainingConfig:
    """``config/applications/NAME.yaml`` but for its length and the size of its pictures; paths are as they stand there."""
    content = load_yaml(FOLDER / f"{name}.yaml")
    validation = {**content["validation"], "images": 2, "every_steps": 4, "pictures": 0}
    return TrainingConfig.model_validate({**content, **SMALL, "validation": validation, **changes})


def write_streets(root: Path, sides: dict[str, int], seed: int = 0, width: int = 96, height: int = 64) -> Path:
    """Streets as SegNet's form of CamVid has them: so many pictures in each of ``sides``, label maps in SIDEannot."""
    rng = np.random.default_rng(seed)
    colors = np.array([[200, 180, 150], [90, 80, 120], [60, 60, 60], [90, 90, 90], [160, 120, 140], [40, 120, 60],
                       [40, 200, 200], [60, 90, 90], [180, 60, 40], [60, 60, 200], [120, 40, 160], [0, 0, 0]])  # fmt: skip
    for side, count in sides.items():
        for i in range(count):
            horizon, middle, half = int(rng.integers(20, 32)), rng.uniform(35, 60), rng.uniform(20, 35)
            ids = np.full((height, width), 0, np.uint8)
            ids[horizon // 2 : horizon] = rng.choice([1, 5])
            ids[horizon:] = 4
            share = (np.arange(horizon, height) - horizon)[:, None] / (height - horizon)
            ids[horizon:][np.abs(np.arange(width) - middle) < 4 + half * share] = 3
            for label, size in ((8, 14), (9, 6)):
                x, y = int(rng.integers(0, width - size)), int(rng.integers(horizon - 5, height - 14))
                ids[y : y + 12, x : x + size] = label
            ids[0, :3] = 11  # void
            image = np.clip(cv2.GaussianBlur(colors[ids].astype(np.float32), (0, 0), 0.8) + rng.normal(0, 6, (height, width, 3)), 0, 255)
            for folder, pixels in ((side, image.astype(np.uint8)), (f"{side}annot", ids)):
                (root / folder).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / folder / f"{side}{i:04d}_{i:03d}.png"), pixels)
    return root


def write_kitchens(root: Path, images: int, seed: int = 0, width: int = 96, height: int = 64) -> Path:
    """Fronts of cabinets and a refrigerator with their handles, in boxes alone, as the photographs of doors are labelled."""
    rng, entries = np.random.default_rng(seed), []
    for i in range(images):
        image = np.full((height, width, 3), 190, np.uint8)
        instances = []
        for x, name in zip(range(4, width - 24, 26), rng.permutation(["cabinet door", "refrigerator door", "cabinet door"]), strict=False):
            x, y = int(x + rng.integers(0, 4)), int(rng.integers(4, 14))
            image[y : y + 44, x : x + 22] = (150, 110, 70) if name == "cabinet door" else (220, 225, 230)
            image[y + 14 : y + 26, x + 17 : x + 20] = (40, 40, 45)
            instances += [Instance(str(name), (x, y, x + 22, y + 44)), Instance("handle", (x + 17, y + 14, x + 20, y + 26))]
        noisy = np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)
        entries.append(write_sample(root, f"{i:04d}", LabelledImage(noisy, None, f"kitchen{i}", instances)))
    write_index(root, {"segmentation_labels": [], "detection_labels": DOORS, "generator": "kitchens", "seed": seed}, entries)
    return root

# SPDX-License-Identifier: Apache-2.0
"""Pictures for importers' tests, and what came out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.importers.run import Report, Settings, import_data

WIDTH, HEIGHT = 64, 48


def noise(seed: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture that is like no other: soft noise, BGR."""
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def write_picture(path: Path, seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, noise(seed, width, height))[1].tobytes())
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def imported(source: Path, out: Path, name: str, **settings: Any) -> tuple[ImageFolder, Report]:
    report = import_data(source, out, Settings(name, **settings))
    return ImageFolder(out), report


def boxes(folder: ImageFolder, i: int = 0) -> list[tuple[str, list[float]]]:
    """(class, x1 y1 x2 y2) of a sample, sorted."""
    labels = folder[i].labels["detection"]
    return sorted(
        (folder.labels["detection"][class_id], [round(float(v), 2) for v in box])
        for class_id, box in zip(labels.class_ids, labels.boxes_xyxy, strict=True)
    )


def index(out: Path) -> dict[str, Any]:
    return json.loads((out / "annotations.json").read_text())

# SPDX-License-Identifier: Apache-2.0
"""Four images as one, and where they come from in a training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from shapes import DETECTION_LABELS, SEGMENTATION_LABELS, write_shapes

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import UNLABELLED
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.mosaic import TILES, can_be_tiled, mosaic
from mtl_perception.tasks import Sample
from mtl_perception.tasks.detection.labels import BoxLabels
from mtl_perception.training import read_config, train

WIDTH, HEIGHT = 96, 64
COLOURS = {1: (200, 0, 0), 2: (0, 200, 0), 3: (0, 0, 200), 4: (200, 200, 0)}


def block(value: int, box: tuple[int, int, int, int], labelled: list[bool] | None = None, weight: float | None = None) -> Sample:
    """A black picture with one box of the class ``value``, in the class's colour."""
    left, top, right, bottom = box
    image, mask = np.zeros((48, 64, 3), np.uint8), np.full((48, 64), UNLABELLED, np.uint8)
    image[top:bottom, left:right], mask[top:bottom, left:right] = COLOURS[value], value
    known = None if labelled is None else np.array(labelled)
    weights = None if weight is None else np.float32([weight])
    boxes = BoxLabels(np.float32([box]), np.array([value]), known, weights=weights)
    return Sample(f"{value}.jpg", image, Intrinsics(64, 48, 60.0, 60.0, 31.5, 23.5), {"detection": boxes, "segmentation": mask})


@pytest.mark.parametrize("seed", range(8))
def test_boxes_and_masks_lie_where_their_pixels_are(seed: int) -> None:
    samples = [block(value, (16, 12, 48, 36)) for value in range(1, TILES + 1)]
    tiled = mosaic(samples, WIDTH, HEIGHT, 1.6, np.random.default_rng(seed))
    assert tiled.image.shape == (HEIGHT, WIDTH, 3)
    assert (tiled.intrinsics.width, tiled.intrinsics.height) == (WIDTH, HEIGHT)
    boxes = tiled.labels["detection"]
    assert sorted(boxes.class_ids) == [1, 2, 3, 4] and boxes.labelled is None and boxes.weights is None
    mask = tiled.labels["segmentation"]
    for value, box in zip(boxes.class_ids, boxes.boxes_xyxy, strict=True):
        rows, columns = np.nonzero(np.abs(tiled.image.astype(int) - COLOURS[value]).max(2) <= 90)
        seen = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert np.abs(box - seen).max() <= 1.5
        assert (mask[rows, columns] == value).mean() > 0.9


def test_a_class_is_labelled_where_it_is_in_every_tile_and_confidences_stay_with_their_boxes() -> None:
    box = (24, 18, 40, 30)
    samples = [
        block(1, box),
        block(2, box, [True, True, True, False, True]),
        block(3, box, [True, False, True, True, True], 0.25),
        block(4, box),
    ]
    boxes = mosaic(samples, WIDTH, HEIGHT, 1.0, np.random.default_rng(0)).labels["detection"]
    assert boxes.labelled.tolist() == [True, False, True, False, True]
    assert dict(zip(boxes.class_ids.tolist(), boxes.weights.tolist(), strict=True)) == {1: 1.0, 2: 1.0, 3: 0.25, 4: 1.0}


def test_what_has_depth_is_not_tiled() -> None:
    assert can_be_tiled(["detection", "segmentation"]) and can_be_tiled(["detection"])
    assert not can_be_tiled(["detection", "depth"]) and not can_be_tiled(["normals"])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_tiles_the_folders_that_allow_it(tmp_path: Path, workers: int) -> None:
    """A folder of boxes, most images with masks too, beside a folder with depth, which comes as it is."""
    for name, tasks in (("things", ["detection", "segmentation"]), ("room", ["depth"])):
        index = write_shapes(tmp_path / name, 6) / "annotations.json"
        content = json.loads(index.read_text())
        content["images"] = [image | {"tasks": tasks[: 1 + (i < 5)]} for i, image in enumerate(content["images"])]
        content["annotations"] = content["annotations"] if "detection" in tasks else []
        index.write_text(json.dumps(content))
    folders = [ImageFolder(tmp_path / name) for name in ("things", "room")]
    assert [can_be_tiled(folder.entries[0].tasks) for folder in folders] == [True, False]
    config = tmp_path / "train.yaml"
    config.write_text(
        json.dumps(
            {
                "name": "tiled",
                "variant": "lite",
                "architecture": {"neck_channels": 8},
                "data": [str(tmp_path / "things"), str(tmp_path / "room")],
                "output": str(tmp_path / "tiled.safetensors"),
                "steps": 3,
                "stages": [{"until": 1.0, "width": 96, "height": 64, "batch_size": 4, "mosaic": 0.8}],
                "tasks": ["detection", "segmentation", "depth"],
                "labels": {"detection": list(DETECTION_LABELS), "segmentation": list(SEGMENTATION_LABELS)},
                "warmup_steps": 0,
                "workers": workers,
                "device": "cpu",
                "tensorboard": False,
            }
        )
    )
    assert train(read_config(config), Console(quiet=True)).exists()

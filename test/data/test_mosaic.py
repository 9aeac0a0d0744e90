# SPDX-License-Identifier: Apache-2.0
"""Four images as one, and where they come from in a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from runs import small_config

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import UNLABELLED
from mtl_perception.data.labelled_image import LabelledImage
from mtl_perception.data.mosaic import TILES, can_be_tiled, mosaic
from mtl_perception.data.writer import write_index, write_sample
from mtl_perception.tasks import Sample
from mtl_perception.tasks.detection.labels import BoxLabels
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.learner import Learner
from mtl_perception.training.schedule import Schedule
from mtl_perception.training.sources import open_sources
from mtl_perception.training.stream import Stream

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


@pytest.mark.parametrize("without", [0, 2])
def test_a_kind_of_label_that_one_of_the_four_lacks_is_unlabelled(without: int) -> None:
    """As of an image whose labelled classes are none of those that are trained."""
    samples = [block(value, (16, 12, 48, 36)) for value in range(1, TILES + 1)]
    del samples[without].labels["detection"]
    assert set(mosaic(samples, WIDTH, HEIGHT, 1.6, np.random.default_rng(0)).labels) == {"segmentation"}


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


@pytest.mark.parametrize(("share", "scenes"), [(0.0, {1}), (0.5, {1, 4}), (1.0, {4})])
def test_a_training_tiles_the_folders_that_allow_it(tmp_path: Path, share: float, scenes: set[int]) -> None:
    """A folder of boxes, some images with masks too, beside one with depth, whose images come as they are."""
    camera = Intrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
    for name, blue in (("things", 0), ("room", 250)):
        entries = []
        for i in range(40):
            image = np.full((48, 64, 3), (6 * i, 240 - 6 * i, blue), np.uint8)
            maps = {"depth": np.ones((48, 64), np.float32)} if blue else {"segmentation": np.zeros((48, 64), np.uint8)} if i < 20 else {}
            entries.append(
                write_sample(
                    tmp_path / name, f"{i:02d}", LabelledImage(image, camera, f"{i}", None if blue else [], maps), jpeg_quality=100
                )
            )
        write_index(tmp_path / name, {"segmentation_labels": ["floor", "wall"], "detection_labels": [] if blue else ["box"]}, entries)
    stage = {"until": 1.0, "width": 96, "height": 64, "batch_size": 16, "mosaic": share, "appearance": 0.0}
    data = [str(tmp_path / name) for name in ("things", "room")]
    config = small_config(tmp_path, data=data, stages=[stage], tasks=["detection", "segmentation", "depth"])
    ranks, sources = Ranks(), open_sources(config)
    tasks = Learner(config, sources, torch.device("cpu"), ranks).network.tasks
    _, batches = next(iter(Stream(config, sources.samples, tasks, Schedule(config), ranks, pinned=False)))
    found: dict[str, set[int]] = {"things": set(), "room": set()}
    for image in batches[0].images.numpy():
        corners = image[:, [0, 0, -1, -1], [0, -1, 0, -1]].T.astype(int)
        others = [corner for n, corner in enumerate(corners) if all(np.abs(corner - one).max() > 2 for one in corners[:n])]
        found["room" if corners[0][2] > 125 else "things"].add(4 if len(others) > 1 else 1)
    assert found == {"things": scenes, "room": {1}}

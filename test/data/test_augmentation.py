# SPDX-License-Identifier: Apache-2.0
"""Augmentation keeps geometry true: points in space stay where they are, seen through the new camera."""

import numpy as np
import pytest

from mtl_perception.data.augmentation import crop_and_resize, mirrored, random_appearance, random_view
from mtl_perception.data.sample import BoxLabels, Sample
from mtl_perception.geometry import Intrinsics

CAMERA = Intrinsics(128, 96, 100.0, 100.0, 60.0, 50.0)


def slanted_wall() -> Sample:
    """A plane 2 m + 0.5·X away, whose depth the camera's geometry gives for every pixel."""
    u = np.arange(128)
    ray = (u - CAMERA.cx) / CAMERA.fx
    depth = np.tile((2.0 / (1 - 0.5 * ray)).astype(np.float32), (96, 1))
    image = np.zeros((96, 128, 3), np.uint8)
    image[20:40, 30:70] = 255
    mask = np.zeros((96, 128), np.uint8)
    mask[20:40, 30:70] = 3
    boxes = BoxLabels(np.array([[30, 20, 70, 40]], np.float32), np.array([1]))
    return Sample("wall", image, CAMERA, {"detection": boxes, "segmentation": mask, "depth": depth})


def plane_error(sample: Sample, sign: float) -> float:
    """Largest distance of the sample's points in space from the plane z = 2 + sign·0.5·x."""
    camera, depth = sample.intrinsics, sample.labels["depth"]
    x = (np.arange(depth.shape[1]) - camera.cx) / camera.fx * depth
    return float(np.abs(depth - (2 + sign * 0.5 * x)).max())


def test_the_wall_is_where_it_is_said_to_be() -> None:
    assert plane_error(slanted_wall(), 1) < 1e-5


@pytest.mark.parametrize("window", [(0, 0, 128, 96), (16, 8, 64, 48), (40, 30, 80, 60)])
def test_a_zoomed_window_shows_the_same_points_in_space(window: tuple[int, int, int, int]) -> None:
    viewed = crop_and_resize(slanted_wall(), *window, 128, 96)
    # Nearest-pixel sampling of depth is off by at most half a pixel of the source.
    assert plane_error(viewed, 1) < 0.5 * 0.5 * 2 / 100 * 3
    assert viewed.intrinsics.fx == pytest.approx(100 * 128 / window[2])


def test_a_mirrored_view_shows_mirrored_points() -> None:
    assert plane_error(mirrored(slanted_wall()), -1) < 1e-5


@pytest.mark.parametrize("seed", range(20))
def test_boxes_follow_their_pixels(seed: int) -> None:
    viewed = random_view(slanted_wall(), 96, 64, 2.5, np.random.default_rng(seed))
    assert viewed.image.shape == (64, 96, 3)
    rows, columns = np.nonzero(viewed.labels["segmentation"] == 3)
    boxes = viewed.labels["detection"].boxes_xyxy
    if len(boxes):
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(boxes[0], expected, atol=1.3)
    else:
        assert len(rows) < 0.35 * 20 * 40 * (viewed.intrinsics.fx / 100) ** 2


def test_mirroring_twice_changes_nothing() -> None:
    sample = slanted_wall()
    twice = mirrored(mirrored(sample))
    np.testing.assert_array_equal(twice.image, sample.image)
    np.testing.assert_allclose(twice.labels["detection"].boxes_xyxy, sample.labels["detection"].boxes_xyxy)
    assert twice.intrinsics == sample.intrinsics


def test_appearance_changes_the_image_and_no_label() -> None:
    sample = slanted_wall()
    changed = random_appearance(sample, np.random.default_rng(1))
    assert changed.image.shape == sample.image.shape
    assert changed.image.dtype == np.uint8
    assert (changed.image != sample.image).any()
    assert changed.labels is sample.labels
    again = random_appearance(sample, np.random.default_rng(1))
    np.testing.assert_array_equal(again.image, changed.image)

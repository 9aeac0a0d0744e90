# SPDX-License-Identifier: Apache-2.0
"""Augmentation keeps geometry true: points in space stay where they are, seen through the new camera."""

import numpy as np
import pytest

from mtl_perception.core.geometry import LETTERBOX_GREY, Intrinsics
from mtl_perception.data.augmentation import _noisy, crop_and_resize, mirrored, random_appearance, random_view
from mtl_perception.data.recoloring import recolored
from mtl_perception.tasks import LABELS, Sample, Window
from mtl_perception.tasks.detection.labels import BoxLabels

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


@pytest.mark.parametrize("seed", range(8))
def test_a_picture_of_one_pixel_across_has_a_window_too(seed: int) -> None:
    line = crop_and_resize(slanted_wall(), 40, 0, 1, 96, 1, 96)
    assert random_view(line, 96, 64, 3.0, np.random.default_rng(seed)).image.shape == (64, 96, 3)


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


RECTANGLE_M = np.array([[-0.3, -0.25, 2.0], [0.35, 0.2, 2.0]])
"""Left upper and right lower corner of a sheet of paper that faces the camera."""
TILT = (0.5, -0.3)


def tilted_floor_and_paper() -> Sample:
    """A plane z = 2.5 + 0.5·x − 0.3·y that fills the image, and the box of a sheet of paper in front of it."""
    v, u = np.mgrid[:96, :128]
    x, y = (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy
    depth_m = (2.5 / (1 - TILT[0] * x - TILT[1] * y)).astype(np.float32)
    box = projected(CAMERA, 1)
    labels = {"detection": BoxLabels(box, np.array([1]), np.array([False, True])), "depth": depth_m}
    return Sample("tilted", np.zeros((96, 128, 3), np.uint8), CAMERA, labels)


def projected(camera: Intrinsics, side: int) -> np.ndarray:
    """(1, 4) the paper's box in ``camera``; ``side`` −1: of its mirror image."""
    (x1, y1, z), (x2, y2, _) = RECTANGLE_M
    x1, x2 = sorted((side * x1, side * x2))
    # Centres of pixels lie at whole numbers, so a box's edge lies half a pixel further.
    edges = [
        camera.fx * x1 / z + camera.cx,
        camera.fy * y1 / z + camera.cy,
        camera.fx * x2 / z + camera.cx,
        camera.fy * y2 / z + camera.cy,
    ]
    return np.clip(np.array([edges]) + 0.5, 0, [camera.width, camera.height] * 2).astype(np.float32)


@pytest.mark.parametrize("seed", range(24))
def test_the_camera_of_a_random_view_sees_the_same_world(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, height = [(128, 96), (96, 64), (160, 96)][seed % 3]
    viewed = random_view(tilted_floor_and_paper(), width, height, 2.5, rng)
    camera, depth_m = viewed.intrinsics, viewed.labels["depth"]
    assert (camera.width, camera.height) == (width, height) == viewed.image.shape[1::-1]
    v, u = np.mgrid[:height, :width]
    x, y = (u - camera.cx) / camera.fx * depth_m, (v - camera.cy) / camera.fy * depth_m
    distances = {side: np.abs(depth_m - (2.5 + side * TILT[0] * x + TILT[1] * y)) for side in (1, -1)}
    side = min(distances, key=lambda side: distances[side].max())
    # Depth is taken from the nearest pixel of the source, half of one away at most.
    assert distances[side].max() < 0.5 * (abs(TILT[0]) + abs(TILT[1])) * depth_m.max() / 100 * 1.6
    boxes = viewed.labels["detection"].boxes_xyxy
    if len(boxes):
        np.testing.assert_allclose(boxes, projected(camera, side), atol=1e-3)
        assert viewed.labels["detection"].labelled.tolist() == [False, True]
    else:
        visible = projected(camera, side)[0]
        full = np.diff(RECTANGLE_M, axis=0)[0] / 2 * [camera.fx, camera.fy, 0]
        assert np.prod(visible[2:] - visible[:2]) < 0.25 * full[0] * full[1]


@pytest.mark.parametrize(("width", "height"), [(96, 96), (64, 128), (160, 96)])
def test_an_image_shown_whole_keeps_its_shape_and_knows_nothing_beside_it(width: int, height: int) -> None:
    """Upright and square photographs reach the running network whole: trained on cut ones alone, it meets smaller objects than it
    was trained on."""
    source = slanted_wall()
    for seed in range(8):
        viewed = random_view(source, width, height, 2.5, np.random.default_rng(seed), whole=1.0)
        assert viewed.image.shape == (height, width, 3)
        grey = (viewed.image == LETTERBOX_GREY).all(2)
        content_width, content_height = int((~grey).any(0).sum()), int((~grey).any(1).sum())
        scale = content_width / source.image.shape[1]
        assert scale <= min(width / source.image.shape[1], height / source.image.shape[0]) + 0.01
        assert content_height == pytest.approx(scale * source.image.shape[0], abs=1.5)
        assert grey[content_height:].all() and grey[:, content_width:].all()
        beside = [
            Window(content_width, 0, width - content_width, height, 8, 8),
            Window(0, content_height, width, height - content_height, 8, 8),
        ]
        for window in (window for window in beside if min(window.part_width, window.part_height) > 0):
            for kind in ("segmentation", "depth"):
                assert LABELS[kind].teaches(viewed.labels[kind])
                assert not LABELS[kind].teaches(LABELS[kind].cropped(viewed.labels[kind], window))
        depth_m = viewed.labels["depth"]
        assert (depth_m[content_height:] == 0).all() and (depth_m[:, content_width:] == 0).all() and depth_m.any()
        camera = viewed.intrinsics
        assert (camera.width, camera.height) == (width, height)
        assert camera.fx == pytest.approx(source.intrinsics.fx * scale, rel=0.03)


def test_noise_has_the_asked_for_strength_and_no_offset() -> None:
    grey = np.full((200, 300, 3), 120, np.uint8)
    noisy = _noisy(grey, 5.0, np.random.default_rng(0)).astype(float)
    assert noisy.mean() == pytest.approx(120, abs=0.1)
    assert noisy.std() == pytest.approx(5, rel=0.03)
    assert abs(np.corrcoef(noisy[:, 1:].ravel(), noisy[:, :-1].ravel())[0, 1]) < 0.02


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


def test_recolouring_keeps_shade_and_labels_and_what_has_none() -> None:
    sample = slanted_wall()
    shade = np.linspace(40, 200, 128).astype(np.uint8)
    sample.image[:] = shade[None, :, None]
    sample.labels["segmentation"][50:60] = 255
    seen = [recolored(sample, np.random.default_rng(seed)) for seed in range(20)]
    assert all(one.labels is sample.labels for one in seen)
    assert all((one.image[50:60] == sample.image[50:60]).all() for one in seen)
    wall = [one for one in seen if (one.image[0] != sample.image[0]).any()]
    assert 2 < len(wall) < 15
    for one in wall:  # grey stays a multiple of itself in each channel: what was lit more still is
        factors = one.image[0].astype(float) / shade[:, None]
        assert (np.ptp(factors[one.image[0].max(1) < 255], axis=0) < 0.06).all()
    table = [one for one in seen if (one.image[25, 40] != sample.image[25, 40]).any()]
    assert [one for one in table if all(one is not other for other in wall)], "classes change by themselves"
    del sample.labels["segmentation"]
    assert recolored(sample, np.random.default_rng(0)) is sample

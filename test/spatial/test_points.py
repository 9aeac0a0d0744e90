# SPDX-License-Identifier: Apache-2.0
"""Point clouds against scenes whose every point is known."""

import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Depth, Segmentation
from mtl_perception.spatial.points import POINT, PointFilter, PointProjector, on_grid

WIDTH, HEIGHT = 64, 48
CAMERA = Intrinsics(WIDTH, HEIGHT, 50.0, 60.0, 30.5, 25.25)
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]


def slanted_plane() -> tuple[np.ndarray, np.ndarray]:
    """Depth of the plane n·p = 2, and n."""
    normal = np.array([0.2, -0.3, 0.9])
    rays = np.stack([(COLUMNS - CAMERA.cx) / CAMERA.fx, (ROWS - CAMERA.cy) / CAMERA.fy, np.ones((HEIGHT, WIDTH))], -1)
    return (2.0 / (rays @ normal)).astype(np.float32), normal


def xyz(points: np.ndarray) -> np.ndarray:
    return np.stack([points["x"], points["y"], points["z"]], -1)


def segmentation(mask: np.ndarray, confidence: int | np.ndarray = 255) -> Segmentation:
    return Segmentation(mask.astype(np.uint8), np.broadcast_to(np.asarray(confidence, np.uint8), mask.shape))


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_points_of_a_plane_lie_on_it_and_project_back_to_their_pixels(stride: int) -> None:
    depth_m, normal = slanted_plane()
    points = xyz(PointProjector(stride)(Depth(depth_m), CAMERA)).astype(np.float64)
    assert points.shape == (HEIGHT // stride, WIDTH // stride, 3)
    np.testing.assert_allclose(points @ normal, 2.0, rtol=1e-5)
    u = points[..., 0] / points[..., 2] * CAMERA.fx + CAMERA.cx
    v = points[..., 1] / points[..., 2] * CAMERA.fy + CAMERA.cy
    np.testing.assert_allclose(u, on_grid(COLUMNS, stride), atol=1e-3)
    np.testing.assert_allclose(v, on_grid(ROWS, stride), atol=1e-3)


@pytest.mark.parametrize("stride", [1, 2, 5, 64, 200])
def test_the_grid_takes_the_middle_of_each_block(stride: int) -> None:
    chosen = on_grid(COLUMNS, stride)
    assert chosen.shape == (max(HEIGHT // stride, 1), max(WIDTH // stride, 1))
    assert chosen[0, 0] == min(stride, WIDTH) // 2 and (np.diff(chosen[0]) == stride).all()


def test_intrinsics_of_another_size_are_scaled() -> None:
    depth_m, _ = slanted_plane()
    twice = CAMERA.scaled(2 * WIDTH, 2 * HEIGHT)
    expected, found = (xyz(PointProjector()(Depth(depth_m), camera)) for camera in (CAMERA, twice))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_unknown_is_nan_in_all_three_and_never_infinite() -> None:
    depth_m = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    unknown = {(0, 0): np.nan, (1, 5): np.inf, (2, 6): -np.inf, (3, 7): 0.0, (4, 8): -1.0}
    for place, value in unknown.items():
        depth_m[place] = value
    points = xyz(PointProjector()(Depth(depth_m), CAMERA))
    assert not np.isinf(points).any()
    missing = np.zeros((HEIGHT, WIDTH), bool)
    missing[tuple(zip(*unknown))] = True
    np.testing.assert_array_equal(np.isnan(points), np.repeat(missing[..., None], 3, 2))


def test_colour_and_label_stand_at_every_pixel_and_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(1)
    image_rgb = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    mask = rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    depth_m = np.where(mask % 2, 1.0, np.nan).astype(np.float32)
    points = PointProjector(2)(Depth(depth_m), CAMERA, image_rgb, segmentation(mask))
    packed = np.ascontiguousarray(points["rgb"]).view(np.uint32)
    rgb = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], -1)
    np.testing.assert_array_equal(rgb, on_grid(image_rgb, 2))
    np.testing.assert_array_equal(points["label"], on_grid(mask, 2))


def test_without_image_and_mask_points_are_black_and_unlabelled() -> None:
    points = PointProjector()(Depth(slanted_plane()[0]), CAMERA)
    assert set(points["label"].ravel()) == {255}
    assert not (np.ascontiguousarray(points["rgb"]).view(np.uint32) & 0xFFFFFF).any()


def test_range_is_measured_from_the_camera_not_along_the_axis() -> None:
    depth_m = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    points = xyz(PointProjector(filter=PointFilter(max_range_m=2.1))(Depth(depth_m), CAMERA))
    distance_m = np.linalg.norm(xyz(PointProjector()(Depth(depth_m), CAMERA)), axis=-1)
    assert 0 < np.isnan(points[..., 2]).mean() < 1
    np.testing.assert_array_equal(np.isnan(points[..., 2]), distance_m > 2.1)


def test_filters_of_class_confidence_and_uncertainty() -> None:
    depth = Depth(np.full((HEIGHT, WIDTH), 2.0, np.float32), (COLUMNS / 100).astype(np.float32))
    labels = segmentation(ROWS % 4, COLUMNS * 4)

    def kept(**limits) -> np.ndarray:
        return ~np.isnan(PointProjector(1, PointFilter(**limits))(depth, CAMERA, None, labels)["z"])

    np.testing.assert_array_equal(kept(removed_ids=frozenset({0, 2})), ROWS % 2 == 1)
    np.testing.assert_array_equal(kept(min_confidence=0.5), COLUMNS * 4 >= 128)
    np.testing.assert_array_equal(kept(max_relative_std=0.2), depth.relative_std <= 0.2)
    assert kept().all()


def test_points_in_another_frame() -> None:
    """Optical frame (z forward, x right, y down) to a body frame (x forward, y left, z up) that lies 1.2 m lower."""
    pose = np.array([[0, 0, 1, 0.1], [-1, 0, 0, 0], [0, -1, 0, 1.2], [0, 0, 0, 1]], float)
    depth_m, _ = slanted_plane()
    depth_m[3, 4] = np.nan
    projector = PointProjector()
    optical = xyz(projector(Depth(depth_m), CAMERA)).astype(np.float64)
    body = xyz(projector(Depth(depth_m), CAMERA, pose=pose))
    np.testing.assert_allclose(body, optical @ pose[:3, :3].T + pose[:3, 3], atol=1e-5)
    np.testing.assert_allclose(xyz(projector(Depth(depth_m), CAMERA)), optical, atol=1e-6)


def test_a_given_buffer_is_filled_and_a_wrong_one_refused() -> None:
    buffer = np.zeros((HEIGHT, WIDTH), POINT)
    points = PointProjector()(Depth(slanted_plane()[0]), CAMERA, out=buffer)
    assert points is buffer and buffer["z"].all()
    with pytest.raises(ValueError, match=r"expected \(24, 32\)"):
        PointProjector(2)(Depth(slanted_plane()[0]), CAMERA, out=buffer)


def test_limits_that_leave_nothing_are_refused() -> None:
    for wrong in ({"max_range_m": 0.0}, {"max_relative_std": -1.0}, {"min_confidence": 1.5}, {"max_range_m": np.nan}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            PointFilter(**wrong)
    with pytest.raises(ValueError, match="stride"):
        PointProjector(0)

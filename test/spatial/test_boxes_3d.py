# SPDX-License-Identifier: Apache-2.0
"""3D boxes against cuboids whose place, size and turn are known."""

from dataclasses import replace

import numpy as np
import pytest
from cuboids import CAMERA, LABELS, OBJECTS, Cuboid, center_in_camera, level_to_optical, picture

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.instances import PLACE_TERMS, MaskPrototypes
from mtl_perception.core.rotation import rotation_matrix
from mtl_perception.core.scene import Boxes3D, Depth, Detections, Scene
from mtl_perception.spatial.boxes_3d import LEAST_DEPTH, MOST_COMPLETED_M, BoxEstimator, pose_covariances

ESTIMATE = BoxEstimator(OBJECTS, LABELS, flat_labels=["door"])
UP = np.array([0.0, -1.0, 0.0])


def up(tilt: float) -> np.ndarray:
    return level_to_optical(tilt)[:, 2]


def yaw_difference(boxes: Boxes3D, index: int, cuboid: Cuboid, tilt: float) -> float:
    """Radians between the axes of a box and of the cuboid, quarter turns aside."""
    x_axis = level_to_optical(tilt).T @ rotation_matrix(boxes.quaternions_xyzw[index])[:, 0]
    return (np.arctan2(x_axis[1], x_axis[0]) - cuboid.yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4


@pytest.mark.parametrize("tilt", [0.2, 0.35, 0.5])
@pytest.mark.parametrize("yaw", [0.0, 0.4, 0.8, 1.2])
def test_a_cuboid_of_which_two_sides_and_the_top_are_seen(tilt: float, yaw: float) -> None:
    """Place to 4 cm at 2 m, size to 15 %, turn to the 10° that are tried."""
    cuboid = Cuboid(0.35, 2.2, 0.2, (0.6, 0.45, 0.4), yaw)
    boxes = ESTIMATE(picture([cuboid], tilt), CAMERA, up(tilt))
    np.testing.assert_allclose(boxes.centers_m[0], center_in_camera(cuboid, tilt), atol=0.04)
    assert abs(yaw_difference(boxes, 0, cuboid, tilt)) < np.radians(6)
    np.testing.assert_allclose(np.sort(boxes.sizes_m[0][:2]), (0.45, 0.6), rtol=0.15)
    assert boxes.sizes_m[0][2] == pytest.approx(0.4, rel=0.06)
    np.testing.assert_allclose(rotation_matrix(boxes.quaternions_xyzw[0])[:, 2], up(tilt), atol=1e-6)


def test_length_of_the_up_vector_says_nothing() -> None:
    scene = picture([Cuboid(0.1, 2.0, 0.2, (0.4, 0.4, 0.4), 0.5)])
    once, thrice = ESTIMATE(scene, CAMERA, UP), ESTIMATE(scene, CAMERA, 3 * UP)
    np.testing.assert_allclose(once.centers_m, thrice.centers_m)


def test_without_gravity_boxes_lie_along_the_camera() -> None:
    cuboid = Cuboid(0.0, 2.0, 0.7, (0.5, 0.3, 0.6))
    boxes = ESTIMATE(picture([cuboid]), CAMERA)
    np.testing.assert_array_equal(boxes.quaternions_xyzw, [[0, 0, 0, 1]])
    width, height, depth = boxes.sizes_m[0]
    assert (width, height) == (pytest.approx(0.5, rel=0.06), pytest.approx(0.6, rel=0.06))
    assert depth == pytest.approx(min(LEAST_DEPTH * 0.5, MOST_COMPLETED_M), rel=0.06)  # only its front is seen
    np.testing.assert_allclose(boxes.centers_m[0][:2], (0.0, 0.3), atol=0.02)


@pytest.mark.parametrize("yaw", [0.0, np.pi / 2])
def test_the_far_side_is_completed_away_from_the_camera(yaw: float) -> None:
    """One face in view: its distance is right, and the box reaches back from there."""
    cuboid = Cuboid(0.0, 2.0, 1.0, (0.3, 0.3, 0.3), yaw)
    boxes = ESTIMATE(picture([cuboid]), CAMERA, UP)
    near_m = boxes.centers_m[0, 2] - 0.5 * LEAST_DEPTH * 0.3
    assert near_m == pytest.approx(1.85, abs=0.02)
    assert sorted(boxes.sizes_m[0][:2]) == pytest.approx([LEAST_DEPTH * 0.3, 0.3], rel=0.06)


def test_flat_objects_stay_flat() -> None:
    door = Cuboid(0.3, 5.9, 1.0, (0.9, 0.1, 2.0), label="door")
    boxes = ESTIMATE(picture([door]), CAMERA, UP)
    assert boxes.sizes_m[0].min() < 0.05
    assert boxes.sizes_m[0][2] == pytest.approx(2.0, rel=0.06)


def test_what_stands_behind_and_in_front_is_left_out_where_the_mask_runs_over() -> None:
    """The mask calls floor and wall in the 2D box "box" as well; depth tells them apart."""
    cuboid = Cuboid(0.0, 2.0, 0.9, (0.5, 0.4, 0.5), 0.4)
    scene = picture([cuboid], 0.3)
    x1, y1, x2, y2 = scene.detections.boxes_xyxy[0].astype(int)
    scene.segmentation.mask[y1:y2, x1:x2] = LABELS.index("box")
    boxes = ESTIMATE(scene, CAMERA, up(0.3))
    np.testing.assert_allclose(boxes.centers_m[0], center_in_camera(cuboid, 0.3), atol=0.08)


def test_a_object_half_hidden_by_another_class() -> None:
    front, back = Cuboid(-0.1, 1.5, 0.9, (0.1, 0.05, 1.8), label="door"), Cuboid(0.0, 3.0, 0.9, (0.8, 0.4, 0.6))
    boxes = ESTIMATE(picture([front, back]), CAMERA, UP)
    assert boxes.centers_m[1, 2] == pytest.approx(3.0, abs=0.1)
    assert boxes.sizes_m[1].max() == pytest.approx(0.8, rel=0.1)


def test_without_a_mask_the_larger_part_of_the_depths_counts() -> None:
    cuboid = Cuboid(0.0, 2.0, 0.9, (0.5, 0.4, 0.5))
    scene = replace(picture([cuboid]), segmentation=None)
    boxes = ESTIMATE(scene, CAMERA, UP)
    np.testing.assert_allclose(boxes.centers_m[0], center_in_camera(cuboid), atol=0.04)


def test_mixed_depths_at_the_edges_hardly_count() -> None:
    """Single pixels that float between an object and the wall, as networks and depth cameras make them."""
    cuboid = Cuboid(0.2, 2.0, 0.9, (0.5, 0.4, 0.5), 0.3)
    clean = picture([cuboid])
    depth_m = clean.depth.depth_m.copy()
    own = clean.segmentation.mask == LABELS.index("box")
    edge = own & ~np.roll(own, 2, 1)
    depth_m[edge] = 0.5 * (depth_m[edge] + 6.0)
    found = ESTIMATE(replace(clean, depth=Depth(depth_m)), CAMERA, UP)
    np.testing.assert_allclose(found.centers_m[0], ESTIMATE(clean, CAMERA, UP).centers_m[0], atol=0.06)


def test_a_detection_without_depth_is_not_valid_and_disturbs_no_other() -> None:
    cuboids = [Cuboid(-0.5, 2.0, 0.9, (0.4, 0.4, 0.4)), Cuboid(0.5, 2.0, 0.9, (0.4, 0.4, 0.4))]
    scene = picture(cuboids)
    expected = ESTIMATE(scene, CAMERA, UP)
    scene.depth.depth_m[:, : CAMERA.width // 2] = np.nan
    boxes = ESTIMATE(scene, CAMERA, UP)
    np.testing.assert_array_equal(boxes.valid, [False, True])
    np.testing.assert_allclose(boxes.centers_m[1], expected.centers_m[1])
    assert np.isnan(boxes.centers_m[0]).all() and np.isnan(boxes.center_covariances_m2[0]).all()
    np.testing.assert_array_equal(boxes.sizes_m[0], 0)
    np.testing.assert_array_equal(boxes.quaternions_xyzw[0], [0, 0, 0, 1])


@pytest.mark.parametrize(
    "box", [(-50, -40, 5, 5), (310, 230, 400, 300), (100, 100, 100.2, 100.4), (500, 10, 600, 50), (500, 500, 600, 600), (9, 9, 2, 2)]
)
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.filterwarnings("error")
def test_boxes_at_and_beyond_the_edge_of_the_image_raise_nothing(box: tuple, is_known: bool) -> None:
    scene = picture([Cuboid(0.0, 2.0, 0.9, (0.4, 0.4, 0.4))])
    scene.depth.depth_m[...] = scene.depth.depth_m if is_known else np.nan
    found = Detections(np.array([box], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    boxes = ESTIMATE(replace(scene, detections=found), CAMERA, UP)
    assert (boxes.sizes_m >= 0).all() and np.isfinite(boxes.quaternions_xyzw).all()


def test_no_detections_give_no_boxes() -> None:
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    boxes = ESTIMATE(replace(picture([]), detections=nothing), CAMERA, UP)
    assert len(boxes) == 0 and boxes.center_covariances_m2.shape == (0, 3, 3)


def test_uncertain_depth_makes_an_uncertain_place_along_the_ray_and_pixels_do_not_average_it_out() -> None:
    cuboid = Cuboid(0.6, 2.0, 1.0, (0.3, 0.3, 0.3))
    scene = picture([cuboid])
    std = np.full(scene.depth.depth_m.shape, 0.2, np.float32)
    boxes = ESTIMATE(replace(scene, depth=replace(scene.depth, relative_std=std)), CAMERA, UP)
    center_m, covariance = boxes.centers_m[0], boxes.center_covariances_m2[0]
    np.testing.assert_allclose(covariance, covariance.T)
    spread, directions = np.linalg.eigh(covariance)
    assert np.sqrt(spread[-1]) == pytest.approx(0.2 * np.linalg.norm(center_m), rel=0.05)
    assert abs(directions[:, -1] @ center_m) / np.linalg.norm(center_m) > 0.99
    assert np.sqrt(spread[0]) < 0.1


def test_the_networks_smear_is_taken_out_of_a_objects_depth() -> None:
    """A thin board that a doubtful network saw 0.3 m deep."""
    scene = picture([Cuboid(0.0, 2.0, 1.0, (0.5, 0.02, 0.5), label="door")])
    rng = np.random.default_rng(3)
    blurred = scene.depth.depth_m * np.exp(rng.uniform(-0.07, 0.07, scene.depth.depth_m.shape)).astype(np.float32)
    doubt = np.full_like(blurred, 0.3)
    trusted = ESTIMATE(replace(scene, depth=Depth(blurred, np.zeros_like(doubt))), CAMERA, UP)
    doubted = ESTIMATE(replace(scene, depth=Depth(blurred, doubt)), CAMERA, UP)
    assert trusted.sizes_m[0].min() > 0.2 and doubted.sizes_m[0].min() < 0.05
    assert doubted.centers_m[0, 2] == pytest.approx(2.0, abs=0.06)


def test_pose_covariance_knows_the_turn_about_up_least() -> None:
    boxes = ESTIMATE(picture([Cuboid(0.2, 2.0, 1.0, (0.3, 0.4, 0.3), 0.4)], 0.3), CAMERA, up(0.3))
    (covariance,) = pose_covariances(boxes)
    np.testing.assert_allclose(covariance[:3, :3], boxes.center_covariances_m2[0])
    spread, directions = np.linalg.eigh(covariance[3:, 3:])
    assert abs(directions[:, -1] @ up(0.3)) == pytest.approx(1.0, abs=1e-6)
    assert spread[-1] > 4 * spread[-2] > 0
    assert not covariance[:3, 3:].any()


def test_a_scene_without_depth_and_a_wrong_up_are_refused() -> None:
    scene = picture([Cuboid(0.0, 2.0, 0.9, (0.4, 0.4, 0.4))])
    with pytest.raises(ValueError, match="depth"):
        ESTIMATE(Scene(320, 240, scene.detections), CAMERA)
    for wrong in (np.zeros(3), np.array([np.nan, 0, 1]), np.ones(2)):
        with pytest.raises(ValueError, match="up is"):
            ESTIMATE(scene, CAMERA, wrong)


def test_an_objects_own_mask_says_which_depth_is_its() -> None:
    """A thin object before a wall, both in the box: most of its pixels are the wall's."""
    depth_m = np.full((96, 128), 3.0, np.float32)
    depth_m[:, :48] = 1.0
    found = Detections(np.float32([[32, 16, 96, 80]]), np.float32([0.9]), np.array([0]))
    coefficients = np.zeros((3, PLACE_TERMS, 12, 16), np.float32)
    coefficients[:, :2] = np.float32([-5, -10])[None, :, None, None]  # what lies left of a quarter of the box
    masks = MaskPrototypes(np.zeros((0, 24, 32), np.float32), coefficients)
    camera = Intrinsics(128, 96, 100.0, 100.0, 63.5, 47.5)
    estimate = BoxEstimator(["post"])
    scene = Scene(128, 96, found, depth=Depth(depth_m))
    assert estimate(scene, camera).centers_m[0, 2] > 2.5
    with_mask = estimate(replace(scene, instances=masks), camera)
    assert with_mask.valid.all() and with_mask.centers_m[0, 2] < 1.5 and with_mask.sizes_m[0, 0] < 0.3
    nothing = replace(masks, coefficients=coefficients * 0 - 1)  # an empty mask: depth alone decides
    assert estimate(replace(scene, instances=nothing), camera).centers_m[0, 2] > 2.5

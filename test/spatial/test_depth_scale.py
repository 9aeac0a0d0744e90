# SPDX-License-Identifier: Apache-2.0
"""One factor for a frame, from the floor or from a laser; refused where the evidence is poor, filtered over time."""

import math

import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Depth, Detections, Segmentation
from mtl_perception.spatial.depth_scale import ScaleEvidence, ScaleFilter, scale_from_floor, scale_from_points, scale_from_sizes, scaled

CAMERA = Intrinsics(160, 120, 150.0, 150.0, 79.5, 59.5)
HEIGHT_M, FLOOR, WALL = 1.2, 3, 1
TILT = math.radians(15)
UP = np.array([0.0, -math.cos(TILT), -math.sin(TILT)])  # the camera looks down a little


def room() -> tuple[np.ndarray, np.ndarray]:
    """True depth of a floor and a wall at 5 m, and their mask."""
    y, x = np.indices((120, 160))
    rays = np.stack([(x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy, np.ones(x.shape)], -1)
    drop = -(rays @ UP)
    floor_m = np.where(drop > 0, HEIGHT_M / np.maximum(drop, 1e-6), np.inf)
    depth_m = np.minimum(floor_m, 5.0).astype(np.float32)
    return depth_m, np.where(floor_m < 5.0, FLOOR, WALL).astype(np.uint8)


def seen(mask: np.ndarray) -> Segmentation:
    return Segmentation(mask, np.full(mask.shape, 230, np.uint8))


@pytest.mark.parametrize("wrong_by", [0.5, 1.0, 1.7])
def test_the_floor_gives_the_factor(wrong_by: float) -> None:
    truth_m, mask = room()
    network = truth_m * wrong_by * np.exp(np.random.default_rng(0).normal(size=truth_m.shape) * 0.1).astype(np.float32)
    evidence = scale_from_floor(Depth(network), seen(mask), FLOOR, CAMERA, UP, HEIGHT_M)
    assert evidence.problem is None and evidence.factor == pytest.approx(1 / wrong_by, rel=0.03)
    assert 0.08 <= evidence.relative_std < 0.15


def test_furniture_that_is_taken_for_floor_does_not_matter() -> None:
    truth_m, mask = room()
    truth_m[100:, 40:80] *= 0.5
    evidence = scale_from_floor(Depth(truth_m), seen(mask), FLOOR, CAMERA, UP, HEIGHT_M)
    assert evidence.factor == pytest.approx(1.0, abs=0.02)


def test_poor_evidence_is_refused_with_the_reason() -> None:
    truth_m, mask = room()

    def problem(depth_m=truth_m, segmentation=None, up=UP, height_m=HEIGHT_M) -> str:
        found = scale_from_floor(Depth(depth_m), segmentation or seen(mask), FLOOR, CAMERA, up, height_m)
        assert math.isnan(found.factor)
        return found.problem

    assert "floor is seen in 0.0% of the image" in problem(segmentation=seen(np.full_like(mask, WALL)))
    assert "floor is seen in 0.0%" in problem(segmentation=Segmentation(mask, np.zeros_like(mask)))
    assert "floor is seen in 0.0%" in problem(depth_m=np.full_like(truth_m, np.nan))
    assert "is -0.30 m above the floor" in problem(height_m=-0.3)
    assert "is nan m above" in problem(height_m=math.nan)
    assert "factor would be 8.33" in problem(height_m=10.0)
    ramp = np.array([0.0, -math.cos(0.9), -math.sin(0.9)])  # a robot that thinks it looks down by 50°
    assert "no plane at this tilt: factors near and far differ by" in problem(up=ramp)


def test_a_laser_gives_the_factor_and_ignores_what_is_out_of_view() -> None:
    truth_m, _ = room()
    columns = np.arange(0, 160, 4)
    z = truth_m[70, columns]
    in_view = np.stack([(columns - CAMERA.cx) / CAMERA.fx * z, np.full(len(z), (70 - CAMERA.cy) / CAMERA.fy) * z, z], 1)
    behind = np.array([[0.0, 0.0, -2.0], [9.0, 0.0, 0.1], [0.0, 0.0, 0.0]])
    evidence = scale_from_points(Depth(truth_m * 1.3), CAMERA, np.concatenate([in_view, behind]))
    assert evidence.factor == pytest.approx(1 / 1.3, rel=1e-3)
    assert "0 measured points are in view, expected at least 12" in scale_from_points(Depth(truth_m), CAMERA, behind).problem
    other_plane = in_view * np.random.default_rng(0).uniform(0.3, 3, (len(z), 1))
    other_plane[:, :2] = in_view[:, :2] / in_view[:, 2:] * other_plane[:, 2:]
    assert "don't fit by one factor" in scale_from_points(Depth(truth_m), CAMERA, other_plane).problem


def test_a_calibration_may_be_for_another_size_of_the_image() -> None:
    """As everywhere else in this room: the image may have been made smaller on the way."""
    truth_m, mask = room()
    network = Depth(truth_m * 1.3)
    can = Detections(np.float32([[60, 30, 90, 70]]), np.float32([0.9]), np.array([0]))
    column, z = np.arange(0, 160, 4), truth_m[70, ::4]
    points_m = np.stack([(column - CAMERA.cx) / CAMERA.fx * z, (70 - CAMERA.cy) / CAMERA.fy * z, z], 1)
    sources = (
        lambda camera: scale_from_floor(network, seen(mask), FLOOR, camera, UP, HEIGHT_M),
        lambda camera: scale_from_points(network, camera, points_m),
        lambda camera: scale_from_sizes(Depth(np.full_like(truth_m, 0.5)), can, ["can"], camera),
    )
    for evidence in sources:
        here, of_sensor = evidence(CAMERA), evidence(CAMERA.scaled(640, 480))
        assert here.problem is None and of_sensor.factor == pytest.approx(here.factor, rel=1e-6)


def test_the_filter_holds_its_factor_while_there_is_no_evidence() -> None:
    filter_, nothing = ScaleFilter(), ScaleEvidence(math.nan, math.inf, "no floor")
    assert filter_.update(0.0, nothing) == 1.0 and math.isinf(filter_.relative_std)
    for k in range(10):
        filter_.update(0.1 * k, ScaleEvidence(1.5, 0.05))
    assert filter_.factor == pytest.approx(1.5) and filter_.relative_std < 0.03
    assert filter_.update(2.0, nothing) == pytest.approx(1.5)
    assert filter_.update(60.0, nothing) == 1.0  # another place by now
    filter_.update(60.1, ScaleEvidence(0.7, 0.05))
    assert filter_.update(50.0, ScaleEvidence(1.2, 0.05)) == pytest.approx(1.2)  # the bag began anew


def test_one_odd_frame_changes_nothing_but_many_do() -> None:
    filter_ = ScaleFilter()
    for k in range(20):
        filter_.update(0.1 * k, ScaleEvidence(1.0, 0.05))
    assert filter_.update(2.1, ScaleEvidence(2.0, 0.05)) == pytest.approx(1.0)
    for k in range(8):
        filter_.update(2.2 + 0.1 * k, ScaleEvidence(2.0, 0.05))
    assert filter_.factor == pytest.approx(2.0, rel=0.02)


def test_depth_is_scaled_and_its_relative_uncertainty_stays() -> None:
    depth = Depth(np.float32([[1.0, np.nan]]), np.float32([[0.1, 0.2]]))
    found = scaled(depth, 2.0)
    np.testing.assert_array_equal(found.depth_m, np.float32([[2.0, np.nan]]))
    assert found.depth_m.dtype == np.float32 and found.relative_std is depth.relative_std


LABELS = ["door", "cup", "can"]


def objects(*of: tuple[str, float, float, float]) -> tuple[Depth, Detections]:
    """Objects of (class, height in m, depth in m, score), side by side, as the camera sees them."""
    depth_m, boxes = np.full((120, 160), 6.0, np.float32), []
    for number, (_, height_m, z, _) in enumerate(of):
        high = height_m * CAMERA.fy / z
        x, y = 10 + 40 * number, 60 - high / 2
        boxes.append((x, y, x + 20, y + high))
        depth_m[max(round(y), 0) : round(y + high), x : x + 20] = z
    scores = np.array([one[3] for one in of], np.float32)
    ids = np.array([LABELS.index(one[0]) for one in of], np.int64)
    return Depth(depth_m), Detections(np.array(boxes, np.float32).reshape(-1, 4), scores, ids)


@pytest.mark.parametrize("wrong_by", [0.6, 1.0, 1.5])
def test_usual_sizes_give_the_factor_weakly(wrong_by: float) -> None:
    depth, found = objects(("door", 2.03, 3.5, 0.9), ("can", 0.12, 0.6, 0.8), ("cup", 0.1, 0.5, 0.9))
    evidence = scale_from_sizes(scaled(depth, wrong_by), found, LABELS, CAMERA)
    assert evidence.problem is None and evidence.factor == pytest.approx(1 / wrong_by, rel=0.03)
    assert evidence.relative_std > 0.09
    alone = scale_from_sizes(*objects(("can", 0.12, 0.6, 0.8)), LABELS, CAMERA)
    assert alone.relative_std > evidence.relative_std


def test_the_better_known_class_counts_more() -> None:
    evidence = scale_from_sizes(*objects(("door", 2.03, 3.5, 0.9), ("can", 0.17, 0.6, 0.8)), LABELS, CAMERA)
    assert 0.9 < evidence.factor < 1.0


@pytest.mark.parametrize(
    ("of", "words"),
    [
        ([], "nothing of known size is wholly in view: bottle, can, chair, door, refrigerator"),
        ([("door", 2.03, 3.5, 0.4)], "nothing of known size"),
        ([("door", 2.03, 2.0, 0.9)], "nothing of known size"),  # reaches beyond the picture
        ([("can", 0.12, 3.0, 0.9)], "nothing of known size"),  # a few pixels high
        ([("cup", 0.1, 0.5, 0.9)], "nothing of known size"),
        ([("can", 0.9, 1.5, 0.9)], "don't tell one factor: 0.13"),
        ([("door", 1.0, 2.0, 0.9), ("can", 0.5, 0.9, 0.9)], "don't tell one factor"),
    ],
)
def test_sizes_that_tell_nothing_are_refused(of, words: str) -> None:
    assert words in (scale_from_sizes(*objects(*of), LABELS, CAMERA).problem or "")

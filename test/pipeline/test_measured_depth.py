# SPDX-License-Identifier: Apache-2.0
"""What a depth sensor measured goes into depth, 3D boxes and tracks, by the option that says so."""

import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation
from mtl_perception.pipeline import KnownPlacement, PipelineOptions, Postprocessor, TrackingOptions
from mtl_perception.spatial.points import PointFilter, PointProjector

CAMERA = Intrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
IMAGE = np.zeros((48, 64, 3), np.uint8)
MEASURED_M = np.full((48, 64), 3.0, np.float32)
MEASURED_M[:, :20] = np.nan
DETECTIONS = Detections(np.float32([[10, 10, 30, 30]]), np.float32([0.9]), np.int64([0]))


def frame(source: str, depth: Depth | None = Depth(np.full((48, 64), 2.0, np.float32)), measured_m: np.ndarray | None = MEASURED_M):
    process = Postprocessor(["can"], [], PipelineOptions(depth_source=source))
    return process(Scene(64, 48, DETECTIONS, depth=depth), IMAGE, CAMERA, measured_m=measured_m)


@pytest.mark.parametrize(("source", "distance_m", "seen"), [("network", 2.0, 1.0), ("camera", 3.0, 44 / 64), ("fused", 3.0, 1.0)])
def test_depth_and_boxes_follow_the_source(source: str, distance_m: float, seen: float) -> None:
    found = frame(source)
    depth_m = found.scene.depth.depth_m
    assert np.isfinite(depth_m).mean() == pytest.approx(seen)
    np.testing.assert_allclose(depth_m[np.isfinite(depth_m)], distance_m, rtol=0.01)
    assert found.boxes_3d.centers_m[0, 2] == pytest.approx(distance_m, abs=0.5)
    assert (found.fused is None) == (source == "network")


@pytest.mark.parametrize("source", ["camera", "fused"])
@pytest.mark.parametrize("missing", [0.01, 0.3])
def test_what_a_sensor_misses_here_and_there_leaves_the_rest_of_an_object_known(source: str, missing: float) -> None:
    """At the size of real images the uncertainty is known on a coarse grid, whose pixels are missing as others are."""
    scene = Scene(640, 480, DETECTIONS.scaled(10, 10), depth=Depth(np.full((480, 640), 2.2, np.float32)))
    process = Postprocessor(["can"], [], PipelineOptions(depth_source=source, tracking=TrackingOptions()))
    measured_m = np.full((480, 640), 2.0, np.float32)
    measured_m[np.random.default_rng(0).random(measured_m.shape) < missing] = np.nan
    for frame_number in range(3):
        found = process(scene, np.zeros((480, 640, 3), np.uint8), CAMERA, 0.1 * frame_number, measured_m=measured_m)
    boxes, (track,) = found.boxes_3d, found.tracks.tracks
    assert boxes.valid.all() and boxes.centers_m[0, 2] == pytest.approx(2.0, abs=0.25)
    assert np.isfinite(boxes.sizes_m).all() and np.isfinite(boxes.center_covariances_m2).all()
    np.testing.assert_allclose(track.position_m, boxes.centers_m[0], atol=0.01)
    for stride in (1, 4):
        project, sure = (PointProjector(stride, PointFilter(max_relative_std=std)) for std in (np.inf, 0.05))
        points, kept = (one(found.scene.depth, CAMERA)["z"] for one in (project, sure))
        np.testing.assert_array_equal(points[np.isclose(points, 2.0)], kept[np.isclose(points, 2.0)])


@pytest.mark.parametrize("source", ["camera", "fused"])
def test_without_a_measurement_it_is_the_networks(source: str) -> None:
    found = frame(source, measured_m=None)
    assert found.fused is None and (found.scene.depth.depth_m == 2.0).all()


def test_a_model_without_depth_takes_what_is_measured() -> None:
    found = frame("fused", depth=None)
    assert found.boxes_3d.valid.all() and np.isfinite(found.scene.depth.depth_m).mean() == pytest.approx(44 / 64)


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(ValueError, match="depth_source is 'laser', expected one of: network, camera, fused"):
        PipelineOptions(depth_source="laser")


def test_the_scale_of_depth_comes_from_points_and_lasts() -> None:
    process = Postprocessor(["can"], ["floor"], PipelineOptions(depth_scale="points"))
    scene = Scene(64, 48, DETECTIONS, depth=Depth(np.full((48, 64), 2.0, np.float32)))
    points_m = np.stack([np.linspace(-0.5, 0.5, 40), np.zeros(40), np.full(40, 3.0)], 1)
    assert process(scene, IMAGE, CAMERA, 1.0).scale.factor == 1.0
    found = process(scene, IMAGE, CAMERA, 1.1, points_m=points_m)
    assert found.scale.factor == pytest.approx(1.5) and found.scale.evidence.problem is None
    np.testing.assert_allclose(found.scene.depth.depth_m, 3.0)
    assert found.boxes_3d.centers_m[0, 2] == pytest.approx(3.0, abs=0.5)
    later = process(scene, IMAGE, CAMERA, 1.2)
    assert later.scale.factor == pytest.approx(1.5) and "no points are measured" in later.scale.evidence.problem


@pytest.mark.parametrize(
    ("labels", "placement", "said"),
    [
        (["wall"], KnownPlacement(), "the model has no segmentation class 'floor'"),
        (["floor"], KnownPlacement(), "the camera's height is not known"),
        (["floor"], KnownPlacement(ground_pose=np.eye(4)), "the camera is 0.00 m above the floor"),
    ],
)
def test_what_keeps_the_floor_from_telling_the_scale(labels: list[str], placement: KnownPlacement, said: str) -> None:
    process = Postprocessor(["can"], labels, PipelineOptions(depth_scale="floor"))
    mask = Segmentation(np.zeros((48, 64), np.uint8), np.full((48, 64), 200, np.uint8))
    scene = Scene(64, 48, segmentation=mask, depth=Depth(np.full((48, 64), 2.0, np.float32)))
    found = process(scene, IMAGE, CAMERA, 1.0, placement)
    assert found.scale.factor == 1.0 and said in found.scale.evidence.problem

# SPDX-License-Identifier: Apache-2.0
"""What a depth sensor measured goes into depth, 3D boxes and tracks, by the option that says so."""

import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Depth, Detections, Scene
from mtl_perception.pipeline import PipelineOptions, Postprocessor

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
def test_without_a_measurement_it_is_the_networks(source: str) -> None:
    found = frame(source, measured_m=None)
    assert found.fused is None and (found.scene.depth.depth_m == 2.0).all()


def test_a_model_without_depth_takes_what_is_measured() -> None:
    found = frame("fused", depth=None)
    assert found.boxes_3d.valid.all() and np.isfinite(found.scene.depth.depth_m).mean() == pytest.approx(44 / 64)


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(ValueError, match="depth_source is 'laser', expected one of: network, camera, fused"):
        PipelineOptions(depth_source="laser")

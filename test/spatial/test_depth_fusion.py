# SPDX-License-Identifier: Apache-2.0
"""A sensor with holes and a network that is wrong by a factor of each object: the fused depth has neither fault."""

import itertools

import numpy as np
import pytest

from mtl_perception.core.scene import Depth
from mtl_perception.spatial.depth_fusion import FusedDepth, SensorNoise, Source, fuse, measured_alone

HEIGHT, WIDTH = 120, 160


def room() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True depth of a wall, a floor and a box; what a network says, wrong by factors; what a sensor says, with noise and holes."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    truth = np.minimum(4.0, 240.0 / np.maximum(y - 40, 1)).astype(np.float32)
    box = (x > 60) & (x < 100) & (y > 50) & (y < 90)
    truth[box] = 1.5
    network = truth * np.where(box, 1.4, 0.8 + 0.002 * x).astype(np.float32)
    random = np.random.default_rng(0)
    measured = truth + random.normal(size=truth.shape).astype(np.float32) * 0.005
    measured[70:110, 85:130] = np.nan  # half of the box and some floor
    measured[:20] = 0.0  # beyond the range of the sensor
    return truth, network, measured


def rmse_m(depth_m: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.sqrt(np.mean((depth_m - truth)[where] ** 2)))


def test_measured_where_valid_and_scaled_elsewhere() -> None:
    truth, network, measured = room()
    fused = fuse(measured, Depth(network))
    valid = np.isfinite(measured) & (measured > 0)
    assert (fused.source[~valid] == Source.NETWORK).all() and (fused.source[valid] == Source.MEASURED).mean() > 0.99
    assert rmse_m(fused.depth.depth_m, truth, fused.source == Source.MEASURED) < 0.006
    assert rmse_m(fused.depth.depth_m, truth, ~valid) < 0.2 * rmse_m(network, truth, ~valid)
    assert fused.problem is None and fused.factor == pytest.approx(1 / 0.96, abs=0.15)
    assert fused.depth.depth_m.dtype == np.float32


def test_a_hole_in_the_box_takes_the_factor_of_the_box() -> None:
    """Its outline lies between two pixels of the coarse grid, so what is near to it depends on the side that the hole is on."""
    right = []
    for across, down in itertools.product((1, -1), (1, -1)):
        truth, network, measured = (np.ascontiguousarray(image[::down, ::across]) for image in room())
        hole = (truth == 1.5) & np.isnan(measured)
        assert hole.sum() > 100
        found = fuse(measured, Depth(network)).depth.depth_m[hole]  # 2.1 m by the network
        assert np.median(found) == pytest.approx(1.5, abs=0.01)
        right.append((np.abs(found - 1.5) < 0.15).mean())
    assert np.mean(right) > 0.93


@pytest.mark.parametrize("size", [(480, 640), (480, 848), (720, 1280), (120, 160)])
def test_factors_lie_on_the_pixels_that_they_were_found_at(size: tuple[int, int]) -> None:
    """Found on a coarse grid and enlarged, they must not be shifted by half a cell."""
    y, x = np.mgrid[: size[0], : size[1]]
    network = 2 * np.exp(-0.5 * x / size[1] - 0.3 * y / size[0]).astype(np.float32)
    truth = np.full(size, 2, np.float32)
    hidden = np.random.default_rng(0).random(size) < 0.3
    found = fuse(np.where(hidden, np.float32(np.nan), truth), Depth(network)).depth.depth_m
    inside = hidden[20:-20, 20:-20]
    assert abs(np.log(found / truth)[20:-20, 20:-20][inside].mean()) < 2e-4


def test_speckles_are_left_out() -> None:
    truth, network, measured = room()
    at = np.s_[30:60:10, 10:50:10]
    measured[at] = 9.0
    fused = fuse(measured, Depth(network))
    assert (fused.source[at] == Source.NETWORK).all()
    np.testing.assert_allclose(fused.depth.depth_m[at], truth[at], rtol=0.05)


def test_a_sparse_measurement_gives_the_scale() -> None:
    """As a laser does: one row of the image."""
    truth, network, measured = room()
    row = np.full_like(measured, np.nan)
    row[104] = truth[104]
    fused = fuse(row, Depth(network))
    floor = (truth < 4) & (truth != 1.5)
    assert rmse_m(fused.depth.depth_m, truth, floor) < 0.6 * rmse_m(network, truth, floor)


def test_uncertainty_is_the_sensors_or_the_networks() -> None:
    _truth, network, measured = room()
    std = fuse(measured, Depth(network)).depth.relative_std
    step = HEIGHT // std.shape[0]
    valid = np.isfinite(measured[::step, ::step]) & (measured[::step, ::step] > 0)
    assert np.median(std[valid]) < 0.01 < np.median(std[~valid]) < 0.3
    assert SensorNoise().relative_std(np.float32([1.0]))[0] == pytest.approx(0.0012 + 0.0019 * 0.36)


def _says(fused: FusedDepth, network: np.ndarray, text: str) -> None:
    np.testing.assert_array_equal(fused.depth.depth_m, network)
    assert text in fused.problem and np.isnan(fused.factor) and not (fused.source == Source.MEASURED).any()


@pytest.mark.parametrize("nothing", [np.nan, 0.0, np.inf, -1.0])
def test_too_little_evidence_leaves_the_network_alone(nothing: float) -> None:
    _, network, measured = room()
    nowhere = np.full_like(measured, nothing)
    _says(fuse(nowhere, Depth(network)), network, "only 0.0% of its pixels are measured, expected at least 0.5%")


def test_unknown_depth_of_the_network_stays_unknown_where_nothing_is_measured() -> None:
    _, network, measured = room()
    network[75:80, 90:95] = np.nan
    fused = fuse(measured, Depth(network))
    assert np.isnan(fused.depth.depth_m[75:80, 90:95]).all() and (fused.source[75:80, 90:95] == Source.NONE).all()
    network[:] = np.nan
    fused = fuse(measured, Depth(network))
    assert fused.problem is not None


def test_sizes_must_fit() -> None:
    _, network, measured = room()
    with pytest.raises(ValueError, match="measured depth is of 80x120, the network's of 160x120 pixels"):
        fuse(measured[:, ::2], Depth(network))


def test_the_sensor_alone() -> None:
    _, _, measured = room()
    found = measured_alone(measured)
    seen = found.source == Source.MEASURED
    assert set(np.unique(found.source)) == {Source.NONE, Source.MEASURED} and 0.5 < seen.mean() < 0.9
    np.testing.assert_array_equal(found.depth.depth_m[seen], measured[seen])
    assert np.isnan(found.depth.depth_m[~seen]).all()

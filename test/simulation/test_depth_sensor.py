# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mtl_perception.simulation.camera import intrinsics
from mtl_perception.simulation.depth_sensor import DepthSensor

CAMERA = intrinsics(160, 120, 70.0)
GREY = np.full((120, 160, 3), 128, np.uint8)
NO_GLASS = np.zeros((120, 160), bool)


def measured(depth_m, rgb=GREY, glass=NO_GLASS):
    return DepthSensor().measure(np.asarray(depth_m, np.float32), rgb, glass, CAMERA, np.random.default_rng(0))


@pytest.mark.parametrize("distance_m", [1.0, 2.0, 4.0])
def test_a_wall_is_measured_with_noise_and_in_steps(distance_m):
    found_m = measured(np.full((120, 160), distance_m))
    assert np.isfinite(found_m).mean() > 0.99
    step_m = distance_m**2 / (CAMERA.fx * 0.075) * 0.0625
    assert abs(np.nanmedian(found_m) - distance_m) < step_m
    assert len(np.unique(found_m[np.isfinite(found_m)])) < 20
    expected_m = 0.0012 + 0.0019 * (distance_m - 0.4) ** 2
    assert 0.5 * expected_m < np.nanstd(found_m) < expected_m + step_m


@pytest.mark.parametrize("distance_m", [0.3, 5.0])
def test_what_is_too_near_or_too_far_is_not_measured(distance_m):
    assert np.isnan(measured(np.full((120, 160), distance_m))).all()


def test_glass_and_black_things_are_holes():
    glass, rgb = NO_GLASS.copy(), GREY.copy()
    glass[:40], rgb[80:] = True, 5
    found_m = measured(np.full((120, 160), 2.0), rgb, glass)
    assert np.isnan(found_m[:40]).all() and np.isnan(found_m[80:]).all() and np.isfinite(found_m[40:80]).mean() > 0.99


def test_what_stands_in_front_casts_a_shadow_to_its_left():
    depth_m = np.full((120, 160), 3.0)
    depth_m[:, 80:110] = 1.0
    found_m = measured(depth_m)
    shadow = round(CAMERA.fx * 0.075 * (1 / 1.0 - 1 / 3.0))
    assert shadow >= 5
    assert np.isnan(found_m[:, 81 - shadow : 79]).all()
    assert np.isfinite(found_m[:, 40 : 79 - shadow]).mean() > 0.99 and np.isfinite(found_m[:, 113:]).mean() > 0.99


def test_a_floor_seen_at_a_flat_angle_is_lost_far_away():
    rows = (np.arange(120) - CAMERA.cy).clip(1)[:, None] / CAMERA.fy
    found_m = measured(np.broadcast_to(0.3 / rows, (120, 160)))
    near = np.isfinite(found_m[-15:]).mean()
    far = np.isfinite(found_m[70:75]).mean()
    assert near > 0.95 and far < 0.2

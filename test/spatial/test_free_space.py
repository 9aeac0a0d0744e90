# SPDX-License-Identifier: Apache-2.0
"""The floor that is seen and free: where it is, what takes it away, and what is refused."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Depth, Segmentation
from mtl_perception.spatial.free_space import FreeSpaceOptions, _Cells, free_space, traversable_ids

CAMERA = Intrinsics(320, 240, 250.0, 250.0, 159.5, 119.5)
HEIGHT_M, FLOOR, WALL, TABLE = 1.0, 0, 1, 2
TILT = math.radians(25)
# The camera looks along x of the ground frame, and down by TILT.
TURN = np.array([[0, -math.sin(TILT), math.cos(TILT)], [-1, 0, 0], [0, -math.cos(TILT), -math.sin(TILT)]])
POSE = np.eye(4)
POSE[:3, :3], POSE[:3, 3] = TURN, (0.2, 0.1, HEIGHT_M)


def seen(boxes: Sequence[tuple[tuple[float, float, float], tuple[float, float, float]]] = (), wall_m: float = 4.0):
    """True depth and mask of a floor, a wall ahead and boxes (least and largest corner in metres from the camera's foot)."""
    y, x = np.indices((CAMERA.height, CAMERA.width))
    rays = np.stack([(x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy, np.ones(x.shape)], -1) @ TURN.T
    start = np.array([0, 0, HEIGHT_M])
    with np.errstate(divide="ignore", invalid="ignore"):
        floor_m = np.where(rays[..., 2] < 0, -HEIGHT_M / rays[..., 2], np.inf)
        depth_m, mask = np.minimum(floor_m, wall_m / rays[..., 0]), np.where(floor_m * rays[..., 0] < wall_m, FLOOR, WALL)
        for low, high in boxes:
            ways = (np.array([low, high])[:, None, None] - start) / rays
            enter, leave = ways.min(0).max(-1), ways.max(0).min(-1)
            hit = (enter > 0) & (enter < leave) & (enter < depth_m)
            depth_m, mask = np.where(hit, enter, depth_m), np.where(hit, TABLE, mask)
    return depth_m.astype(np.float32), Segmentation(mask.astype(np.uint8), np.full(mask.shape, 255, np.uint8))


def cells(depth_m, segmentation, pose=POSE, options=FreeSpaceOptions()) -> np.ndarray:
    """(N, 2) metres from the camera's foot."""
    found = free_space(Depth(depth_m), segmentation, [FLOOR], CAMERA, pose, options)
    assert found.problem is None and found.points_m.dtype == np.float32
    in_ground = found.points_m @ pose[:3, :3].T + pose[:3, 3]
    np.testing.assert_allclose(in_ground[:, 2], 0, atol=1e-5)  # on the floor
    return in_ground[:, :2] - pose[:2, 3]


def within(floor_m: np.ndarray, x: tuple[float, float], y: tuple[float, float]) -> np.ndarray:
    return floor_m[(floor_m[:, 0] > x[0]) & (floor_m[:, 0] < x[1]) & (floor_m[:, 1] > y[0]) & (floor_m[:, 1] < y[1])]


@pytest.mark.parametrize("wrong_by", [1.0, 0.6, 1.6])
def test_the_floor_before_a_wall_is_free_however_far_off_depth_is(wrong_by: float) -> None:
    depth_m, segmentation = seen()
    noise = np.exp(np.random.default_rng(0).normal(size=depth_m.shape) * 0.05).astype(np.float32)
    free = cells(depth_m * wrong_by * noise, segmentation)
    assert 0.75 < free[:, 0].min() < 0.9 and 3.8 < free[:, 0].max() < 4.05
    # Every cell in the middle of the picture, each once; nearer to the wall the noise puts parts of it before the floor.
    middle = within(free, (1.5, 3.0), (-0.5, 0.5))
    assert len(middle) == pytest.approx(1.5 * 1.0 / 0.05**2, rel=0.01) and len(np.unique(middle.round(3), axis=0)) == len(middle)


def test_what_stands_on_the_floor_or_hangs_over_it_takes_it_away() -> None:
    depth_m, segmentation = seen([((2.0, -0.3, 0.0), (2.4, 0.3, 0.5)), ((1.8, 0.8, 0.68), (2.2, 1.2, 0.7))])
    free = cells(depth_m, segmentation)
    assert len(within(free, (2.05, 2.35), (-0.25, 0.25))) == 0
    assert len(within(free, (2.5, 2.8), (-0.25, 0.25))) == 0, "nor is what the box hides free"
    assert len(within(free, (1.5, 1.9), (-0.25, 0.25))) == 8 * 10, "but what lies before it"
    assert len(within(free, (1.85, 2.15), (0.85, 1.15))) == 0, "under the table's top"
    low_robot = cells(depth_m, segmentation, options=FreeSpaceOptions(max_height_m=0.6))
    assert len(within(low_robot, (1.85, 2.15), (0.85, 1.15))) > 25, "a robot that is lower drives there"


def test_floor_that_depth_puts_elsewhere_is_not_free() -> None:
    depth_m, segmentation = seen()
    step_down = (np.arange(CAMERA.width) > 200) & (segmentation.mask == FLOOR)
    depth_m[step_down] *= 1.5
    free = cells(depth_m, segmentation)
    assert len(within(free, (1.5, 3.5), (0.1, 1.0))) > 500
    assert len(within(free, (1.5, 3.5), (-1.0, -0.6))) == 0


def test_range_and_cells_are_those_asked_for() -> None:
    free = cells(*seen(), options=FreeSpaceOptions(cell_m=0.2, max_range_m=2.0))
    assert np.hypot(*free.T).max() < 2.0 + 0.2
    assert len(np.unique(free[:, 0].round(3))) <= 6


def test_nothing_is_free_where_no_floor_is_seen() -> None:
    depth_m, segmentation = seen()
    for mask, confidence in ((np.full_like(segmentation.mask, WALL), 255), (segmentation.mask, 90)):
        other = Segmentation(mask, np.full(mask.shape, confidence, np.uint8))
        assert cells(depth_m, other).shape == (0, 2)
    assert cells(np.full_like(depth_m, np.nan), segmentation).shape == (0, 2)


def test_wrong_frames_are_named() -> None:
    depth_m, segmentation = seen()

    def problem(height_m: float) -> str:
        pose = POSE.copy()
        pose[2, 3] = height_m
        found = free_space(Depth(depth_m), segmentation, [FLOOR], CAMERA, pose)
        assert len(found.points_m) == 0
        return found.problem or ""

    assert "is -0.30 m above the floor" in problem(-0.3)
    assert "is nan m above the floor" in problem(math.nan)
    assert "off by a factor of 9.00, expected 0.25 to 4: check heights and frames" in problem(9.0)


def test_classes_that_are_driven_on_are_known_by_name() -> None:
    assert traversable_ids(["wall", "floor", "Road", "chair", "rug"]) == [1, 2, 4]


@pytest.mark.parametrize("values", [{"cell_m": 0.0}, {"cell_m": 2.0, "max_range_m": 1.0}, {"min_height_m": 3.0}, {"cell_m": math.nan}])
def test_options_that_leave_nothing_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 <"):
        FreeSpaceOptions(**values)


@pytest.mark.parametrize(("cell_m", "max_range_m"), [(0.05, 5.0), (0.13, 5.2), (0.062, 1.488), (0.641, 10.256), (0.88, 3.52), (0.3, 4.0)])
def test_what_lies_at_the_rim_lies_in_the_outermost_cells(cell_m: float, max_range_m: float) -> None:
    """In single precision the last point within the range may be as far as the range itself."""
    options = FreeSpaceOptions(cell_m=cell_m, max_range_m=max_range_m)
    cells = _Cells(options)
    for rim in np.float32(max_range_m) * (1 + np.float32(1e-7) * np.arange(-4, 5, dtype=np.float32)):
        for sign in (1, -1):
            at = np.array([sign * rim], np.float32)
            for places in cells.middles(cells.hit(at, 0 * at)), cells.middles(cells.hit(0 * at, at))[:, ::-1]:
                assert len(places) <= 1 and (np.abs(places - [sign * max_range_m, 0]) <= cell_m).all()

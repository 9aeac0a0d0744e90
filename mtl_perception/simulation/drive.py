# SPDX-License-Identifier: Apache-2.0
"""The demo drive: a small robot with its camera on a fixed mast goes round the table of the demo room.

Frames as in REP 103 and 105: ``odom`` lies on the floor in the middle of the room, ``base_link`` moves in
the plane, and ``camera_color_optical_frame`` is fixed to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtl_perception.simulation.camera import Pose

CAMERA_HEIGHT_M = 1.05
CAMERA_TILT_DEG = 13.0
"""Downwards."""
RATE_HZ = 10.0

Stop = tuple[float, tuple[float, float], tuple[float, float]]
"""Seconds; where the robot is; what it looks at. All in metres on the floor."""

STOPS: tuple[Stop, ...] = (
    (0.0, (-2.2, -1.25), (0.6, 0.35)),
    (4.0, (-1.2, -1.25), (0.2, 0.0)),
    (7.5, (0.0, -1.3), (1.9, -2.2)),
    (10.5, (1.5, -1.05), (2.9, 0.35)),
    (13.5, (1.75, 0.4), (1.6, 2.5)),
    (16.5, (1.0, 1.3), (0.1, 2.5)),
    (18.5, (0.3, 1.3), (-1.3, 2.6)),
    (21.0, (-0.9, 1.1), (-2.9, 1.9)),
    (24.0, (-1.4, 0.85), (-3.1, 0.75)),
)
_SMOOOBJECT_S = 0.9


@dataclass(frozen=True)
class DrivePoint:
    """Where ``base_link`` is in ``odom`` at ``time_s``: metres, radians."""

    time_s: float
    x: float
    y: float
    yaw: float


def drive(stops: Sequence[Stop] = STOPS, rate_hz: float = RATE_HZ) -> list[DrivePoint]:
    """A drive by way of ``stops``, until the last of them, at the camera's rate; position and heading are smooth."""
    times_s = np.array([stop[0] for stop in stops])
    times = np.arange(round(times_s[-1] * rate_hz)) / rate_hz
    robot = _smooth(times, times_s, np.array([stop[1] for stop in stops]))
    goal = _smooth(times, times_s, np.array([stop[2] for stop in stops]))
    yaw = np.unwrap(np.arctan2(goal[:, 1] - robot[:, 1], goal[:, 0] - robot[:, 0]))
    return [DrivePoint(float(t), float(x), float(y), float(a)) for t, (x, y), a in zip(times, robot, yaw, strict=True)]


def camera_on_robot() -> Pose:
    """The optical frame in ``base_link``."""
    tilt = np.radians(CAMERA_TILT_DEG)
    forward = np.array([np.cos(tilt), 0.0, -np.sin(tilt)])
    right = np.array([0.0, -1.0, 0.0])
    return Pose(np.array([0.0, 0.0, CAMERA_HEIGHT_M]), np.stack([right, np.cross(forward, right), forward], 1))


def camera_in_room(point: DrivePoint) -> Pose:
    """The optical frame in ``odom``."""
    c, s = np.cos(point.yaw), np.sin(point.yaw)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    mount = camera_on_robot()
    return Pose(turn @ mount.position + (point.x, point.y, 0.0), turn @ mount.rotation)


def _smooth(times: np.ndarray, stops: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Straight lines between the stops with their corners rounded by a Gaussian."""
    step = 0.05
    fine = np.arange(times[0] - 4 * _SMOOOBJECT_S, times[-1] + 4 * _SMOOOBJECT_S, step)
    offsets = np.arange(-3 * _SMOOOBJECT_S, 3 * _SMOOOBJECT_S + step / 2, step)
    weights = np.exp(-0.5 * (offsets / _SMOOOBJECT_S) ** 2)
    weights /= weights.sum()
    columns = []
    for column in values.T:
        line = np.interp(fine, stops, column)
        columns.append(np.interp(times, fine, np.convolve(line, weights, mode="same")))
    return np.stack(columns, 1)

# SPDX-License-Identifier: Apache-2.0
"""Cameras that people hold: rooms at eye level, one object that fills the picture, a table from above; and, in deep rooms, over a
desk into the room, from one end to the other, through an open door, and doors and cabinets from near by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtl_perception.simulation.camera import Pose, look_at, stands_free
from mtl_perception.simulation.plan import Room, Subject, Target

Rng = np.random.Generator
ASPECT = 0.75
_WEIGHTS = {
    "sofa": 2.5, "bed": 2.5, "screen": 2.0, "refrigerator": 2.5, "door": 2.5, "cabinet": 2.0, "plant": 1.5, "chair": 1.2,
    "table": 1.0, "shelf": 0.6, "bin": 0.8, "box": 0.6,
}  # fmt: skip
"""How often an object of this class is what a picture is about; others 0.5."""


def draw_camera(rng: Rng, room: Room, kind: str) -> tuple[float, Pose] | None:
    """Horizontal field of view in degrees and pose of a view of ``kind``, one of KINDS.

    None where no such camera was found in the room.
    """
    draw = KINDS[kind]
    for _ in range(60):
        hfov_deg = float(rng.uniform(42, 78))
        pose = draw(rng, room, hfov_deg)
        if pose is not None:
            return hfov_deg, pose
    return None


def _tabletop(rng: Rng, room: Room, hfov_deg: float) -> Pose | None:
    """Of small objects from 0.3 to 1.3 m, looking down at them by 20° to 60°."""
    targets = [t for t in room.targets if t.objects > 1 and 0.25 < t.z < 1.2]
    if not targets:
        return None
    weights = np.array([min(t.objects, 8) for t in targets], float)
    target: Target = targets[int(rng.choice(len(targets), p=weights / weights.sum()))]
    yaw = rng.uniform(-np.pi, np.pi) if target.normal_yaw is None else target.normal_yaw + rng.normal(0, 0.5)
    down, distance = np.radians(rng.uniform(20, 60)), rng.uniform(0.3, 1.3)
    aim = np.array([target.x, target.y, target.z + 0.05]) + rng.normal(0, 0.08, 3) * (1, 1, 0.3)
    back = np.array([np.cos(yaw) * np.cos(down), np.sin(yaw) * np.cos(down), np.sin(down)])
    position = aim + distance * back
    if position[2] > 1.9 or not stands_free(room, position):
        return None
    return look_at(position, aim, rng.normal(0, 0.05))


def _close_up(rng: Rng, room: Room, hfov_deg: float) -> Pose | None:
    """One object that fills half of the picture, or more than all of it."""
    weights = np.array([_WEIGHTS.get(subject.label, 0.5) for subject in room.subjects])
    if not len(weights):
        return None
    subject: Subject = room.subjects[int(rng.choice(len(weights), p=weights / weights.sum()))]
    fill, slope = rng.uniform(0.45, 1.25), np.tan(np.radians(hfov_deg) / 2)
    distance = max(subject.half_width / slope, subject.half_height / (ASPECT * slope)) / fill
    distance = float(np.clip(distance + 0.5 * subject.half_width, 0.5, 5.0))
    front = subject.normal_yaw
    yaw = rng.uniform(-np.pi, np.pi) if front is None else front + rng.normal(0, 0.45)
    height = rng.uniform(1.2, 1.8) if rng.uniform() < 0.6 else rng.uniform(0.4, 1.2)
    flat = np.sqrt(max(distance**2 - (height - subject.z) ** 2, 0.1))
    position = np.array([subject.x + flat * np.cos(yaw), subject.y + flat * np.sin(yaw), height])
    if not stands_free(room, position):
        return None
    spread = 0.25 * min(subject.half_width, 0.6)
    aim = np.array([subject.x, subject.y, subject.z]) + rng.normal(0, spread, 3)
    return look_at(position, aim, rng.normal(0, 0.03))


def _eye_level(rng: Rng, room: Room, hfov_deg: float) -> Pose | None:
    """From where people stand, 1.2 to 1.8 m high, across the room and a little down."""
    position = np.array([
        rng.choice([-1, 1]) * room.half_x * rng.uniform(0.3, 0.97),
        rng.choice([-1, 1]) * room.half_y * rng.uniform(0.3, 0.97),
        rng.uniform(1.2, 1.8),
    ])  # fmt: skip
    if not stands_free(room, position):
        return None
    aim = np.array([-position[0] * rng.uniform(0, 1.2), -position[1] * rng.uniform(0, 1.2), 0.0])
    reach = float(np.linalg.norm(aim[:2] - position[:2]))
    if reach < 1.0:
        return None
    aim[2] = position[2] - reach * np.tan(np.radians(rng.normal(10, 8)))
    return look_at(position, aim, rng.normal(0, 0.025))


def _fronts(rng: Rng, room: Room, hfov_deg: float) -> Pose | None:
    """Doors and cabinets from 0.6 to 2 m, where their handles are."""
    subjects = [s for s in room.subjects if s.label in _FRONTS]
    if not subjects:
        return None
    weights = np.array([_FRONTS[s.label] for s in subjects])
    subject: Subject = subjects[int(rng.choice(len(weights), p=weights / weights.sum()))]
    front, distance = subject.normal_yaw or 0.0, rng.uniform(0.6, 2.0)
    aside = 0.8 * subject.half_width * rng.uniform(-1, 1)
    height = rng.uniform(0.85, 1.2) if subject.label == "door" else subject.z + rng.uniform(-0.4, 0.9) * subject.half_height
    aim = np.array([subject.x - aside * np.sin(front), subject.y + aside * np.cos(front), height])
    yaw = front + rng.normal(0, 0.5)
    position = np.array([*(aim[:2] + distance * np.array([np.cos(yaw), np.sin(yaw)])), rng.uniform(0.8, 1.7)])
    return look_at(position, aim, rng.normal(0, 0.03)) if stands_free(room, position) else None


_FRONTS = {"door": 2.0, "cabinet": 1.5, "refrigerator": 0.7}
"""How often ``_fronts`` looks at each class."""


def _over(rng: Rng, room: Room, hfov_deg: float) -> Pose | None:
    """Past a screen or over low furniture, 0.4 to 1.2 m in front, into the depth of the room."""
    if room.monitors and rng.uniform() < 0.85:
        near = room.monitors
    else:
        near = [s for s in room.subjects if s.label != "door" and 0.35 < s.z + s.half_height < 1.4]
    if not near:
        return None
    subject: Subject = near[int(rng.integers(len(near)))]
    if subject.normal_yaw is None or rng.uniform() < 0.25:
        yaw = rng.uniform(-np.pi, np.pi)
    else:
        yaw = subject.normal_yaw + np.pi + rng.normal(0, 0.5)
    distance = rng.uniform(0.4, 1.2) + (0.05 if subject.label == "screen" else 0.7 * subject.half_width)
    height = float(np.clip(subject.z + subject.half_height + rng.uniform(-0.1, 0.5), 0.7, 1.75))
    position = np.array([subject.x - distance * np.cos(yaw), subject.y - distance * np.sin(yaw), height])
    yaw += rng.uniform(-0.35, 0.35) * np.radians(hfov_deg)
    if not stands_free(room, position) or _free_m(room, position, yaw) < _DEEP_M:
        return None
    return _looking(rng, position, yaw, down_deg=rng.normal(9, 7))


def _along(rng: Rng, room: Room, hfov_deg: float) -> Pose | None:
    """From near one end of the room towards the other."""
    across, length = (room.half_x, room.half_y) if room.half_y > room.half_x else (room.half_y, room.half_x)
    side = rng.choice([-1, 1])
    position = np.array([across * rng.uniform(-0.85, 0.85), side * length * rng.uniform(0.5, 0.97), rng.uniform(0.7, 1.75)])
    aim = np.array([across * rng.uniform(-0.9, 0.9), -side * length, 0.0])
    if room.half_x >= room.half_y:
        position[:2], aim[:2] = position[1::-1], aim[1::-1]
    if not stands_free(room, position):
        return None
    yaw = float(np.arctan2(aim[1] - position[1], aim[0] - position[0]))
    return _looking(rng, position, yaw, down_deg=rng.normal(6, 6))


def _through(rng: Rng, room: Room, hfov_deg: float) -> Pose | None:
    """Through an open door into the next room, from 0.8 to 3 m before it."""
    if not room.passages:
        return None
    passage: Target = room.passages[int(rng.integers(len(room.passages)))]
    normal, distance = (passage.normal_yaw or 0.0) + rng.normal(0, 0.25), rng.uniform(0.8, 3.0)
    back = np.array([np.cos(normal), np.sin(normal)])
    position = np.array([*(np.array([passage.x, passage.y]) + distance * back), rng.uniform(1.0, 1.75)])
    if not stands_free(room, position):
        return None
    return _looking(rng, position, normal + np.pi + rng.normal(0, 0.12), down_deg=rng.normal(7, 6))


def _looking(rng: Rng, position: np.ndarray, yaw: float, down_deg: float) -> Pose:
    """From ``position`` along ``yaw``, down by ``down_deg``, held a little crooked."""
    ahead = np.array([np.cos(yaw), np.sin(yaw), -np.tan(np.radians(down_deg))])
    return look_at(position, position + ahead, rng.normal(0, 0.03))


def _free_m(room: Room, position: np.ndarray, yaw: float) -> float:
    """Metres from ``position`` along ``yaw`` to the wall."""
    reach = [
        (half - np.sign(step) * start) / abs(step)
        for half, start, step in ((room.half_x, position[0], np.cos(yaw)), (room.half_y, position[1], np.sin(yaw)))
        if abs(step) > 1e-6
    ]
    return float(min(reach))


_DEEP_M = 4.0
KINDS: dict[str, Callable[[Rng, Room, float], Pose | None]] = {
    "tabletop": _tabletop,
    "close-up": _close_up,
    "eye level": _eye_level,
    "fronts": _fronts,
    "over": _over,
    "along": _along,
    "through": _through,
}

# SPDX-License-Identifier: Apache-2.0
"""Cameras that people hold: rooms at eye level, one object that fills the picture, a table from above."""

from __future__ import annotations

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
    """Horizontal field of view in degrees and pose of a view of ``kind``: "tabletop", "close-up" or "eye level".

    None where no such camera was found in the room.
    """
    draw = {"tabletop": _tabletop, "close-up": _close_up, "eye level": _eye_level}[kind]
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

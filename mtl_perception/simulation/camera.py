# SPDX-License-Identifier: Apache-2.0
"""Pinhole cameras in a room, and where a robot's camera would stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.simulation.plan import Room, Target

Rng = np.random.Generator


@dataclass(frozen=True)
class Pose:
    """``position`` (3,) metres and ``rotation`` (3, 3) of the optical frame (x right, y down, z forward) in
    the room."""

    position: np.ndarray
    rotation: np.ndarray


def intrinsics(width: int, height: int, hfov_deg: float) -> Intrinsics:
    """An ideal camera of this horizontal field of view.

    Pixel centres have integer coordinates, so the image's middle is at ((width - 1) / 2, (height - 1) / 2).
    """
    focal = width / 2 / np.tan(np.radians(hfov_deg) / 2)
    return Intrinsics(width, height, float(focal), float(focal), (width - 1) / 2, (height - 1) / 2)


def look_at(position: np.ndarray, target: np.ndarray, roll: float = 0.0) -> Pose:
    """A camera at ``position`` whose optical axis meets ``target``, turned by ``roll`` radians about that
    axis."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return Pose(position, np.stack([c * right + s * down, c * down - s * right, forward], 1))


def draw_kind(rng: Rng) -> str:
    """The subject of a view: small objects from close by, furniture, or the room."""
    return str(rng.choice(["small", "middle", "room"], p=[0.38, 0.29, 0.33]))


def random_pose(rng: Rng, room: Room, kind: str) -> Pose:
    """A view of this kind (see ``draw_kind``) that a robot might have."""
    near_m, far_m = (0.3, 1.0) if kind == "small" else (0.9, 3.0)
    for _ in range(60):
        if kind == "room":
            pose = _across(rng, room)
        else:
            pose = _towards(rng, room, near_m, far_m, close=kind == "small")
        if pose is not None:
            return pose
    return look_at(np.array([0.0, 0.0, 1.2]), np.array([room.half_x, 0.3, 0.8]))


def stands_free(room: Room, position: np.ndarray) -> bool:
    """Whether a camera at ``position`` (3,) is inside the room and in nothing that stands there."""
    x, y, z = position
    if abs(x) > room.half_x - 0.15 or abs(y) > room.half_y - 0.15:
        return False
    return not any(o.contains(x, y, 0.12) and z < o.height + 0.25 for o in room.obstacles if o.height > 0)


def _across(rng: Rng, room: Room) -> Pose | None:
    """From near a wall towards the far half of the room, about level."""
    position = np.array([
        rng.choice([-1, 1]) * room.half_x * rng.uniform(0.3, 0.95),
        rng.choice([-1, 1]) * room.half_y * rng.uniform(0.3, 0.95),
        rng.uniform(0.2, 1.7),
    ])  # fmt: skip
    if not stands_free(room, position):
        return None
    aim = np.array([-position[0] * rng.uniform(0, 1.2), -position[1] * rng.uniform(0, 1.2), 0.0])
    aim[2] = position[2] + rng.normal(-0.2, 0.3)
    return None if np.linalg.norm(aim - position) < 0.8 else look_at(position, aim, rng.normal(0, 0.02))


def _towards(rng: Rng, room: Room, near_m: float, far_m: float, close: bool) -> Pose | None:
    """At a distance from something worth looking at; close views choose by how many objects stand there."""
    targets = [t for t in room.targets if not close or (t.z < 1.75 and t.objects > 1)] or room.targets
    weights = np.array([min(t.objects, 8) if close else 1.0 + 0.3 * min(t.objects, 6) for t in targets]) + 0.05
    target: Target = targets[int(rng.choice(len(targets), p=weights / weights.sum()))]
    yaw = rng.uniform(-np.pi, np.pi) if target.normal_yaw is None else target.normal_yaw + rng.normal(0, 0.45)
    height = float(np.clip(target.z + rng.uniform(0.03, 0.6), 0.2, 1.7)) if close else rng.uniform(0.2, 1.7)
    distance = rng.uniform(near_m, far_m)
    flat = np.sqrt(max(distance**2 - (height - target.z) ** 2, 0.04))
    position = np.array([target.x + flat * np.cos(yaw), target.y + flat * np.sin(yaw), height])
    if not stands_free(room, position):
        return None
    aim = np.array([target.x, target.y, target.z + 0.07]) + rng.normal(0, 0.1 if close else 0.25, 3)
    slope = (aim[2] - position[2]) / np.hypot(*(aim[:2] - position[:2]))
    return None if not -2.0 < slope < 0.35 else look_at(position, aim, rng.normal(0, 0.025))

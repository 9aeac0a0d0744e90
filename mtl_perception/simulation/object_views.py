# SPDX-License-Identifier: Apache-2.0
"""Cameras that look at one object from where somebody would photograph it, to show it to others."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.simulation.boxes_3d import ObjectBox
from mtl_perception.simulation.camera import Pose, intrinsics, look_at, stands_free
from mtl_perception.simulation.plan import Room
from mtl_perception.simulation.renderer import Renderer
from mtl_perception.simulation.world import BuiltWorld

Rng = np.random.Generator
FILL = (0.12, 0.6)
"""The object's longest side as a share of the picture's width, were it seen square on."""
_DISTANCE_M = (0.25, 4.0)
_NEAREST_M = 0.15
_LEAST_SHARE = 0.003
"""Of the picture's pixels that are the object's: a square of 18 pixels in 384 × 288. Below it something else hides the object."""
_TRIES = 40


def choose_object_view(
    rng: Rng, room: Room, world: BuiltWorld, renderer: Renderer, labels: Collection[str]
) -> tuple[Intrinsics, Pose] | None:
    """A camera that sees an object of one of ``labels`` large enough to be told apart; None if none was found in the room.

    The renderer has ``world`` loaded, and draws small previews.
    """
    instances = list(enumerate(zip(world.instance_labels, world.instance_boxes, strict=True)))
    by_label = [[(number, box) for number, (of, box) in instances if of == label and box is not None] for label in sorted(labels)]
    there = [found for found in by_label if found]
    if not there:
        return None
    preview = (max(renderer.width // 4, 1), max(renderer.height // 4, 1))
    for _ in range(_TRIES):
        of_label = there[int(rng.integers(len(there)))]  # a room has many screws and one engine
        number, box = of_label[int(rng.integers(len(of_label)))]
        hfov_deg = float(rng.uniform(45, 80))
        pose = _towards(rng, room, box, hfov_deg)
        if pose is None:
            continue
        _, instance, depth_m = renderer.labels(intrinsics(*preview, hfov_deg), pose)
        if depth_m.min() > _NEAREST_M and np.mean(instance == number) >= _LEAST_SHARE:
            return intrinsics(renderer.width, renderer.height, hfov_deg), pose
    return None


def _towards(rng: Rng, room: Room, box: ObjectBox, hfov_deg: float) -> Pose | None:
    slope = np.tan(np.radians(hfov_deg) / 2)
    distance = float(np.clip(box.size_m.max() / (2 * slope * rng.uniform(*FILL)), *_DISTANCE_M))
    yaw, down = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(0, 60))
    back = np.array([np.cos(yaw) * np.cos(down), np.sin(yaw) * np.cos(down), np.sin(down)])
    position = box.center_m + distance * back
    if not (0.1 < position[2] < room.height - 0.1 and stands_free(room, position)):
        return None
    # Photographers don't centre everything: the object is anywhere in the middle three fifths.
    aim = box.center_m + rng.uniform(-0.3, 0.3, 3) * distance * slope
    return look_at(position, aim, rng.normal(0, 0.04))

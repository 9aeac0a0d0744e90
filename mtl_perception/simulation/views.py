# SPDX-License-Identifier: Apache-2.0
"""Chooses cameras whose views show something, and lists what they see."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import UNLABELLED
from mtl_perception.data.writer import Instance
from mtl_perception.simulation import hand_held
from mtl_perception.simulation.boxes_3d import camera_box
from mtl_perception.simulation.camera import Pose, draw_kind, intrinsics, random_pose
from mtl_perception.simulation.plan import Room
from mtl_perception.simulation.renderer import Renderer
from mtl_perception.simulation.world import BuiltWorld

MIN_BOX_PIXELS = 25
MIN_BOX_SIDE = 4
MIN_HANDLE_PIXELS = 12
MIN_HANDLE_SIDE = 2
_SMALL_OBJECTS = 3
_SMALL_SIDE = 1 / 19
"""Share of the image's width: 20 pixels of 384."""
_PREVIEW = 4


def choose_view(rng: np.random.Generator, room: Room, renderer: Renderer, kind: str | None = None) -> tuple[Intrinsics, Pose]:
    """A camera whose view shows something: not too near, not one surface only, in many of them several small
    objects from close by, in others the depth of the room. It looks at small previews only.

    Args:
        kind: as in ``draw_kind`` or of hand_held.KINDS; drawn where None, as often as the room's catalogue says.
    """
    held = room.catalogue.held
    kind = kind or (_draw_any_kind(rng, held) if held else draw_kind(rng))
    preview = (max(renderer.width // _PREVIEW, 1), max(renderer.height // _PREVIEW, 1))
    small = np.zeros(256, bool)
    small[[room.world.labels.segmentation_id(label) for label in room.world.labels.small]] = True
    most, classes = _LIMITS.get(kind, (0.7, 3))
    fallback = None
    for _ in range(14):
        hfov_deg, pose = _draw_camera(rng, room, kind)
        semantic, instance, depth_m = renderer.labels(intrinsics(*preview, hfov_deg), pose)
        share = np.bincount(semantic.ravel(), minlength=256) / semantic.size
        near = np.percentile(depth_m, 2) > 0.2 and depth_m.min() > 0.1
        if not (near and share.max() < most and share[UNLABELLED] < 0.4 and (share > 0.015).sum() >= classes):
            continue
        fallback = hfov_deg, pose
        if kind in _DEEP and np.percentile(depth_m, 85) < _DEEP_M:
            continue
        if kind not in ("small", "tabletop") or _large_enough(instance * small[semantic]) >= _SMALL_OBJECTS:
            break
    hfov_deg, pose = fallback or (hfov_deg, pose)
    return intrinsics(renderer.width, renderer.height, hfov_deg), pose


_DEEP = ("over", "along", "through")
_DEEP_M = 3.0
"""At least a seventh of such a view lies farther away."""
_LIMITS = {"tabletop": (0.8, 2), "close-up": (0.85, 2), "fronts": (0.85, 2)}
"""The largest share of one class in a view, and how many classes it must show; 0.7 and 3 for other kinds."""


def _draw_any_kind(rng: np.random.Generator, held: Mapping[str, float]) -> str:
    drawn = rng.uniform()
    for kind, share in held.items():
        if drawn < share:
            return kind
        drawn -= share
    return draw_kind(rng)


def _draw_camera(rng: np.random.Generator, room: Room, kind: str) -> tuple[float, Pose]:
    """Horizontal field of view in degrees, and pose."""
    by_people = kind in hand_held.KINDS
    held = hand_held.draw_camera(rng, room, kind) if by_people else None
    if held is not None:
        return held
    hfov_deg = rng.uniform(50, 100)
    return hfov_deg, random_pose(rng, room, "room" if by_people else kind)


def visible_objects(instance: np.ndarray, world: BuiltWorld, pose: Pose) -> dict[int, Instance]:
    """By its number in ``instance`` (H, W), every object with its tight box, the mask of its visible pixels, and its
    3D box in the frame of the camera at ``pose``. The mask of an object holds those of its parts.

    Objects with fewer than ``MIN_BOX_PIXELS`` visible pixels or a side below ``MIN_BOX_SIDE`` pixels are left
    out; of handles, which are thin, those below ``MIN_HANDLE_PIXELS`` and ``MIN_HANDLE_SIDE``.
    """
    pixels: dict[int, np.ndarray] = {}
    for number in np.unique(instance):
        mask, owner = instance == number, int(number)
        while owner != 0:
            pixels[owner] = pixels[owner] | mask if owner in pixels else mask
            owner = int(world.instance_parent[owner])
    found = {}
    for number, mask in sorted(pixels.items()):
        label = world.instance_labels[number]
        thin = label == "handle"
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        sides = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        enough = np.count_nonzero(mask) >= (MIN_HANDLE_PIXELS if thin else MIN_BOX_PIXELS)
        if not enough or min(sides) < (MIN_HANDLE_SIDE if thin else MIN_BOX_SIDE):
            continue
        box = world.instance_boxes[number]
        box_3d = None if box is None else camera_box(box, pose)
        found[number] = Instance.of_mask(label, mask, box_3d)
    return found


def _large_enough(instance: np.ndarray) -> int:
    """How many instances are at least as long as small objects should be."""
    count = 0
    for number in np.unique(instance):
        if number != 0:
            mask = instance == number
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
            count += bool(longest >= _SMALL_SIDE * instance.shape[1])
    return count

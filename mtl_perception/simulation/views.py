# SPDX-License-Identifier: Apache-2.0
"""Chooses cameras whose views show something, and lists what they see."""

from __future__ import annotations

import numpy as np

from mtl_perception.data.writer import Instance
from mtl_perception.geometry import Intrinsics
from mtl_perception.scene import UNLABELLED
from mtl_perception.simulation.boxes_3d import camera_box
from mtl_perception.simulation.camera import Pose, draw_kind, intrinsics, random_pose
from mtl_perception.simulation.plan import Room
from mtl_perception.simulation.renderer import Renderer
from mtl_perception.simulation.world import BuiltWorld

MIN_BOX_PIXELS = 25
MIN_BOX_SIDE = 4
MIN_HANDLE_PIXELS = 12
MIN_HANDLE_SIDE = 2
_SMALL_THINGS = 3
_SMALL_SIDE = 1 / 19
"""Share of the image's width: 20 pixels of 384."""
_PREVIEW = 4


def choose_view(
    rng: np.random.Generator, room: Room, renderer: Renderer, kind: str | None = None
) -> tuple[Intrinsics, Pose]:
    """A camera whose view shows something: not too near, not one surface only, in many of them several small
    things from close by. It looks at small previews only. ``kind`` as in ``draw_kind``; drawn where None."""
    kind = kind or draw_kind(rng)
    preview = (max(renderer.width // _PREVIEW, 1), max(renderer.height // _PREVIEW, 1))
    small = np.zeros(256, bool)
    small[[room.world.labels.segmentation_id(label) for label in room.world.labels.small]] = True
    fallback = None
    for _ in range(14):
        hfov_deg = rng.uniform(50, 100)
        pose = random_pose(rng, room, kind)
        semantic, instance, depth_m = renderer.labels(intrinsics(*preview, hfov_deg), pose)
        share = np.bincount(semantic.ravel(), minlength=256) / semantic.size
        near = np.percentile(depth_m, 2) > 0.2 and depth_m.min() > 0.1
        if not (near and share.max() < 0.7 and share[UNLABELLED] < 0.4 and (share > 0.015).sum() >= 3):
            continue
        fallback = hfov_deg, pose
        if kind != "small" or _large_enough(instance * small[semantic]) >= _SMALL_THINGS:
            break
    hfov_deg, pose = fallback or (hfov_deg, pose)
    return intrinsics(renderer.width, renderer.height, hfov_deg), pose


def visible_things(instance: np.ndarray, world: BuiltWorld, pose: Pose) -> dict[int, Instance]:
    """By its number in ``instance`` (H, W), every thing with its tight box, the mask of its visible pixels, and its
    3D box in the frame of the camera at ``pose``. The mask of a thing holds those of its parts.

    Things with fewer than ``MIN_BOX_PIXELS`` visible pixels or a side below ``MIN_BOX_SIDE`` pixels are left
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
    """How many instances are at least as long as small things should be."""
    count = 0
    for number in np.unique(instance):
        if number != 0:
            mask = instance == number
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
            count += bool(longest >= _SMALL_SIDE * instance.shape[1])
    return count

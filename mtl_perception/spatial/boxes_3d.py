# SPDX-License-Identifier: Apache-2.0
"""3D boxes of detections from one image: 2D box, mask and metric depth say where an object is and how large.

Of each detection 144 pixels are looked at. Those of its class whose depths hang together are the object's; what is
behind or in front is left out, also where the mask runs over. Their points give the box: upright with the least
footprint where gravity is known, else along the axes of the camera.

A camera sees the near side only. What follows about the far side is a rule, not a measurement: an object is completed,
away from the camera, until it is ``LEAST_DEPTH`` times as deep as it is wide or ``MOST_COMPLETED_M`` deep. Cups and
boxes are about as deep as wide, cupboards and shelves less. Objects known to be flat (a door) are left as they look.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.rotation import quaternion_xyzw, rotation_matrix
from mtl_perception.core.scene import Boxes3D, Scene
from mtl_perception.spatial._visible import TRIMMED, VisibleObjects

LEAST_DEPTH = 0.9
MOST_COMPLETED_M = 0.4

_TURNS = 9
"""Orientations tried within a quarter turn; 10° is finer than what depth of one image can tell."""
_TURN_GAIN = 0.1
"""By how much a turned box must fit better than one that faces the camera."""
_YAW_EVERY = 5
"""Of the points, that decide the turn; prime to the pixels in a row, so that they lie spread over the object."""
_REACH = 0.05
"""A point this near to a side, as a share of an object's size, lies on it."""
_SHARE_OF_SIZE_STD = 0.1
"""Standard deviation of a box's middle beside that of its depth, as a share of its size: mask, edges."""
_TILT_STD = 0.05
"""Radians, of a box's third axis."""
_THINNEST_M = 0.01


class BoxEstimator:
    """Makes the 3D boxes of a scene's detections.

    Args:
        detection_labels, segmentation_labels: the model's; a class that has one name in both uses the mask.
        flat_labels: detection classes of objects without depth of their own.
    """

    def __init__(self, detection_labels: Sequence[str], segmentation_labels: Sequence[str] = (), flat_labels: Collection[str] = ()) -> None:
        ids = {name: number for number, name in enumerate(segmentation_labels)}
        self._mask_ids = np.array([ids.get(name, -1) for name in detection_labels], np.int16)
        self._is_flat = np.array([name in flat_labels for name in detection_labels], bool)

    def __call__(self, scene: Scene, intrinsics: Intrinsics, up: np.ndarray | None = None) -> Boxes3D:
        """One box for each detection of ``scene``; masks of its objects, or else a segmentation, make them sharper.

        Args:
            scene: with detections and depth.
            intrinsics: of the scene's camera; scaled if they are for another size.
            up: (3,) direction against gravity in the optical frame, of any length; None where it isn't known.

        Raises:
            ValueError: the scene lacks detections or depth, or ``up`` is no direction.
        """
        if scene.detections is None or scene.depth is None:
            raise ValueError("3D boxes need a scene with detections and depth; run both tasks")
        axes = level_axes(up)
        if len(scene.detections) == 0:
            return _no_boxes(0)
        class_ids = scene.detections.class_ids
        objects = VisibleObjects(scene, intrinsics, self._mask_ids[class_ids])
        with np.errstate(invalid="ignore"):  # of objects without any depth
            return _fit(objects, axes, up is not None, self._is_flat[class_ids])


def pose_covariances(boxes: Boxes3D) -> np.ndarray:
    """(N, 6, 6) of x y z and the turns about the fixed x y z, square metres and square radians, as ROS orders them.

    The turns are what is known of them: about a box's own third axis any within a quarter turn is as likely, since two
    views of a box look alike; the others are good to some degrees. Zero for boxes that are not valid.
    """
    covariances = np.zeros((len(boxes), 6, 6))
    covariances[:, :3, :3] = np.where(boxes.valid[:, None, None], boxes.center_covariances_m2, 0.0)
    axis = rotation_matrix(boxes.quaternions_xyzw)[:, :, 2]
    about_axis = axis[:, :, None] * axis[:, None, :]
    turns = _TILT_STD**2 * (np.eye(3) - about_axis) + (np.pi / 2) ** 2 / 12 * about_axis
    covariances[:, 3:, 3:] = np.where(boxes.valid[:, None, None], turns, 0.0)
    return covariances


def _fit(objects: VisibleObjects, axes: np.ndarray, is_level: bool, is_flat: np.ndarray) -> Boxes3D:
    """Boxes upright in ``axes`` (3, 3): rows right, forward and up; turned about up where ``is_level``."""
    right, forward, up = (objects.along(axis) for axis in axes)
    pixels = np.maximum(objects.count, 1)
    means = [(np.where(objects.members, values, 0).sum(1) / pixels)[:, None] for values in (right, forward)]
    view = np.concatenate(means, 1) / np.maximum(np.hypot(*means), 1e-9)  # the ray to the object, seen from above
    yaw = np.zeros(len(view))
    if is_level:
        # What is no member takes the place of the mean, where it decides nothing.
        some = slice(None, None, _YAW_EVERY)
        footprint = [np.where(objects.members[:, some], values[:, some], mean) for values, mean in zip((right, forward), means)]
        yaw = np.arctan2(view[:, 1], view[:, 0]) + _turns(*footprint, view)
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]

    c, s = cos.astype(np.float32), sin.astype(np.float32)
    own = np.stack([c * right + s * forward, c * forward - s * right, up], 1)
    low_m, high_m = _extents(own, objects.members, objects.count)
    # Along which of its axes one looks at the object, and from which side: there it is completed.
    towards = np.concatenate([cos, sin, -sin, cos], 1).reshape(-1, 2, 2) @ view[:, :, None]
    sideways = np.abs(towards[:, 0, 0]) < np.abs(towards[:, 1, 0])
    looked_along, wide = sideways.astype(np.int64), 1 - sideways
    number = np.arange(len(view))
    deep_m = (high_m - low_m)[number, looked_along]
    least_m = np.minimum(LEAST_DEPTH * (high_m - low_m)[number, wide], MOST_COMPLETED_M)
    added_m = np.where(is_flat, 0.0, np.maximum(least_m - deep_m, 0.0))
    away = towards[number, looked_along, 0] > 0
    high_m[number, looked_along] += np.where(away, added_m, 0.0)
    low_m[number, looked_along] -= np.where(away, 0.0, added_m)

    zeros, ones = np.zeros_like(cos), np.ones_like(cos)
    turns = np.concatenate([cos, -sin, zeros, sin, cos, zeros, zeros, zeros, ones], 1).reshape(-1, 3, 3)
    to_optical = axes.T @ turns
    centers_m = (to_optical @ ((low_m + high_m) / 2)[:, :, None])[:, :, 0]
    sizes_m = np.maximum(high_m - low_m, _THINNEST_M)
    guessed_m = np.zeros_like(sizes_m)
    guessed_m[number, looked_along] = added_m
    covariances_m2 = _center_covariances(centers_m, sizes_m, guessed_m, to_optical, objects.relative_std)
    if is_level:
        quaternions = _turned(quaternion_xyzw(axes.T), yaw)
    else:
        sizes_m, quaternions = sizes_m[:, [0, 2, 1]], np.tile([0.0, 0.0, 0.0, 1.0], (len(view), 1))
    return _only_valid(Boxes3D(centers_m, sizes_m, quaternions, covariances_m2, objects.valid))


def _turned(quaternion: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """(N, 4): a turn by each of ``yaw`` about z, then ``quaternion``; w ≥ 0."""
    x, y, z, w = quaternion
    cos, sin = np.cos(yaw / 2), np.sin(yaw / 2)
    turned = np.stack([x * cos + y * sin, y * cos - x * sin, z * cos + w * sin, w * cos - z * sin], 1)
    return turned * np.where(turned[:, 3:] < 0, -1.0, 1.0)


def level_axes(up: np.ndarray | None) -> np.ndarray:
    """(3, 3), rows right, forward and up in the optical frame; without gravity those of the camera itself."""
    direction = np.array([0.0, -1.0, 0.0]) if up is None else np.asarray(up, np.float64)
    length = math.hypot(*direction.ravel())
    if direction.shape != (3,) or not 0 < length < math.inf:
        raise ValueError(f"up is {up}, expected a direction of three numbers that are not all zero")
    x, y, z = (direction / length).tolist()  # three numbers: plain ones are ten times faster than arrays of three
    # Forward is where the camera looks; where it looks straight up or down, the image's upper edge is.
    ahead_y, ahead_z = (0.0, 1.0) if abs(z) < 0.99 else (-1.0, 0.0)
    along = ahead_y * y + ahead_z * z
    fx, fy, fz = -along * x, ahead_y - along * y, ahead_z - along * z
    length = math.hypot(fx, fy, fz)
    fx, fy, fz = fx / length, fy / length, fz / length
    return np.array([[fy * z - fz * y, fz * x - fx * z, fx * y - fy * x], [fx, fy, fz], [x, y, z]])


def _turns(right_m: np.ndarray, forward_m: np.ndarray, view: np.ndarray) -> np.ndarray:
    """(N,) radians in [0, π/2) from the ray to the object: the turn whose rectangle has the points near its sides.

    The closeness criterion of Zhang et al. ("Efficient L-Shape Fitting for Vehicle Detection Using Laser Scanners",
    IV 2017). Of a corner with two sides in view the rectangle of least area is ambiguous: it may as well lie along the
    line between the two ends.

    Args:
        right_m, forward_m: (N, P) float32, the points seen from above.
        view: (N, 2) direction of the ray to the object.
    """
    turns = np.arange(_TURNS) * (np.pi / 2 / _TURNS)
    cos, sin = np.cos(turns)[:, None], np.sin(turns)[:, None]
    x, y = view.T
    own_x, own_y = (cos * x - sin * y).astype(np.float32), (sin * x + cos * y).astype(np.float32)
    # Both axes of every turn, (P, 2, turns, N): points first, so that least and largest are found many at a time.
    right_m, forward_m = right_m.T[:, None], forward_m.T[:, None]
    shown = np.empty((len(right_m), 2, *own_x.shape), np.float32)
    shown[:, 0] = own_x * right_m + own_y * forward_m
    shown[:, 1] = own_x * forward_m - own_y * right_m
    low, high = shown.min(0), shown.max(0)
    shown -= (low + high) / 2
    half = (high - low) / 2
    to_side_m = (half - np.abs(shown, out=shown)).min(1)
    reach_m = 2 * _REACH * half.max(0)
    closeness = (reach_m / np.maximum(to_side_m, reach_m)).sum(0)
    best = closeness.argmax(0)
    better = closeness[best, np.arange(len(view))] > (1 + _TURN_GAIN) * closeness[0]
    return np.where(better, turns[best], 0.0)


def _extents(values_m: np.ndarray, members: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the members of each object end along each axis, (N, 3) twice; what was trimmed is added on again.

    Args:
        values_m: (N, 3, P), members (N, P), count (N,) of the members.
    """
    ordered = np.sort(np.where(members[:, None], values_m, np.float32(np.inf)), axis=2)
    last, number = np.maximum(count - 1, 0), np.arange(len(count))
    low, high = (ordered[number, :, np.rint(share * last).astype(np.int64)].astype(np.float64) for share in (TRIMMED, 1 - TRIMMED))
    missing = (high - low) * (TRIMMED / (1 - 2 * TRIMMED))
    return low - missing, high + missing


def _center_covariances(
    centers_m: np.ndarray, sizes_m: np.ndarray, guessed_m: np.ndarray, to_optical: np.ndarray, relative_std: np.ndarray
) -> np.ndarray:
    """(N, 3, 3). The depth of a whole object is wrong by one factor, so its many pixels don't average the error out:
    it moves the object along its ray. Mask and edges add a share of the size, and of what was completed, (N, 3) along
    the box's axes, the middle may lie anywhere in the half that follows."""
    along_ray = centers_m * relative_std[:, None]
    # A centre that is off by up to half the guessed length either way, evenly: variance length²/12.
    own = (_SHARE_OF_SIZE_STD * sizes_m) ** 2 + guessed_m**2 / 12
    shape = (to_optical * own[:, None, :]) @ to_optical.transpose(0, 2, 1)
    return along_ray[:, :, None] * along_ray[:, None, :] + shape


def _only_valid(boxes: Boxes3D) -> Boxes3D:
    """Sets boxes that are not valid to what ``Boxes3D`` promises of them."""
    if not boxes.valid.all():
        nothing, invalid = _no_boxes(len(boxes)), ~boxes.valid
        for name in ("centers_m", "sizes_m", "quaternions_xyzw", "center_covariances_m2"):
            getattr(boxes, name)[invalid] = getattr(nothing, name)[invalid]
    return boxes


def _no_boxes(count: int) -> Boxes3D:
    return Boxes3D(
        np.full((count, 3), np.nan),
        np.zeros((count, 3)),
        np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)),
        np.full((count, 3, 3), np.nan),
        np.zeros(count, bool),
    )

# SPDX-License-Identifier: Apache-2.0
"""Where coordinate frames are: rigid transforms, and a history of them that is asked at an image's stamp.

A transform from frame a to frame b is a 4×4 matrix that takes points given in a to the same points given in b. So it
is also the pose of a in b.
"""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.rotation import rotation_rows

TF, TF_STATIC = "/tf", "/tf_static"

HISTORY_S = 10.0
_BACK_IN_TIME_S = 1.0  # messages overtake each other by less
_SILENT_S = 1.0
_NS = 1_000_000_000
_MOST_FRAMES = 10_000
_MOST_APART = 200
"""Links between two frames: a humanoid's head and foot are some 20 apart. What is longer is an accident, and takes time to add up."""
_LONGEST_NAME = 255
_FARTHEST_M = 1e8  # Earth's radius is 6.4e6

_Pose = tuple[tuple[float, ...], tuple[float, ...]]
"""Position and unit quaternion; plain numbers, for far more are put in than are looked up."""


class TransformError(ValueError):
    """No transform at this time; the text says which link is missing.

    Attributes:
        is_late: it may still come: the link is published, but not yet for this time.
    """

    def __init__(self, text: str, *, is_late: bool = False) -> None:
        super().__init__(text)
        self.is_late = is_late


def matrix(translation_m: Sequence[float], quaternion_xyzw: Sequence[float]) -> np.ndarray:
    """(4, 4) float64 of a position and a unit quaternion."""
    transform = np.eye(4)
    transform[:3, :3] = rotation_rows(*quaternion_xyzw)
    transform[:3, 3] = translation_m
    return transform


def inverse(transform: np.ndarray) -> np.ndarray:
    """The way back, for a rotation with a translation."""
    back = np.eye(4)
    back[:3, :3] = transform[:3, :3].T
    back[:3, 3] = -transform[:3, :3].T @ transform[:3, 3]
    return back


def slerp(first_xyzw: np.ndarray, second_xyzw: np.ndarray, share: float) -> np.ndarray:
    """The unit quaternion at ``share`` (0 to 1) of the shorter way between two (Shoemake, SIGGRAPH 1985)."""
    cosine = float(first_xyzw @ second_xyzw)
    if cosine < 0.0:  # q and -q are the same rotation
        second_xyzw, cosine = -second_xyzw, -cosine
    angle = math.acos(min(cosine, 1.0))
    if angle < 1e-6:
        return first_xyzw
    mixed = math.sin((1 - share) * angle) * first_xyzw + math.sin(share * angle) * second_xyzw
    return mixed / math.sin(angle)


@dataclass
class _Link:
    """From a frame to its parent: one transform for ever, or a history in the order of stamps."""

    parent: str
    is_static: bool
    stamps_ns: list[int] = field(default_factory=list)
    poses: list[_Pose] = field(default_factory=list)
    heard_s: float = 0.0
    parents_changed: int = 0

    def put(self, stamp_ns: int, pose: _Pose) -> None:
        self.heard_s = time.monotonic()
        if self.is_static:
            self.stamps_ns, self.poses = [stamp_ns], [pose]
            return
        at = bisect_left(self.stamps_ns, stamp_ns)
        if at < len(self.stamps_ns) and self.stamps_ns[at] == stamp_ns:
            self.poses[at] = pose
            return
        self.stamps_ns.insert(at, stamp_ns)
        self.poses.insert(at, pose)
        outdated = bisect_left(self.stamps_ns, self.stamps_ns[-1] - int(HISTORY_S * _NS))
        if outdated > 100:  # not one by one
            del self.stamps_ns[:outdated], self.poses[:outdated]

    def at(self, child: str, stamp_ns: int) -> np.ndarray:
        """The transform from ``child`` to the parent. Raises TransformError: never a guess beyond what is known."""
        if self.is_static:
            return matrix(*self.poses[0])
        after = bisect_right(self.stamps_ns, stamp_ns)
        before = after - 1
        if before >= 0 and self.stamps_ns[before] == stamp_ns:
            return matrix(*self.poses[before])
        name = f"the transform from {cut(child)!r} to {cut(self.parent)!r}"
        if before < 0:
            early_s = (self.stamps_ns[0] - stamp_ns) / _NS
            raise TransformError(f"{name} begins {early_s:.3f} s after the image was taken")
        if after == len(self.stamps_ns):
            late_s = (stamp_ns - self.stamps_ns[-1]) / _NS
            is_coming = late_s < _SILENT_S and time.monotonic() - self.heard_s < _SILENT_S
            raise TransformError(f"{name} ends {late_s:.3f} s before the image was taken", is_late=is_coming)
        share = (stamp_ns - self.stamps_ns[before]) / (self.stamps_ns[after] - self.stamps_ns[before])
        position, next_position = np.array(self.poses[before][0]), np.array(self.poses[after][0])
        rotation, next_rotation = np.array(self.poses[before][1]), np.array(self.poses[after][1])
        return matrix(position + share * (next_position - position), slerp(rotation, next_rotation, share))


class TransformBuffer:
    """The tree of frames over the last ten seconds. One thread may put while another looks up."""

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}
        self._waited_in_vain_s: dict[str, float] = {}
        self._changed = threading.Condition()

    def put(
        self,
        parent: str,
        child: str,
        stamp_ns: int,
        translation_m: Sequence[float],
        quaternion_xyzw: Sequence[float],
        *,
        is_static: bool = False,
    ) -> str:
        """Take in where ``child`` is in ``parent``.

        A stamp more than a second older than the newest one of its link means that time began anew, as when a bag
        starts over: all history is forgotten, the static transforms stay.

        Returns:
            What looks wrong though it was taken in (time that goes back, two parents in turns); empty if nothing does.

        Raises:
            ValueError: a frame in itself, a name or number that none can be, a quaternion that is no rotation, or too many frames.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        length = math.hypot(*quaternion_xyzw)
        if not parent or not child or parent == child:
            raise ValueError(f"transform from {cut(child)!r} to {cut(parent)!r}, expected two frames with names")
        if max(len(parent), len(child)) > _LONGEST_NAME:
            raise ValueError(f"transform from {cut(child)!r} to {cut(parent)!r}, expected names of at most {_LONGEST_NAME} characters")
        if not (all(abs(value) <= _FARTHEST_M for value in translation_m) and abs(length - 1) < 0.01):
            raise ValueError(
                f"transform from {cut(child)!r} to {cut(parent)!r} has the translation {list(translation_m)} and a quaternion "
                f"of length {length:.3g}, expected finite numbers up to {_FARTHEST_M:g} m and 1"
            )
        with self._changed:
            doubt, link = "", self._links.get(child)
            if link is None:
                if len(self._links) >= _MOST_FRAMES:
                    raise ValueError(
                        f"transform of a frame {cut(child)!r} beside {_MOST_FRAMES} others, expected fewer: who publishes them?"
                    )
                link = self._links[child] = _Link(parent, is_static)
            elif (link.parent, link.is_static) != (parent, is_static):
                changed = link.parents_changed + 1
                if changed > 1 and time.monotonic() - link.heard_s < _SILENT_S:
                    doubt = (
                        f"the frame {cut(child)!r} has two parents in turns, {cut(link.parent)!r} and {cut(parent)!r}: who publishes it?"
                    )
                link = self._links[child] = _Link(parent, is_static, parents_changed=changed)
            elif not is_static and stamp_ns < link.stamps_ns[-1] - int(_BACK_IN_TIME_S * _NS):
                doubt = (
                    f"time went back by {(link.stamps_ns[-1] - stamp_ns) / _NS:.1f} s on the transform from {cut(child)!r} to {cut(parent)!r}, so "
                    "what was known is forgotten: did a bag begin anew, or do two publishers with different clocks send it?"
                )
                self._links = {name: known for name, known in self._links.items() if known.is_static}
                link = self._links[child] = _Link(parent, is_static)
            link.put(stamp_ns, (tuple(translation_m), tuple(value / length for value in quaternion_xyzw)))
            self._changed.notify_all()
        return doubt

    def put_message(self, message: Any, *, is_static: bool) -> None:
        """Take in a ``tf2_msgs/TFMessage``. Raises ValueError for the first that is no transform, after all others."""
        errors = []
        for one in message.transforms:
            stamp, position, rotation = one.header.stamp, one.transform.translation, one.transform.rotation
            try:
                self.put(
                    one.header.frame_id,
                    one.child_frame_id,
                    stamp.sec * _NS + stamp.nanosec,
                    (position.x, position.y, position.z),
                    (rotation.x, rotation.y, rotation.z, rotation.w),
                    is_static=is_static,
                )
            except ValueError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def lookup(self, target: str, source: str, stamp_ns: int, timeout_s: float = 0.0) -> np.ndarray:
        """The transform from ``source`` to ``target`` at a time, (4, 4) float64; linear and slerp between samples.

        Args:
            timeout_s: wait this long for a transform that is on its way. One that nobody publishes any more, or never
                did, is not waited for; nor is one for a source that was waited for in vain within the last second, so
                that a camera with a wrong clock does not hold up the others.

        Raises:
            TransformError: unknown or unconnected frames, or a time outside of the history.
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                try:
                    return self._lookup(target, source, stamp_ns)
                except TransformError as error:
                    now_s = time.monotonic()
                    if not error.is_late or now_s - self._waited_in_vain_s.get(source, -_SILENT_S) < _SILENT_S:
                        raise
                    if now_s >= until_s:
                        self._waited_in_vain_s[source] = now_s
                        raise
                    self._changed.wait(until_s - now_s)

    def _lookup(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        (up, circle_above), (down, circle_below) = self._ancestors(source), self._ancestors(target)
        below = set(down)
        meeting = next((frame for frame in up if frame in below), None)
        circle = circle_above or circle_below
        if meeting is not None:
            up, down = up[: up.index(meeting)], down[: down.index(meeting)]
        if circle and (meeting is None or set(circle) & {*up, *down}):
            first = circle.index(min(circle))
            circle = circle[first:] + circle[:first]
            around = " in ".join(repr(cut(frame)) for frame in [*circle[:5], *(["…"] if len(circle) > 5 else []), circle[0]])
            raise TransformError(f"the transforms go round in a circle: {around}; one of these is published the wrong way round")
        if len(up) + len(down) > _MOST_APART:
            raise TransformError(f"more than {_MOST_APART} frames lie between {cut(target)!r} and {cut(source)!r}: who publishes them?")
        if meeting is None:
            unknown = [frame for frame in (target, source) if not self._knows(frame)]
            if unknown:
                raise TransformError(f"nobody has published a transform of the frame {cut(unknown[0])!r}")
            raise TransformError(f"the frames {cut(target)!r} and {cut(source)!r} are not connected")
        return inverse(self._to_ancestor(down, stamp_ns)) @ self._to_ancestor(up, stamp_ns)

    def _to_ancestor(self, frames: list[str], stamp_ns: int) -> np.ndarray:
        """From the first of the frames to the parent of the last."""
        transform = np.eye(4)
        for frame in frames:
            transform = self._links[frame].at(frame, stamp_ns) @ transform
        return transform

    def _ancestors(self, frame: str) -> tuple[list[str], list[str]]:
        """The frame, its parent, and so on up to the root or to more than are added up; and, of these, a circle that they end in.

        A link that closes a circle and that nobody publishes any more is forgotten: it would be in the way for ever.
        """
        frames = {frame: None}  # in this order
        while (link := self._links.get(frame)) is not None and len(frames) <= _MOST_APART + 1:
            frame = link.parent
            if frame in frames:
                names = list(frames)
                circle = names[names.index(frame) :]
                now_s = time.monotonic()
                gone = [name for name in circle if not self._links[name].is_static and now_s - self._links[name].heard_s > HISTORY_S]
                if not gone:
                    return names, circle
                del self._links[min(gone, key=lambda name: self._links[name].heard_s)]
                return self._ancestors(names[0])
            frames[frame] = None
        return list(frames), []

    def _knows(self, frame: str) -> bool:
        return frame in self._links or any(link.parent == frame for link in self._links.values())

# SPDX-License-Identifier: Apache-2.0
"""Where the camera of a bag was at each image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mtl_perception.bags import TRANSFORMS, Bag, BagError, stamp_ns
from mtl_perception.core.transforms import TF, TF_STATIC, TransformBuffer, TransformError

_GIVEN_UP_NS = 5_000_000_000
"""By so much transforms are past a stamp that has none, where it is no longer waited for."""


def camera_poses(bag: Bag, frames: Mapping[int, str], fixed_frame: str) -> dict[int, np.ndarray]:
    """(4, 4) from the camera's optical frame to ``fixed_frame``, by stamp; a stamp without transforms is missing.

    Args:
        bag: an open bag.
        frames: stamp in nanoseconds → the camera's optical frame.
    """
    topics = [topic for topic in (TF_STATIC, TF) if bag.find(topic, TRANSFORMS) is not None]
    buffer = TransformBuffer()
    poses: dict[int, np.ndarray] = {}
    waiting = sorted(frames, reverse=True)
    for recorded in bag.messages(*topics) if topics else ():
        message, is_static = bag.deserialize(recorded), recorded.topic == TF_STATIC
        try:
            buffer.put_message(message, is_static=is_static)
        except ValueError as error:
            raise BagError(f"bag {bag.path}: {recorded.topic}: {error}") from error
        # The history is short: take each stamp as soon as it can be had.
        while waiting and (pose := _pose(buffer, fixed_frame, frames[waiting[-1]], waiting[-1])) is not None:
            poses[waiting.pop()] = pose
        # By the clock of the stamps: that of whoever recorded them may be another one, as beside a simulation.
        past_ns = min((stamp_ns(one) for one in message.transforms), default=0) - _GIVEN_UP_NS
        while waiting and not is_static and waiting[-1] < past_ns:
            waiting.pop()
    # Behind one that had none to the end.
    return poses | {stamp: pose for stamp in waiting[::-1] if (pose := _pose(buffer, fixed_frame, frames[stamp], stamp)) is not None}


def _pose(buffer: TransformBuffer, fixed_frame: str, frame: str, stamp_ns: int) -> np.ndarray | None:
    try:
        return buffer.lookup(fixed_frame, frame, stamp_ns)
    except TransformError:
        return None

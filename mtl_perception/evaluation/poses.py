# SPDX-License-Identifier: Apache-2.0
"""Where the camera of a bag was at each image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mtl_perception.bags import TRANSFORMS, Bag, BagError
from mtl_perception.core.transforms import TF, TF_STATIC, TransformBuffer, TransformError


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
        try:
            buffer.put_message(bag.deserialize(recorded), is_static=recorded.topic == TF_STATIC)
        except ValueError as error:
            raise BagError(f"bag {bag.path}: {recorded.topic}: {error}") from error
        # The history is short: take each stamp as soon as it can be had.
        while waiting and (pose := _pose(buffer, fixed_frame, frames[waiting[-1]], waiting[-1])) is not None:
            poses[waiting.pop()] = pose
        while waiting and waiting[-1] < recorded.time_ns - 5_000_000_000:
            waiting.pop()
    return poses


def _pose(buffer: TransformBuffer, fixed_frame: str, frame: str, stamp_ns: int) -> np.ndarray | None:
    try:
        return buffer.lookup(fixed_frame, frame, stamp_ns)
    except TransformError:
        return None

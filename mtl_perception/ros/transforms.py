# SPDX-License-Identifier: Apache-2.0
"""/tf and /tf_static, and where a camera was when it took an image.

tf2's Python listener comes with apt's ROS and not with PyPI's; the node needs one lookup an image, so it listens itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.transforms import TransformBuffer, TransformError
from mtl_perception.ros.cdr import read_transforms

_TF, _TF_STATIC = "/tf", "/tf_static"


class TransformListener:
    """Fills ``buffer`` from construction until ``close``. ``note`` hears of the topic and of what is no transform on it."""

    def __init__(self, node: Node, note: Callable[[str, ValueError], None]) -> None:
        self.buffer = TransformBuffer()
        self._node, self._note = node, note
        # Best effort hears everybody; a transform that got lost is interpolated over.
        moving = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
        latched = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._subscriptions = [
            node.create_subscription(TFMessage, topic, partial(self._on_transforms, topic), qos, raw=True)
            for topic, qos in ((_TF, moving), (_TF_STATIC, latched))
        ]

    def close(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_transforms(self, topic: str, serialised: bytes) -> None:
        try:
            for stamp, parent, child, numbers in read_transforms(serialised):
                try:
                    doubt = self.buffer.put(parent, child, stamp.nanoseconds, numbers[:3], numbers[3:], is_static=topic == _TF_STATIC)
                    if doubt:
                        self._note(topic, ValueError(doubt))
                except ValueError as error:  # costs the others nothing
                    self._note(topic, error)
        except ConversionError as error:
            self._note(topic, error)


class Place:
    """Where the camera was when it took one image: looked up at the image's stamp, never "latest", when somebody asks.

    Attributes:
        unpublished: why nothing can be published in ``output_frame``; empty if it can, or if nobody asked.
        unplaced: why the camera's pose is not known; likewise.
        ungrounded: why its pose over the floor is not known; likewise.
    """

    def __init__(self, header: Header, parameters: Mapping[str, Any], buffer: TransformBuffer) -> None:
        self._header = header
        self._output_frame = parameters["output_frame"] or header.frame_id
        self._fixed_frame = parameters["fixed_frame"]
        self._timeout_s = parameters["transform_timeout"]
        self._buffer = buffer
        self._ground_frame = parameters["depth.ground_frame"]
        self.unpublished = self.unplaced = self.ungrounded = ""

    @property
    def frame_id(self) -> str:
        """The camera's optical frame."""
        return self._header.frame_id

    @property
    def output_header(self) -> Header:
        """Header of what is published in the output frame: the image's, but for the frame."""
        return Header(stamp=self._header.stamp, frame_id=self._output_frame)

    @cached_property
    def to_output(self) -> np.ndarray | None:
        """(4, 4), from the camera's optical frame to the output frame. None: publish nothing, for it would be wrong."""
        try:
            return self._lookup(self._output_frame)
        except TransformError as error:
            self.unpublished = str(error)
            return None

    @cached_property
    def camera_pose(self) -> np.ndarray | None:
        """(4, 4), from the camera's optical frame to the fixed frame; None if there is no such frame or not now."""
        if not self._fixed_frame:
            return None
        try:
            return self._lookup(self._fixed_frame)
        except TransformError as error:
            self.unplaced = str(error)
            return None

    @property
    def up(self) -> np.ndarray | None:
        """(3,) unit vector in the camera's optical frame that points away from the ground, as z of the fixed frame does."""
        return None if self.camera_pose is None else self.camera_pose[2, :3]

    @cached_property
    def ground_pose(self) -> np.ndarray | None:
        """(4, 4), from the camera's optical frame to the robot's frame on the floor; None if there is no such frame or not now."""
        try:
            return self._lookup(self._ground_frame)
        except TransformError as error:
            self.ungrounded = str(error)
            return None

    def from_frame(self, frame: str) -> np.ndarray:
        """(4, 4), from ``frame`` to the camera's optical frame, at the image's stamp. Raises TransformError."""
        return np.linalg.inv(self._lookup(frame))

    def _lookup(self, target: str) -> np.ndarray:
        header = self._header
        if target == header.frame_id:
            return np.eye(4)
        if not header.frame_id:
            raise TransformError("the images have an empty frame_id, expected the camera's optical frame")
        stamp_ns = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        if stamp_ns == 0:
            raise TransformError("the images have no stamp, expected the time at which they were taken")
        return self._buffer.lookup(target, header.frame_id, stamp_ns, self._timeout_s)

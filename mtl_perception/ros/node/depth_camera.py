# SPDX-License-Identifier: Apache-2.0
"""A depth sensor beside the camera: its images, by the stamp of the camera's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.transforms import TransformError
from mtl_perception.ros.cdr import read_stamp
from mtl_perception.ros.node.camera_infos import CameraInfos
from mtl_perception.ros.node.measured_depth import MeasuredDepth
from mtl_perception.ros.node.nearest import KEPT, NearestByStamp
from mtl_perception.ros.transforms import Place


class DepthCamera:
    """Subscribes to ``depth/image`` and its camera_info on construction, until ``close``. Callbacks and ``at`` may run on different threads.

    Args:
        topics: what its topics begin with, such as ``~`` or ``~/front``.
        parameters: those of this camera.

    Attributes:
        topic, info_topic: full names.
        problem: why the last image was answered without a measurement; empty if it was not.
    """

    def __init__(self, node: Node, topics: str, parameters: Mapping[str, Any]) -> None:
        self._node = node
        is_compressed = parameters["depth.transport"] == "compressedDepth"
        self._messages: NearestByStamp[bytes] = NearestByStamp(round(parameters["depth.tolerance"] * 1e9), parameters["depth.wait"])
        self.problem = ""
        message_type, topic = (CompressedImage, "depth/image/compressedDepth") if is_compressed else (Image, "depth/image")
        qos = QoSProfile(depth=KEPT, reliability=ReliabilityPolicy.get_from_short_key(parameters["input.reliability"]))
        self._subscription = node.create_subscription(message_type, f"{topics}/{topic}", self._on_depth, qos, raw=True)
        info_qos = QoSProfile(depth=1, reliability=qos.reliability)
        self._infos = CameraInfos(node, f"{topics}/depth/image/camera_info", self._on_info, info_qos)
        self.topic, self.info_topic = self._subscription.topic_name, self._infos.topic
        self._measured = MeasuredDepth(is_compressed=is_compressed, max_pixels=parameters["input.max_pixels"], info_topic=self.info_topic)

    @property
    def received(self) -> int:
        """Depth images so far."""
        return self._messages.received

    @property
    def is_registered_here(self) -> bool:
        """Whether the last measurement was brought from the sensor's frame into the camera's."""
        return self._measured.is_registered_here

    @property
    def doubt(self) -> str:
        """Why depth may not be registered to the camera though its frame says so; empty without a reason."""
        return self._measured.doubt

    def hold(self, stamp_ns: int) -> None:
        """Keep what was measured at this stamp until ``at`` is asked for it, however long the network takes."""
        self._messages.hold(stamp_ns)

    def at(self, stamp_ns: int, place: Place, image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> np.ndarray | None:
        """Returns the measured depth of an image of this stamp; None, with ``problem`` saying why, if there is nothing that fits.

        Waits for a message that is on its way, as long as the parameter says. Depth in another frame than the image's is registered to it.

        Args:
            place: of the image.
            intrinsics: of the image's camera.

        Returns:
            (H, W) float32 metres of the image's size, 0 or NaN where nothing was measured.
        """
        serialised = self._messages.at(stamp_ns)
        if serialised is None:
            self.problem = (
                f"no depth image within {self._messages.tolerance_s:g} s of the camera's, {self.received} received: does a sensor publish "
                "on this topic, on the camera's clock? Raise depth.tolerance or depth.wait if it is only late"
            )
            return None
        try:
            measured_m = self._measured.of_image(serialised, place, image_rgb, intrinsics)
        except (ConversionError, TransformError) as error:
            self.problem = cut(error, 500)
            return None
        self.problem = ""
        return measured_m

    def update_publishers(self) -> None:
        """Hear a latched camera_info, which may have been published before the node started; to be called from time to time."""
        self._infos.update_publishers()

    def close(self) -> None:
        self._infos.close()
        self._node.destroy_subscription(self._subscription)

    def _on_info(self, serialised: bytes) -> None:
        self._measured.take_info(serialised)

    def _on_depth(self, serialised: bytes) -> None:
        self._messages.put(read_stamp(serialised).nanoseconds, serialised)

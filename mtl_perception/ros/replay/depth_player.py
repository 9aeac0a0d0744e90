# SPDX-License-Identifier: Apache-2.0
"""Publishes a bag's depth camera to a node, ahead of the images that it belongs to."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtl_perception.bags import BagMessage
from mtl_perception.ros.cdr import read_stamp
from mtl_perception.ros.node.nearest import NearestByStamp
from mtl_perception.ros.replay.depth import DepthStream

_WAIT_S = 0.5
"""Depth is on its way before its image is: this is for the middleware alone."""


def parameters_for(stream: DepthStream) -> dict[str, Any]:
    """The node's parameters by which it hears a ``DepthPlayer`` of ``stream``."""
    return {"depth.transport": "compressedDepth" if stream.topics.is_compressed else "raw", "depth.wait": _WAIT_S}


class DepthPlayer:
    """Sends each measurement before the image of its time, whichever was recorded first, so that no result hangs on how late it came.

    Args:
        node: that publishes.
        private: what the perception node's own topics begin with.
        stream: of the bag.
    """

    def __init__(self, node: Node, private: str, stream: DepthStream, qos: QoSProfile) -> None:
        self._stream = stream
        message_type, suffix = (CompressedImage, "/compressedDepth") if stream.topics.is_compressed else (Image, "")
        self._images = node.create_publisher(message_type, f"{private}/depth/image{suffix}", qos)
        self._infos = node.create_publisher(CameraInfo, f"{private}/depth/image/camera_info", qos)
        self._sent: NearestByStamp[bool] = NearestByStamp(stream.tolerance_ns)
        self._count = self._without = 0

    @property
    def publishers(self) -> list[Publisher]:
        """Those that the node has to hear."""
        return [self._images, self._infos]

    def begin(self) -> None:
        """Send the calibration that holds before the first one of the recording."""
        if (info := self._stream.first_info()) is not None:
            self._infos.publish(info.data)

    def send_before(self, stamp_ns: int, time_ns: int) -> None:
        """Send what an image of this stamp, recorded at ``time_ns``, needs."""
        for message in self._stream.until(stamp_ns, time_ns):
            self._send(message)
        self._count += 1
        self._without += self._sent.at(stamp_ns) is None

    @property
    def warning(self) -> str:
        """How many images nothing was measured at the time of; empty if none."""
        if not self._without:
            return ""
        return (
            f"{self._stream.topics.image.name}: {self._without} of {self._count} images have the network's depth alone: no depth image within "
            f"{self._sent.tolerance_s:g} s (depth.tolerance)"
        )

    def _send(self, message: BagMessage) -> None:
        if message.topic != self._stream.topics.image.name:
            self._infos.publish(message.data)
            return
        self._images.publish(message.data)
        self._sent.put(read_stamp(message.data).nanoseconds, True)

# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of a camera_info that comes with every image, or once and latched."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CameraInfo

from mtl_perception.ros.outputs.topic import LATCHED


class CameraInfos:
    """Subscribes on construction, until ``close``; ``update_publishers`` is to be called from time to time.

    A transient-local subscription gets what was published before, and does not match volatile publishers: hence a second one.

    Attributes:
        topic: full name.
    """

    def __init__(self, node: Node, topic: str, on_info: Callable[[bytes], None], qos: QoSProfile) -> None:
        self._node, self._on_info = node, on_info
        self._subscription = node.create_subscription(CameraInfo, topic, on_info, qos, raw=True)
        self._latched: Subscription | None = None
        self.topic = self._subscription.topic_name

    def update_publishers(self) -> list[TopicEndpointInfo]:
        """Lists the publishers, and hears latched ones from now on, also what they published before."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        # Not without a latched publisher: a volatile one would warn of an incompatible QoS.
        if self._latched is None and any(info.qos_profile.durability == LATCHED.durability for info in publishers):
            self._latched = self._node.create_subscription(CameraInfo, self._subscription.topic, self._on_info, LATCHED, raw=True)
        return publishers

    def close(self) -> None:
        for subscription in (self._subscription, self._latched):
            if subscription is not None:
                self._node.destroy_subscription(subscription)

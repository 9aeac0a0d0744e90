# SPDX-License-Identifier: Apache-2.0
"""One output topic, described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass(frozen=True)
class Topic:
    """A topic as writers, doctor, replay, Foxglove, the benchmark and the reference know it.

    Attributes:
        name: below the node's name, or the camera's where there are several.
        message_type: class of its messages.
        purpose: a sentence for users.
        tasks: without which it says nothing.
        frame: of its headers; the camera's and the output frame's share the stamp of the image.
        is_latched: said once, reliable and transient local; the others as ``output.reliability`` and ``output.depth`` say.
        missing_when: why a node may do without it; empty: it may not.
        is_recorded: a replay records it. What is not follows from the others.
    """

    name: str
    message_type: type
    purpose: str
    tasks: tuple[str, ...] = ()
    frame: Literal["camera", "output", ""] = ""
    is_latched: bool = False
    missing_when: str = ""
    is_recorded: bool = True

    @property
    def type_name(self) -> str:
        return type_name(self.message_type)

    def qos(self, parameters: Any) -> QoSProfile:
        """Returns the QoS that the node offers, with its parameters."""
        if self.is_latched:
            return LATCHED
        reliability = ReliabilityPolicy.get_from_short_key(parameters["output.reliability"])
        return QoSProfile(depth=parameters["output.depth"], reliability=reliability)


def type_name(message_type: type) -> str:
    """As the middleware calls it, such as sensor_msgs/msg/Image."""
    return f"{message_type.__module__.partition('.')[0]}/msg/{message_type.__name__}"

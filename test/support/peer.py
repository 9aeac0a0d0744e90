# SPDX-License-Identifier: Apache-2.0
"""The other end of the node's topics: publishes images, collects outputs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

FRAME_ID = "camera_color_optical_frame"
RELIABLE = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
PATIENCE_S = 300.0  # for what never comes; a busy machine may take long for what does
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Peer:
    """A node in this process with its own context. Conditions are waited for, durations are not judged."""

    def __enter__(self) -> Peer:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node("peer", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._publishers: dict[tuple, Any] = {}
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self.subscribe("/diagnostics", DiagnosticArray, RELIABLE, self._on_diagnostics)
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def subscribe(self, topic: str, message_type: type, qos: QoSProfile = RELIABLE, callback: Callable | None = None) -> list:
        """Collects what arrives in the list that it returns, unless there is a callback."""
        arrived: list = []
        self.node.create_subscription(message_type, topic, callback or arrived.append, qos)
        return arrived

    def publish(self, topic: str, message: Any, qos: QoSProfile = RELIABLE) -> None:
        key = (topic, type(message), qos.reliability)
        if key not in self._publishers:
            self._publishers[key] = self.node.create_publisher(type(message), topic, qos)
        self._publishers[key].publish(message)

    def silence(self, topic: str) -> None:
        """Withdraw the publishers of a topic."""
        for key in [key for key in self._publishers if key[0] == topic]:
            self.node.destroy_publisher(self._publishers.pop(key))

    def until(
        self,
        condition: Callable[[], Any],
        what: str,
        every: Callable[[], None] = lambda: None,
        limit_s: float = PATIENCE_S,
    ) -> Any:
        """Spin, calling ``every`` 20 times a second, until the condition holds; its value comes back."""
        end_s, next_s = time.monotonic() + limit_s, 0.0
        while not (value := condition()):
            assert time.monotonic() < end_s, f"not within {limit_s} s: {what}; diagnostics {self.messages()}"
            if time.monotonic() >= next_s:
                every()
                next_s = time.monotonic() + 0.05
            self._executor.spin_once(timeout_sec=0.02)
        return value

    def spin_for(self, duration_s: float, every: Callable[[], None] = lambda: None) -> None:
        end_s = time.monotonic() + duration_s
        self.until(lambda: time.monotonic() > end_s, "the end", every)

    def status(self, node_name: str, part: str) -> DiagnosticStatus | None:
        """The newest diagnostic status of ``camera``, ``calibration`` or ``model``."""
        return self.diagnostics.get(f"{node_name.lstrip('/')}: {part}")

    def told(self, node_name: str, part: str) -> DiagnosticStatus:
        """The same, waited for: a node may answer an image before its first diagnostics."""
        self.until(lambda: self.status(node_name, part) is not None, f"diagnostics of {part}")
        status = self.status(node_name, part)
        assert status is not None
        return status

    def says(self, node_name: str, part: str, words: str) -> bool:
        """Whether the newest diagnostics of a part of the node contain these words."""
        status = self.status(node_name, part)
        return status is not None and words in status.message

    def messages(self) -> dict[str, str]:
        return {name: status.message for name, status in self.diagnostics.items()}

    def call(self, service: str, service_type: type, request: Any, again: bool = True) -> Any:
        """The response; None if none came in time and the request must not be sent ``again``.

        A server drops its response where it has not discovered the client yet, a tenth of a second after the request: on a busy machine
        that happens.
        """
        client = self.node.create_client(service_type, service)
        self.until(client.service_is_ready, f"service {service}")
        end_s = time.monotonic() + PATIENCE_S
        while True:
            future = client.call_async(request)
            wait_s = time.monotonic() + _RESPONSE_S
            self.until(lambda: future.done() or time.monotonic() > wait_s, f"answer of {service}")
            if future.done() or not again:
                break
            assert time.monotonic() < end_s, f"{service} does not answer; diagnostics {self.messages()}"
        self.node.destroy_client(client)
        return future.result() if future.done() else None

    def change_state(self, node_name: str, label: str) -> bool:
        request = ChangeState.Request(transition=Transition(id=_TRANSITIONS[label]))
        response = self.call(f"{node_name}/change_state", ChangeState, request, again=False)
        return self.state(node_name) == _GOALS[label] if response is None else response.success

    def state(self, node_name: str) -> str:
        return self.call(f"{node_name}/get_state", GetState, GetState.Request()).current_state.label

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        self.diagnostics |= {status.name: status for status in array.status}


_RESPONSE_S = 60.0
_GOALS = {"configure": "inactive", "activate": "active", "deactivate": "inactive", "cleanup": "unconfigured", "shutdown": "finalized"}
_TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
    "cleanup": Transition.TRANSITION_CLEANUP,
    "shutdown": Transition.TRANSITION_INACTIVE_SHUTDOWN,
}


def image(pixels: np.ndarray, encoding: str = "bgr8", stamp_s: float | None = None) -> Image:
    """A raw image without row padding, stamped now unless told otherwise."""
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding, step=pixels.strides[0])
    message.data.frombytes(np.ascontiguousarray(pixels).tobytes())
    return stamped(message, stamp_s)


def compressed(data: bytes, format: str = "jpeg", stamp_s: float | None = None) -> CompressedImage:
    message = CompressedImage(format=format)
    message.data.frombytes(data)
    return stamped(message, stamp_s)


def camera_info(width: int, height: int, fx: float = 500.0) -> CameraInfo:
    k = [fx, 0.0, width / 2, 0.0, fx, height / 2, 0.0, 0.0, 1.0]
    return stamped(CameraInfo(width=width, height=height, k=k))


def since(moment_s: float, messages: Iterable[Any]) -> list[Any]:
    """Those of images that were stamped then or later; what was on its way before may come at any time."""
    return [message for message in messages if message.header.stamp.sec + message.header.stamp.nanosec * 1e-9 >= moment_s]


def stamped(message: Any, stamp_s: float | None = None) -> Any:
    stamp_ns = time.time_ns() if stamp_s is None else int(stamp_s * 1e9)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    message.header.frame_id = FRAME_ID
    return message

# SPDX-License-Identifier: Apache-2.0
"""How long frames take through the node over DDS: this process is the camera and the reader, the node runs in its own."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.msg import PerceptionStatus
from mtl_perception.ros.main import choose_executor
from mtl_perception.ros.node_process import NODE_COMMAND, last_words, node_process, ros_arguments
from mtl_perception.ros.outputs.detections import DetectionsWriter
from mtl_perception.ros.outputs.images import DepthWriter, MaskWriter
from mtl_perception.ros.outputs.topics import STATUS
from mtl_perception.ros.patience import Patience
from mtl_perception.ros.replay.report import FrameTiming

OUTPUTS = {writer.topic.tasks[0]: writer.topic for writer in (DetectionsWriter, MaskWriter, DepthWriter)}
"""Topics that are read of each task."""

_CAMERA_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_OUTPUT_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
_START_LIMIT_S, _LOST_AFTER_S = 180.0, 10.0
_WARM_UP_FRAMES = 5


class LatencyError(ValueError):
    """The node did not start or ended; the text says why."""


class LatencyRig:
    """A camera and a reader beside a running node. Use it as a context manager.

    Args:
        parameters: of the node; ``model`` among them.
        images_rgb: (H, W, 3) uint8 of one size, sent in turns as rgb8.
        tasks: whose outputs are read.
        log: file for what the node says.
        environment: of the node's process.

    Attributes:
        status: the newest of the node's.
    """

    status: PerceptionStatus | None = None

    def __init__(
        self,
        parameters: Mapping[str, Any],
        images_rgb: Sequence[np.ndarray],
        intrinsics: Intrinsics,
        tasks: Collection[str],
        log: Path,
        environment: Mapping[str, str],
    ) -> None:
        self._parameters, self._log, self._environment = dict(parameters), log, dict(environment)
        self._images = [bytearray(serialize_message(_image(image))) for image in images_rgb]
        self._info = bytearray(serialize_message(_camera_info(intrinsics)))
        self._topics = {topic.name: topic.message_type for task, topic in OUTPUTS.items() if task in tasks}
        self._sent_s: dict[int, float] = {}
        self._arrived: dict[int, dict[str, float]] = {}
        self._stages: dict[int, dict[str, float]] = {}
        self._count = 0
        self._open = ExitStack()

    def __enter__(self) -> LatencyRig:
        namespace = f"/benchmark_{os.getpid()}"
        with ExitStack() as opening:
            context = Context()
            rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
            opening.callback(rclpy.shutdown, context=context)
            node = Node("camera", namespace=namespace, context=context, use_global_arguments=False, enable_rosout=False)
            opening.callback(node.destroy_node)
            self._executor = choose_executor(context)
            self._executor.add_node(node)
            opening.callback(self._executor.shutdown)
            private = f"{namespace}/perception"
            self._image_publisher = node.create_publisher(Image, f"{private}/image", _CAMERA_QOS)
            self._info_publisher = node.create_publisher(CameraInfo, f"{private}/camera_info", _CAMERA_QOS)
            for topic, kind in (self._topics | {STATUS.name: STATUS.message_type}).items():

                def on_message(data, topic=topic):
                    return self._on_message(topic, data)

                node.create_subscription(kind, f"{private}/{topic}", on_message, _OUTPUT_QOS, raw=True)
            command = [*NODE_COMMAND, *ros_arguments(namespace, self._parameters)]
            self._process = opening.enter_context(node_process(command, self._log, self._environment))
            self._wait_for_node()
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def one_at_a_time(self, frames: int, on_frame: Callable[[], None] = lambda: None) -> list[FrameTiming]:
        """Send each frame when the one before has been answered; those that were answered, warm-up left out."""
        found = []
        for number in range(-_WARM_UP_FRAMES, frames):
            stamp_ns = self._send()
            until_s = time.perf_counter() + _LOST_AFTER_S
            while not self._is_answered(stamp_ns) and time.perf_counter() < until_s:
                self._executor.spin_once(timeout_sec=0.1)
            self._require_alive()
            timing = self._take(stamp_ns)
            if number >= 0:
                on_frame()
                if timing is not None:
                    found.append(timing)
        return found

    def at_rate(self, rate_hz: float, frames: int, on_frame: Callable[[], None] = lambda: None) -> list[FrameTiming]:
        """Send ``frames`` at the pace of a camera; those that were answered. The node drops what it finds no time for."""
        stamps_ns = []
        due_s = time.perf_counter()
        for _ in range(frames):
            stamps_ns.append(self._send())
            due_s += 1 / rate_hz
            self._spin_until(due_s)
            on_frame()
        self._require_alive()
        until_s = time.perf_counter() + _LOST_AFTER_S
        while not self._is_answered(stamps_ns[-1]) and time.perf_counter() < until_s:
            self._executor.spin_once(timeout_sec=0.1)
        return [timing for stamp_ns in stamps_ns if (timing := self._take(stamp_ns)) is not None]

    def _wait_for_node(self) -> None:
        """Until both sides have found each other and every output has come once."""
        patience = Patience(self._process.pid, _START_LIMIT_S)
        while True:
            stamp_ns = self._send()
            self._spin_until(time.perf_counter() + 0.2)
            self._require_alive()
            if any(map(self._is_answered, self._arrived)):
                return self._spin_until(time.perf_counter() + 0.5)
            if patience.is_over():
                missing = sorted({*self._topics, STATUS.name} - set(self._arrived.get(stamp_ns, ())))
                silent = ", ".join(missing)
                raise LatencyError(f"no answer on {silent} within {_START_LIMIT_S:.0f} s; {last_words(self._log)}")

    def _send(self) -> int:
        """Publish the next image and its camera_info; the stamp comes back."""
        stamp_ns = time.time_ns()
        stamp = struct.pack("<iI", *divmod(stamp_ns, 1_000_000_000))
        image = self._images[self._count % len(self._images)]
        self._count += 1
        image[4:12] = self._info[4:12] = stamp  # behind four bytes of encapsulation, every header begins with its stamp
        serialised = bytes(image)
        self._info_publisher.publish(bytes(self._info))
        self._arrived[stamp_ns] = {}
        self._sent_s[stamp_ns] = time.perf_counter()
        self._image_publisher.publish(serialised)
        return stamp_ns

    def _on_message(self, topic: str, data: bytes) -> None:
        arrived_s = time.perf_counter()
        seconds, nanoseconds = struct.unpack_from("<iI", data, 4)
        stamp_ns = seconds * 1_000_000_000 + nanoseconds
        if stamp_ns not in self._arrived:
            return
        self._arrived[stamp_ns][topic] = arrived_s
        if topic == STATUS.name:
            self.status = deserialize_message(data, PerceptionStatus)
            self._stages[stamp_ns] = {stage.name: stage.duration_s for stage in self.status.stages}

    def _is_answered(self, stamp_ns: int) -> bool:
        return len(self._arrived[stamp_ns]) == len(self._topics) + 1

    def _take(self, stamp_ns: int) -> FrameTiming | None:
        """Removes and returns what is known of a frame; None if it was not answered."""
        is_answered = self._is_answered(stamp_ns)
        arrived, sent_s = self._arrived.pop(stamp_ns), self._sent_s.pop(stamp_ns)
        stage_s = self._stages.pop(stamp_ns, {})
        if not is_answered:
            return None
        return FrameTiming(stamp_ns, max(s for topic, s in arrived.items() if topic != STATUS.name) - sent_s, stage_s)

    def _spin_until(self, until_s: float) -> None:
        while (left_s := until_s - time.perf_counter()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def _require_alive(self) -> None:
        if self._process.poll() is not None:
            raise LatencyError(f"the node ended with exit status {self._process.returncode}; {last_words(self._log)}")


def _image(image_rgb: np.ndarray) -> Image:
    height, width = image_rgb.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.frame_id = "camera_color_optical_frame"
    message.data.frombytes(np.ascontiguousarray(image_rgb).tobytes())
    return message


def _camera_info(camera: Intrinsics) -> CameraInfo:
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    message = CameraInfo(height=camera.height, width=camera.width, k=k)
    message.header.frame_id = "camera_color_optical_frame"
    return message

# SPDX-License-Identifier: Apache-2.0
"""Replay over DDS in the bag's own time: the bag's camera is published, the node runs in its own process, and
whatever it publishes is recorded.

Everything happens in a namespace of this replay, ``/clock`` and ``/tf`` included, so that a robot on the same network
neither hears it nor is heard by it. The recording has the names without that namespace.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import merge
from pathlib import Path
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from mtl_perception.bags import COMPRESSED_IMAGE, Bag, BagMessage, Topic
from mtl_perception.bags.transforms import transforms_of
from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.interrupts import raised
from mtl_perception.core.transforms import TF, TF_STATIC
from mtl_perception.msg import PerceptionStatus
from mtl_perception.ros.cdr import read_stamp
from mtl_perception.ros.node.video import VIDEO_TRANSPORTS, require_transport, transport_of
from mtl_perception.ros.node_process import NODE_COMMAND, last_words, node_process, ros_arguments
from mtl_perception.ros.patience import Patience
from mtl_perception.ros.replay.depth import DepthStream
from mtl_perception.ros.replay.depth_player import DepthPlayer, parameters_for
from mtl_perception.ros.replay.recording import LATCHED_TOPICS, LEFT_OUT_TOPICS, Recording
from mtl_perception.ros.replay.report import FrameTiming, ReplayReport

_START_LIMIT_S = 180.0
_MATCH_LIMIT_S = 15.0
_CLOCK_PERIOD_S = 0.01
_QUIET_LIMIT_S = 5.0
_LONGEST_GAP_S = 86400.0


class ReplayError(ValueError):
    """The replay could not start or go on; the text says why."""


def replay_live(
    bag: Bag,
    image: Topic,
    camera_info: Topic | None,
    parameters: Mapping[str, Any],
    recording: Recording,
    *,
    depth: DepthStream | None = None,
    params_file: Path | None = None,
    rate: float = 1.0,
    overlay: bool = False,
    on_progress: Callable[[ReplayReport], None] | None = None,
    node_command: Sequence[str] = NODE_COMMAND,
) -> ReplayReport:
    """Record what the node says of every image of ``bag`` that it finds time for.

    Args:
        bag: an open bag.
        image, camera_info: its topics.
        parameters: of the node, on top of ``params_file``; ``model`` among them.
        recording: an open recording; left open. Messages get the time of the bag at which they arrived.
        depth: a depth camera beside it, which the parameter ``depth.source`` asks for.
        params_file: ROS parameter file for the node.
        rate: 2 plays twice as fast as recorded.
        overlay: record ``overlay`` too, which the node then has to draw.
        on_progress: called after each image sent and each frame processed.
        node_command: starts the node.

    Returns:
        What happened; complete up to then also after Ctrl-C or SIGTERM.

    Raises:
        ReplayError: the node did not become active, or ended.
    """
    report = ReplayReport("live", image.name)
    fixed = {
        "transport": _transport(image),
        "use_sim_time": True,
        "autostart": True,
        "input.reliability": "reliable",
        "input.depth": 10,
        "output.reliability": "reliable",
        "output.depth": 10,
        **(parameters_for(depth) if depth is not None else {}),
    }
    try:
        require_transport(_transport(image))
    except ValueError as error:
        raise ReplayError(f"{image.name} is {image.type}: {error}") from None
    namespace = f"/replay_{os.getpid()}"
    arguments = ros_arguments(namespace, {**parameters, **fixed}, params_file)
    try:
        with (
            raised(),
            node_process([*node_command, *arguments], recording.path / "node.log") as process,
        ):
            on_progress = on_progress or (lambda report: None)
            player = _Player(namespace, image, depth, recording, report, process, on_progress, bag.start_ns, rate)
            try:
                player.wait_until_active()
                player.connect(camera_info is not None, overlay)
                player.publish_static(transforms_of(bag, TF_STATIC, report.warn))
                camera = bag.messages(*(topic.name for topic in (image, camera_info) if topic is not None))
                player.play(merge(transforms_of(bag, TF, report.warn), camera, key=lambda message: message.time_ns))
                player.wait_for_last_result()
            finally:
                player.close()
    except KeyboardInterrupt:
        report.interrupted = True
    return report


class _Player:
    """Publishes the bag's camera and records the node's outputs, all in one thread."""

    def __init__(
        self,
        namespace: str,
        image: Topic,
        depth: DepthStream | None,
        recording: Recording,
        report: ReplayReport,
        process: subprocess.Popen,
        on_progress: Callable[[ReplayReport], None],
        start_ns: int,
        rate: float,
    ) -> None:
        self._namespace, self._image, self._depth_stream = namespace, image, depth
        self._depth: DepthPlayer | None = None
        self._log = recording.path / "node.log"
        self._recording, self._report, self._process, self._on_progress = (
            recording,
            report,
            process,
            on_progress,
        )
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node(
            "replay",
            namespace=namespace,
            context=self._context,
            use_global_arguments=False,
            enable_rosout=False,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._subscriptions: list[Subscription] = []
        self._sent_s: dict[int, float] = {}
        self._last_stamp_ns: int | None = None
        self._frames_received = 0
        self._last_heard_s = time.monotonic()
        self._start_ns, self._rate = start_ns, rate
        self._started_s: float | None = None

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def wait_until_active(self) -> None:
        client = self._node.create_client(GetState, f"{self._namespace}/perception/get_state")
        patience = Patience(self._process.pid, _START_LIMIT_S)
        while not patience.is_over():
            self._require_alive()
            if not client.wait_for_service(timeout_sec=0.2):
                continue
            answer = client.call_async(GetState.Request())
            self._executor.spin_until_future_complete(answer, timeout_sec=2.0)
            if answer.done() and answer.result().current_state.id == State.PRIMARY_STATE_ACTIVE:
                self._node.destroy_client(client)
                return
            time.sleep(0.05)
        raise ReplayError(f"the node was not active after {_START_LIMIT_S:.0f} s; {last_words(self._log)}")

    def connect(self, has_camera_info: bool, overlay: bool) -> None:
        """Publishers to the node, subscriptions to all of its outputs; each is matched when this returns."""
        private = f"{self._namespace}/perception"
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        transport = _transport(self._image)
        image_type = {"raw": Image, "compressed": CompressedImage}.get(transport) or VIDEO_TRANSPORTS[transport].message_type
        suffix = "image" if transport == "raw" else f"image/{transport}"
        self._images = self._node.create_publisher(image_type, f"{private}/{suffix}", qos)
        self._infos = self._node.create_publisher(CameraInfo, f"{private}/camera_info", qos)
        self._clock = self._node.create_publisher(Clock, f"{self._namespace}/clock", 10)
        tf_qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
        self._moving = self._node.create_publisher(TFMessage, self._namespace + TF, tf_qos)
        tf_qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        self._static = self._node.create_publisher(TFMessage, self._namespace + TF_STATIC, tf_qos)
        left_out = LEFT_OUT_TOPICS if overlay else ("overlay", *LEFT_OUT_TOPICS)
        outputs = {topic: msgtype for topic, msgtype in self._outputs(private) if topic.removeprefix(f"{private}/") not in left_out}
        for topic, msgtype in outputs.items():
            self._subscribe(topic, msgtype)
        publishers = [self._images, self._clock, self._moving, self._static] + ([self._infos] if has_camera_info else [])
        if self._depth_stream is not None:
            self._depth = DepthPlayer(self._node, private, self._depth_stream, qos)
            publishers += self._depth.publishers
        self._spin_until(
            lambda: all(s.get_publisher_count() for s in self._subscriptions) and all(p.get_subscription_count() for p in publishers),
            "the node's topics did not connect",
        )
        # The node may learn of these subscriptions a moment later than this side does.
        self._spin_for(0.3)

    def publish_static(self, messages: Iterable[BagMessage]) -> None:
        """All of them at once: they hold for the whole bag."""
        for message in messages:
            self._static.publish(message.data)

    def play(self, messages: Iterable[BagMessage]) -> None:
        if self._depth is not None:
            self._depth.begin()
        next_clock_s = self._started_s = time.monotonic()
        before_ns = self._start_ns
        for message in messages:
            if message.time_ns - before_ns > _LONGEST_GAP_S * 1e9:
                raise ReplayError(
                    f"the bag's time jumps by {(message.time_ns - before_ns) / 86400e9:.0f} days, as where the recorder's clock was set; "
                    "--offline replays it without waiting"
                )
            before_ns = message.time_ns
            due_s = self._started_s + (message.time_ns - self._start_ns) * 1e-9 / self._rate
            while True:
                now_s = time.monotonic()
                if now_s >= next_clock_s:
                    self._clock.publish(Clock(clock=_time(self._now_ns())))
                    next_clock_s = now_s + _CLOCK_PERIOD_S
                if now_s >= due_s:
                    break
                self._executor.spin_once(timeout_sec=min(due_s, next_clock_s) - now_s)
            self._publish(message)

    def wait_for_last_result(self) -> None:
        """Until the last image has its result, or the node has been quiet for too long."""
        slowest_s = max((frame.latency_s for frame in self._report.frames), default=0.0)
        patience_s = max(_QUIET_LIMIT_S, 3 * slowest_s)
        heard_s, patience = self._last_heard_s, Patience(self._process.pid, patience_s)
        while self._last_stamp_ns is not None and self._last_stamp_ns in self._sent_s:
            self._require_alive()
            if self._last_heard_s > heard_s:
                heard_s, patience = self._last_heard_s, Patience(self._process.pid, patience_s)
            if patience.is_over():
                self._report.warn(f"no result for the last image within {patience_s:.0f} s; {last_words(self._log)}")
                break
            self._executor.spin_once(timeout_sec=_CLOCK_PERIOD_S)
            self._clock.publish(Clock(clock=_time(self._now_ns())))
        self._spin_for(0.2)
        self._report.frames_lost = max(0, self._report.frames_in - self._frames_received)
        if self._depth is not None and self._depth.warning:
            self._report.warn(self._depth.warning)

    def _publish(self, message: BagMessage) -> None:
        if message.topic != self._image.name:
            (self._moving if message.topic == TF else self._infos).publish(message.data)
            return
        self._require_alive()
        try:
            stamp_ns = read_stamp(message.data).nanoseconds
        except ConversionError as error:
            self._report.warn(f"{message.topic}: left out, for it is no image: {error}")
            return
        if self._depth is not None:
            self._depth.send_before(stamp_ns, message.time_ns)
        self._last_stamp_ns = stamp_ns
        self._sent_s[self._last_stamp_ns] = time.monotonic()
        self._images.publish(message.data)
        self._report.frames_in += 1
        self._on_progress(self._report)

    def _outputs(self, private: str) -> list[tuple[str, str]]:
        """(topic, type) of everything that the node publishes under its own name."""
        found: list[tuple[str, str]] = []

        def complete() -> bool:
            nonlocal found
            before = found
            namespace, _, name = private.rpartition("/")
            try:
                known = self._node.get_publisher_names_and_types_by_node(name, namespace)
            except NodeNameNonExistentError:  # its service can be known before the node itself is
                return False
            found = sorted(
                (topic, types[0]) for topic, types in known if topic.startswith(private + "/") and not topic.endswith("/transition_event")
            )
            return found == before and any(topic.endswith("/status") for topic, _ in found)

        self._spin_until(complete, "the node publishes no status", every_s=0.2)
        return found

    def _subscribe(self, topic: str, msgtype: str) -> None:
        latched = topic.rpartition("/")[2] in LATCHED_TOPICS
        qos = QoSProfile(
            depth=10,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        name = topic.removeprefix(self._namespace)
        is_status = name == "/perception/status"

        def on_message(data: bytes) -> None:
            self._recording.write(name, msgtype, self._now_ns(), data)
            self._last_heard_s = time.monotonic()
            if is_status:
                self._on_status(deserialize_message(data, PerceptionStatus))

        package, _, type_name = msgtype.partition("/msg/")
        message_class = getattr(importlib.import_module(f"{package}.msg"), type_name)
        self._subscriptions.append(self._node.create_subscription(message_class, topic, on_message, qos, raw=True))

    def _on_status(self, status: PerceptionStatus) -> None:
        report, stamp = self._report, status.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        report.model, report.device, report.precision = status.model, status.device, status.precision
        report.frames_processed = status.frames_processed
        report.frames_dropped = status.frames_dropped
        report.frames_rejected = status.frames_rejected
        self._frames_received = status.frames_received
        sent_s = self._sent_s.pop(stamp_ns, None)
        if sent_s is not None and status.tasks:
            stage_s = {stage.name: stage.duration_s for stage in status.stages}
            report.frames.append(FrameTiming(stamp_ns, time.monotonic() - sent_s, stage_s))
        self._on_progress(report)

    def _now_ns(self) -> int:
        """The bag's time now; its beginning until it plays."""
        if self._started_s is None:
            return self._start_ns
        return self._start_ns + round((time.monotonic() - self._started_s) * self._rate * 1e9)

    def _require_alive(self) -> None:
        if self._process.poll() is not None:
            raise ReplayError(f"the node ended with exit status {self._process.returncode}; {last_words(self._log)}")

    def _spin_for(self, duration_s: float) -> None:
        until_s = time.monotonic() + duration_s
        while (left_s := until_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def _spin_until(self, condition: Callable[[], bool], problem: str, every_s: float = 0.02) -> None:
        patience = Patience(self._process.pid, _MATCH_LIMIT_S)
        while not condition():
            self._require_alive()
            if patience.is_over():
                raise ReplayError(f"{problem} within {_MATCH_LIMIT_S:.0f} s; {last_words(self._log)}")
            self._spin_for(every_s)


def _transport(image: Topic) -> str:
    """The node's, by which it reads messages of this type."""
    return transport_of(image.type) or ("compressed" if image.type == COMPRESSED_IMAGE else "raw")


def _time(time_ns: int) -> Time:
    return Time(sec=time_ns // 1_000_000_000, nanosec=time_ns % 1_000_000_000)

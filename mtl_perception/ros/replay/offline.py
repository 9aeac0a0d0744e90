# SPDX-License-Identifier: Apache-2.0
"""Replay without transport and without time: every frame through the engine, the node's messages into a bag.

The same bag, model and device give the same recording, to the bit where the device computes the same twice (a
CPU does). So nothing that is measured by a clock is in it: ``status`` has no stage times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from mtl_perception.bags import Bag, Topic
from mtl_perception.bags.transforms import BagTransforms
from mtl_perception.core.image_messages import InputSettings
from mtl_perception.msg import PerceptionStatus
from mtl_perception.ros.node.specs import ALL_TASKS
from mtl_perception.ros.outputs.outputs import Outputs
from mtl_perception.ros.replay.depth import BagDepthCamera, DepthTopics
from mtl_perception.ros.replay.frame import calibrated, header_of
from mtl_perception.ros.replay.recording import LEFT_OUT_TOPICS, Recording
from mtl_perception.ros.replay.report import FrameTiming, ReplayReport
from mtl_perception.ros.transforms import Place


def replay_offline(
    bag: Bag,
    image: Topic,
    camera_info: Topic | None,
    engine: Any,
    recording: Recording,
    parameters: Mapping[str, Any],
    *,
    depth: DepthTopics | None = None,
    overlay: bool = False,
    on_progress: Callable[[ReplayReport], None] | None = None,
) -> ReplayReport:
    """Record what ``engine`` says of every image of ``bag``, at the time at which the image was recorded.

    Args:
        bag: an open bag.
        image, camera_info: its topics.
        engine: a loaded ``Engine``; its score threshold is set.
        recording: an open recording; left open.
        parameters: the node's, of which those of input and outputs and ``tasks`` are used.
        depth: a depth camera beside it, which the parameter ``depth.source`` asks for.
        overlay: record ``overlay`` too.
        on_progress: called after each frame.

    Returns:
        What happened; complete up to the last whole frame also after KeyboardInterrupt.
    """
    sink = _Sink(recording, LEFT_OUT_TOPICS if overlay else ("overlay", *LEFT_OUT_TOPICS))
    outputs = Outputs(sink, parameters, engine.card)
    engine.score_threshold = outputs.least_score
    tasks = [task for task in engine.tasks if {task, ALL_TASKS} & set(parameters["tasks"])]
    report = ReplayReport("offline", image.name, engine.card.name, engine.device, engine.precision)
    transforms = BagTransforms(bag, report.warn)
    depth_camera = BagDepthCamera(bag, depth, parameters) if depth is not None and "depth" in tasks else None
    try:
        for frame in bag.frames(image, camera_info, InputSettings.of(parameters), rectified=parameters["rectified"]):
            sink.time_ns = frame.time_ns
            if report.frames_in == 0:
                outputs.publish_labels()
            report.frames_in += 1
            if frame.problem:
                report.warn(frame.problem)
            if frame.image_rgb is None:
                report.frames_rejected += 1
                continue
            image_rgb, intrinsics = calibrated(frame, parameters, report.warn)
            started_s = time.perf_counter()
            scene = engine(image_rgb, intrinsics, tasks)
            latency_s = time.perf_counter() - started_s
            header = header_of(frame.message)
            transforms.advance(frame.time_ns)
            place = Place(header, {**parameters, "transform_timeout": 0.0}, transforms.buffer)
            measured_m = None
            if depth_camera is not None:
                measured_m = depth_camera.at(frame.stamp_ns, frame.time_ns, place, image_rgb, intrinsics)
            result = outputs.frame(header, scene, image_rgb, intrinsics, place, measured_m)
            for publisher, message in outputs.fill(result, outputs.read()):
                publisher.publish(message)
            for problem in (place.unpublished, place.unplaced):
                if problem:
                    report.warn(problem)
            report.frames_processed += 1
            outputs.publish_status(_status(header, tasks, report))
            report.frames.append(FrameTiming(frame.stamp_ns, latency_s, dict(scene.stage_s)))
            if on_progress is not None:
                on_progress(report)
    except KeyboardInterrupt:
        report.interrupted = True
    for warning in depth_camera.warnings() if depth_camera is not None else ():
        report.warn(warning)
    return report


class _Sink:
    """Stands where ``Outputs`` expects its node: its publishers write into the recording."""

    def __init__(self, recording: Recording, unread: tuple[str, ...]) -> None:
        self.recording = recording
        self.unread = unread
        self.time_ns = 0

    def create_lifecycle_publisher(self, message_type: type, topic: str, qos: Any) -> _Publisher:
        return _Publisher(self, message_type, topic.replace("~", "/perception"), topic[2:] not in self.unread)

    def get_clock(self) -> Any:
        now = Time(sec=self.time_ns // 1_000_000_000, nanosec=self.time_ns % 1_000_000_000)
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: now))


class _Publisher:
    def __init__(self, sink: _Sink, message_type: type, topic: str, is_read: bool) -> None:
        self._sink, self._topic, self._is_read = sink, topic, is_read
        package, _, _ = message_type.__module__.partition(".")
        self._type = f"{package}/msg/{message_type.__name__}"

    def get_subscription_count(self) -> int:
        return int(self._is_read)

    def publish(self, message: Any) -> None:
        serialised = message if isinstance(message, bytes) else serialize_message(message)
        # rmw leaves the padding between fields as it was in memory: serialised once more, it is zero.
        types = self._sink.recording.types.of(self._type)
        plain = types.deserialize_cdr(serialised, self._type)
        self._sink.recording.write(self._topic, self._type, self._sink.time_ns, bytes(types.serialize_cdr(plain, self._type)))


def _status(header: Header, tasks: list[str], report: ReplayReport) -> PerceptionStatus:
    return PerceptionStatus(
        header=header,
        model=report.model,
        device=report.device,
        precision=report.precision,
        tasks=tasks,
        frames_received=report.frames_in,
        frames_processed=report.frames_processed,
        frames_rejected=report.frames_rejected,
    )

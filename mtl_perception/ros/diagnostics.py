# SPDX-License-Identifier: Apache-2.0
"""``/diagnostics``: what is wrong, in words that say what to do."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType

from mtl_perception.core.foreign_text import cut
from mtl_perception.ros.graph import surroundings
from mtl_perception.ros.guard import GuardedNode
from mtl_perception.ros.node.camera import Camera
from mtl_perception.ros.node.frames import Change
from mtl_perception.ros.node.stream import Stream, Trace

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

PERIOD_S = 0.5
"""Twice a second: with a second of patience, a camera that stops is named within two."""

PATIENCE_S = 1.0
_MISSING_FRAMES, _LONGEST_PATIENCE_S = 3, 10.0  # for a camera that is slower than once a second
_STALE_AGE_S = 1.0
_NOTABLE_LOSS = 0.05
_LONGEST_MESSAGE, _LONGEST_VALUE = 4000, 1000


class Diagnostics:
    """Publishes what ``report`` returns; a status that changes its level is logged too."""

    def __init__(self, node: GuardedNode, report: Callable[[], list[DiagnosticStatus]]) -> None:
        self._node = node
        self._report = report
        self._levels: dict[str, bytes] = {}
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # On the steady clock: simulated time stands still when something is wrong.
        node.create_timer(PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publish(self) -> None:
        array = DiagnosticArray(status=self._statuses())
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)
        for status in array.status:
            if self._levels.get(status.name, OK) != status.level:
                self._log(status)
            self._levels[status.name] = status.level

    def _statuses(self) -> list[DiagnosticStatus]:
        try:
            return self._report()
        except Exception as error:  # a bug of ours: better said than silent
            self._node.problems.note("diagnostics", error)
            problems = [(ERROR, f"diagnostics failed: {self._node.problems.at('diagnostics')}")]
            return [_status(f"{_name(self._node)}: node", "", "", problems, {})]

    def _log(self, status: DiagnosticStatus) -> None:
        log = self._node.get_logger()
        part = status.name.partition(": ")[2]
        if status.level == OK:
            log.info(f"{part}: well again ({status.message})")
        elif status.level == WARN:
            log.warning(f"{part}: {status.message}")
        else:
            log.error(f"{part}: {status.message}")


def camera_status(stream: Stream, recent: Change) -> DiagnosticStatus:
    """Whether images arrive, whether they can be used, and what to do if not."""
    camera, trace = stream.camera, stream.trace
    period_s, change = recent.period_s, recent.counts
    problems: list[tuple[bytes, str]] = []

    silent_s = time.monotonic() - (camera.last_frame_s or camera.started_s)
    silent = silent_s > min(max(PATIENCE_S, _MISSING_FRAMES * camera.last_interval_s), _LONGEST_PATIENCE_S)
    sources = camera.sources
    mismatched = [source for source in sources if source.mismatch]
    problems += [(ERROR if silent else WARN, f"{source.node} {source.mismatch}") for source in mismatched]
    if silent and len(mismatched) == len(sources):
        problems += [] if sources else [(ERROR, _nobody_publishes(camera))]
    elif silent:
        problems.append((ERROR, f"no image for {silent_s:.1f} s from {sources[0].node} on {camera.topic}: {_WHY_SILENT}"))
    elif len(sources) > 1:
        names = " and ".join(source.node for source in sources)
        problems.append((WARN, f"{names} publish on {camera.topic}, expected one camera: remap the others"))

    if change.rejected:
        level = WARN if change.processed else ERROR
        problems.append(
            (
                level,
                f"{change.rejected} images rejected in {period_s:.0f} s, the last one: {trace.rejection}",
            )
        )
    if change.undecodable:
        text = f"{change.undecodable} video packets in {period_s:.0f} s show nothing: {_WHY_UNDECODABLE}"
        problems.append((WARN, text))
    if change.damaged:
        text = f"{change.damaged} damaged JPEGs used in {period_s:.0f} s, the last one: {camera.last_damage}: {_WHY_DAMAGED}"
        problems.append((WARN, text))
    if change.expired:
        level = WARN if change.processed else ERROR
        problems.append(
            (
                level,
                f"{change.expired} images in {period_s:.0f} s older than max_frame_age{_age(trace)}: {_WHY_OLD}",
            )
        )
    elif trace.age_s is not None and abs(trace.age_s) > _STALE_AGE_S and not silent:
        problems.append((WARN, f"images are stale{_age(trace)}: {_WHY_OLD}"))
    if change.lost > _NOTABLE_LOSS * (change.lost + change.followed):
        share = change.lost / (change.lost + change.followed)
        problems.append((WARN, f"{share:.0%} of the images did not reach the node: {_WHY_LOST}"))

    if trace.frame_id == "":
        problems.append((WARN, _NO_FRAME_ID))
    elif trace.frame_id is not None and trace.frame_id.startswith("/"):
        problems.append((WARN, f"the images have the frame_id {cut(trace.frame_id)!r}: {_LEADING_SLASH}"))

    sensor = stream.depth_camera
    if sensor is not None and sensor.problem:
        problems.append((WARN, f"measured depth on {sensor.topic} is not used: {sensor.problem}"))
    elif sensor is not None and sensor.doubt:
        problems.append((WARN, f"measured depth on {sensor.topic} does not lie on the image: {sensor.doubt}"))

    laser, scale = stream.laser, trace.scale
    if laser is not None and laser.problem:
        problems.append((WARN, f"the laser on {laser.topic} is not used: {laser.problem}"))
    elif trace.unscaled:
        problems.append((WARN, f"depth keeps its scale: {trace.unscaled}"))

    rate_hz = change.received / period_s if period_s else 0.0
    width, height = camera.image_size or (0, 0)
    values = {"topic": camera.topic, "image size": f"{width}x{height}", "images per second": f"{rate_hz:.1f}"}
    if sensor is not None:
        values |= {
            "depth topic": sensor.topic,
            "depth images received": sensor.received,
            "depth registered here": "yes" if sensor.is_registered_here else "no",
        }
    if scale is not None:
        values |= {"depth scale": f"{scale.factor:.3f}", "depth scale, relative std": f"{scale.relative_std:.3f}"}
    values |= {f"frames {name}": value for name, value in dataclasses.asdict(stream.counts).items()}
    message = f"{rate_hz:.1f} images per second" if camera.last_frame_s else "waiting for the first image"
    return _status(f"{stream.label}: camera", camera.topic, message, problems, values)


def calibration_status(stream: Stream) -> DiagnosticStatus:
    """Whether depth can be scaled to the camera's lens."""
    camera = stream.camera
    problems = [(WARN, f"camera_info: {source.node} {source.mismatch}") for source in camera.info_sources if source.mismatch]
    if unreadable := stream.problems.at(camera.info_topic):
        problems.append((WARN, f"bad camera_info on {camera.info_topic}: {unreadable}"))
    values = {"topic": camera.info_topic}
    try:
        calibration = camera.calibration()
        if calibration is None:
            if time.monotonic() - camera.started_s > PATIENCE_S and not unreadable:
                problems.append((WARN, f"{_no_camera_info(camera)}. {_UNCALIBRATED}"))
        else:
            intrinsics = calibration.intrinsics
            values |= {name: f"{getattr(intrinsics, name):.1f}" for name in ("fx", "fy", "cx", "cy")}
            values["rectified here"] = "no" if calibration.rectify is None else "yes"
            if stream.trace.frame_id and camera.info_frame_id and stream.trace.frame_id != camera.info_frame_id:
                problems.append((WARN, _other_camera(stream.trace.frame_id, camera)))
            if calibration.warning:
                problems.append((WARN, f"camera_info on {camera.info_topic}: {calibration.warning}"))
    except ValueError as error:
        problems.append((WARN, f"bad camera_info on {camera.info_topic}: {error}. {_UNCALIBRATED}"))
    return _status(
        f"{stream.label}: calibration",
        camera.info_topic,
        "calibrated" if "fx" in values else "waiting",
        problems,
        values,
    )


def outputs_status(stream: Stream, tasks: tuple[str, ...], engine: Any) -> DiagnosticStatus:
    """Whether what is read can be published. ``tasks`` are those that may run."""
    problems: list[tuple[bytes, str]] = []
    for topic, lacking in stream.outputs.unserved(tasks).items():
        why = "which the parameter tasks leaves out" if set(lacking) <= set(engine.tasks) else _no_such_task(engine)
        problems.append((WARN, f"nothing is published on {topic}, which is read: it needs {', '.join(lacking)}, {why}"))
    problems += [(WARN, f"nothing is published on {topic}: {why}") for topic, why in stream.outputs.untold().items()]
    problems += [(WARN, text) for text in stream.outputs.deaf_readers()]
    if stream.trace.unpublished:
        problems.append((ERROR, f"{stream.trace.unpublished}: {_UNPUBLISHED}"))
    if stream.trace.unplaced:
        problems.append((WARN, f"{stream.trace.unplaced}: {_UNPLACED}"))
    return _status(f"{stream.label}: outputs", "", "published as read", problems, {})


def model_status(node: GuardedNode, engine: Any, activity: str, streams: Sequence[Stream], recent: Sequence[Change]) -> DiagnosticStatus:
    """Returns the status of the network: backend, device and failures. ``activity`` is a word or two: active, inactive, paused."""
    problems: list[tuple[bytes, str]] = []
    for stream, change in zip(streams, recent):
        if failed := change.counts.failed:
            frames = f"{failed} frames of {stream.name}" if stream.name else f"{failed} frames"
            text = f"the network failed on {frames} in {change.period_s:.0f} s, at last with {stream.trace.failure}"
            problems.append((ERROR, text))
    trace = max((stream.trace for stream in streams), key=lambda trace: trace.finished_s)
    message = f"{activity}, {cut(engine.card.name)} on {engine.device} in {engine.precision}"
    if engine.notes:
        message += f" ({'; '.join(engine.notes)})"
    values = {
        "model": cut(engine.card.name),
        "device": engine.device,
        "precision": engine.precision,
        "tasks": ", ".join(engine.tasks),
    }
    values |= {"tasks of the last frame": ", ".join(trace.tasks) or "none: nobody subscribes"}
    values |= {f"{stage} ms": f"{1e3 * duration_s:.2f}" for stage, duration_s in trace.stage_s.items()}
    return _status(f"{_name(node)}: model", engine.card.name, message, problems, values)


def node_status(node: GuardedNode, streams: Sequence[Stream]) -> DiagnosticStatus:
    """Returns the status of the node as a whole: its surroundings, and what came in that it could not make anything of."""
    problems = [(WARN, text) for text in surroundings(node)]
    named = [stream.camera.info_topic for stream in streams if stream.camera is not None]  # by the calibration's status
    problems += [(WARN, f"{where}: {text}") for where, text in node.problems.elsewhere(named).items()]
    return _status(f"{_name(node)}: node", "", "no problem", problems, {})


def unconfigured_status(node: GuardedNode, reason: str) -> DiagnosticStatus:
    """The node has no model. ``reason`` is why configuring failed, or empty if nobody tried."""
    problems = [(ERROR, f"configure failed: {reason}")] if reason else []
    return _status(f"{_name(node)}: model", "", "unconfigured", problems, {})


_WHY_SILENT = "the camera stopped, or its messages do not get through; check it with ros2 topic hz"
_WHY_OLD = "the camera is late, or its clock differs from this machine's (playing a bag? set use_sim_time)"
_WHY_LOST = (
    "they got lost on their way (start the camera with this package's Fast DDS profile, config/fastdds.xml, or set input.reliability to "
    "reliable), or newer ones replaced them while the machine was too busy to take them"
)
_WHY_UNDECODABLE = (
    "the stream was joined in the middle or packets got lost, and pictures come again with the next key frame; let the encoder send more of "
    "them (its GOP size), or set input.reliability to reliable; if none come, the packets are no video of the codec that they name, or of "
    "theora whose headers were missed: its publisher sends them once, at its start, so start it after this node"
)
_WHY_DAMAGED = (
    "parts of them are wrong, and so is what is found there; mend the camera or its way here, or set input.corrupt_jpeg to reject"
)
_NO_FRAME_ID = (
    "the images have an empty frame_id, so nothing can be placed in space: set it in the camera's driver to the camera's optical frame"
)
_LEADING_SLASH = (
    "names of TF frames have no leading slash, so readers of the outputs will not find it; take the slash away in the camera's driver"
)
_UNPUBLISHED = (
    "3D boxes, tracks and points are not published; publish this transform, or leave output_frame empty for the camera's own frame"
)
_UNPLACED = (
    "tracks and 3D boxes do not know how the camera stands and moves; publish this transform, set fixed_frame to a "
    "frame that stands still with z up (for an arm its base), or leave it empty if the camera stands still"
)
_UNCALIBRATED = "Until then depth is not scaled to this lens and depth/camera_info is not published"


def _nobody_publishes(camera: Camera) -> str:
    text = f"nobody publishes {camera.topic}: start the camera, or remap the topic"
    others = camera.other_image_topics()
    return text + (f" (images are published on {', '.join(others[:4])})" if others else "")


def _no_camera_info(camera: Camera) -> str:
    silent = [source.node for source in camera.info_sources if not source.mismatch]
    if silent:
        return f"no camera_info on {camera.info_topic} yet, though {silent[0]} is there: publish it with every image, or transient local"
    text = f"no camera_info on {camera.info_topic}: publish it, or remap ~/camera_info"
    others = camera.other_info_topics()
    return text + (f" (it is published on {', '.join(others[:4])})" if others else "")


def _other_camera(frame_id: str, camera: Camera) -> str:
    return (
        f"camera_info on {camera.info_topic} has the frame_id {cut(camera.info_frame_id)!r} and the images {cut(frame_id)!r}, "
        "expected one: is it of another camera? Remap it, or set both in the driver"
    )


def _no_such_task(engine: Any) -> str:
    return f"and the model {cut(engine.card.name)} has only {', '.join(engine.tasks)}"


def _name(node: GuardedNode) -> str:
    return node.get_fully_qualified_name().lstrip("/")


def _age(trace: Trace) -> str:
    if trace.age_s is None:
        return ""
    return f" ({trace.age_s:.1f} s old)" if trace.age_s > 0 else f" (stamped {-trace.age_s:.1f} s in the future)"


def _status(name: str, hardware_id: str, message: str, problems: list[tuple[bytes, str]], values: dict[str, Any]) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=max((level for level, _ in problems), default=OK),
        name=name,
        message=cut("; ".join(text for _, text in problems) or message, _LONGEST_MESSAGE),
        hardware_id=cut(hardware_id),
        values=[KeyValue(key=key, value=cut(value, _LONGEST_VALUE)) for key, value in values.items()],
    )

# SPDX-License-Identifier: Apache-2.0
"""``/diagnostics``: what is wrong, in words that say what to do."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from mtl_perception.ros.camera import Camera
from mtl_perception.ros.frames import FrameCounts
from mtl_perception.ros.pipeline import Trace

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

PERIOD_S = 0.5
"""Twice a second: with a second of patience, a camera that stops is named within two."""

PATIENCE_S = 1.0
_MISSING_FRAMES, _LONGEST_PATIENCE_S = 3, 10.0  # for a camera that is slower than once a second
_WINDOW_S = 5.0
_STALE_AGE_S = 1.0
_NOTABLE_LOSS = 0.05


@dataclass(frozen=True)
class Change:
    """By how much the counts went up in ``period_s`` seconds."""

    period_s: float
    counts: FrameCounts


class Recent:
    """How the counts changed over the last five seconds, so that a problem shows long enough to be read."""

    def __init__(self) -> None:
        self._snapshots: deque[tuple[float, FrameCounts]] = deque()

    def change(self, counts: FrameCounts) -> Change:
        """The change since the oldest snapshot of the window; takes the next snapshot."""
        now_s = time.monotonic()
        self._snapshots.append((now_s, dataclasses.replace(counts)))
        while now_s - self._snapshots[0][0] > _WINDOW_S:
            self._snapshots.popleft()
        then_s, before = self._snapshots[0]
        names = (field.name for field in dataclasses.fields(FrameCounts))
        return Change(
            now_s - then_s,
            FrameCounts(**{name: getattr(counts, name) - getattr(before, name) for name in names}),
        )


class Diagnostics:
    """Publishes what ``report`` returns; a status that changes its level is logged too."""

    def __init__(self, node: Node, report: Callable[[], list[DiagnosticStatus]]) -> None:
        self._node = node
        self._report = report
        self._levels: dict[str, bytes] = {}
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # On the steady clock: simulated time stands still when something is wrong.
        node.create_timer(PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publish(self) -> None:
        array = DiagnosticArray(status=self._report())
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)
        for status in array.status:
            if self._levels.get(status.name, OK) != status.level:
                self._log(status)
            self._levels[status.name] = status.level

    def _log(self, status: DiagnosticStatus) -> None:
        log = self._node.get_logger()
        part = status.name.partition(": ")[2]
        if status.level == OK:
            log.info(f"{part}: well again ({status.message})")
        elif status.level == WARN:
            log.warning(f"{part}: {status.message}")
        else:
            log.error(f"{part}: {status.message}")


def camera_status(
    node_name: str, camera: Camera, counts: FrameCounts, recent: Change, trace: Trace
) -> DiagnosticStatus:
    """Whether images arrive, whether they can be used, and what to do if not."""
    period_s, change = recent.period_s, recent.counts
    problems: list[tuple[bytes, str]] = []

    silent_s = time.monotonic() - (camera.last_frame_s or camera.started_s)
    silent = silent_s > min(max(PATIENCE_S, _MISSING_FRAMES * camera.last_interval_s), _LONGEST_PATIENCE_S)
    sources = camera.sources()
    mismatched = [source for source in sources if source.mismatch]
    problems += [(ERROR if silent else WARN, f"{source.node} {source.mismatch}") for source in mismatched]
    if silent and len(mismatched) == len(sources):
        problems += [] if sources else [(ERROR, _nobody_publishes(camera))]
    elif silent:
        problems.append(
            (ERROR, f"no image for {silent_s:.1f} s from {sources[0].node} on {camera.topic}: {_WHY_SILENT}")
        )
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
    if change.lost > _NOTABLE_LOSS * (change.lost + change.received):
        share = change.lost / (change.lost + change.received)
        problems.append(
            (WARN, f"{share:.0%} of the images got lost on their way from the camera: {_WHY_LOST}")
        )

    rate_hz = change.received / period_s if period_s else 0.0
    width, height = camera.image_size or (0, 0)
    values = {"topic": camera.topic, "image size": f"{width}x{height}", "images per second": f"{rate_hz:.1f}"}
    values |= {f"frames {name}": value for name, value in dataclasses.asdict(counts).items()}
    message = f"{rate_hz:.1f} images per second" if camera.last_frame_s else "waiting for the first image"
    return _status(f"{node_name}: camera", camera.topic, message, problems, values)


def calibration_status(node_name: str, camera: Camera) -> DiagnosticStatus:
    """Whether depth can be scaled to the camera's lens."""
    problems: list[tuple[bytes, str]] = []
    values = {"topic": camera.info_topic}
    try:
        intrinsics = camera.intrinsics()
        if intrinsics is None:
            if time.monotonic() - camera.started_s > PATIENCE_S:
                problems.append(
                    (
                        WARN,
                        f"no camera_info on {camera.info_topic}: publish it, or remap ~/camera_info. {_UNCALIBRATED}",
                    )
                )
        else:
            values |= {name: f"{getattr(intrinsics, name):.1f}" for name in ("fx", "fy", "cx", "cy")}
    except ValueError as error:
        problems.append((WARN, f"bad camera_info on {camera.info_topic}: {error}. {_UNCALIBRATED}"))
    return _status(
        f"{node_name}: calibration",
        camera.info_topic,
        "calibrated" if "fx" in values else "waiting",
        problems,
        values,
    )


def model_status(
    node_name: str, engine: Any, activity: str, recent: Change, trace: Trace
) -> DiagnosticStatus:
    """What runs where, and whether it fails. ``activity`` is a word or two: active, inactive, paused."""
    problems: list[tuple[bytes, str]] = []
    failed = recent.counts.failed
    if failed:
        problems.append(
            (
                ERROR,
                f"the network failed on {failed} frames in {recent.period_s:.0f} s, at last with {trace.failure}",
            )
        )
    message = f"{activity}, {engine.card.name} on {engine.device} in {engine.precision}"
    if engine.notes:
        message += f" ({'; '.join(engine.notes)})"
    values = {
        "model": engine.card.name,
        "device": engine.device,
        "precision": engine.precision,
        "tasks": ", ".join(engine.tasks),
    }
    values |= {"tasks of the last frame": ", ".join(trace.tasks) or "none: nobody subscribes"}
    values |= {f"{stage} ms": f"{1e3 * duration_s:.2f}" for stage, duration_s in trace.stage_s.items()}
    return _status(f"{node_name}: model", engine.card.name, message, problems, values)


def unconfigured_status(node_name: str, reason: str) -> DiagnosticStatus:
    """The node has no model. ``reason`` is why configuring failed, or empty if nobody tried."""
    problems = [(ERROR, f"configure failed: {reason}")] if reason else []
    return _status(f"{node_name}: model", "", "unconfigured", problems, {})


_WHY_SILENT = "the camera stopped, or its messages do not get through; check it with ros2 topic hz"
_WHY_OLD = "the camera is late, or its clock differs from this machine's (playing a bag? set use_sim_time)"
_WHY_LOST = (
    "start the camera with this package's Fast DDS profile (config/fastdds.xml), "
    "or set input.reliability to reliable"
)
_UNCALIBRATED = "Until then depth is not scaled to this lens and depth/camera_info is not published"


def _nobody_publishes(camera: Camera) -> str:
    text = f"nobody publishes {camera.topic}: start the camera, or remap the topic"
    others = camera.other_image_topics()
    return text + (f" (images are published on {', '.join(others[:4])})" if others else "")


def _age(trace: Trace) -> str:
    if trace.age_s is None:
        return ""
    return (
        f" ({trace.age_s:.1f} s old)" if trace.age_s > 0 else f" (stamped {-trace.age_s:.1f} s in the future)"
    )


def _status(
    name: str, hardware_id: str, message: str, problems: list[tuple[bytes, str]], values: dict[str, Any]
) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=max((level for level, _ in problems), default=OK),
        name=name,
        message="; ".join(text for _, text in problems) or message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )

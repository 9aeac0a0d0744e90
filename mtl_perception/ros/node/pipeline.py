# SPDX-License-Identifier: Apache-2.0
"""Processes frames on the worker thread: decode, run the engine, publish."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from std_msgs.msg import Header

from mtl_perception.core.camera_info import Calibration
from mtl_perception.core.foreign_text import cut
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.scene import Scene
from mtl_perception.core.transforms import TransformBuffer
from mtl_perception.msg import PerceptionStatus, StageTime
from mtl_perception.ros.node.frames import Frame, Stopwatch
from mtl_perception.ros.node.parameters import Parameters
from mtl_perception.ros.node.stream import Stream
from mtl_perception.ros.outputs.writer import Writer, wanted_tasks
from mtl_perception.ros.transforms import Place

_LOG_EVERY_S = 5.0
_LONGEST = 1000  # characters of an error
_SCALE_TASKS = {"floor": "segmentation", "sizes": "detection"}
"""Value of ``depth.scale`` → the task beside depth that it needs."""


@dataclass(frozen=True)
class _Job:
    """A frame, and the writers to fill from it; decoded only if there are ``tasks`` to run."""

    stream: Stream
    watch: Stopwatch
    header: Header
    writers: list[Writer]
    tasks: tuple[str, ...]
    image_rgb: np.ndarray | None = None
    intrinsics: Intrinsics | None = None


class Pipeline:
    """Processes frames and publishes their results. A frame that fails is noted for diagnostics and affects no other."""

    def __init__(self, node: Node, parameters: Parameters, engine: Any, transforms: TransformBuffer) -> None:
        self._clock = node.get_clock()
        self._log = node.get_logger()
        self._parameters = parameters
        self._engine = engine
        self._transforms = transforms

    def process(self, frames: Sequence[tuple[Stream, Frame]]) -> None:
        """Process frames of different cameras; each message is published as soon as it is filled."""
        jobs = [job for stream, frame in frames if (job := self._prepare(stream, frame)) is not None]
        wanted = [job for job in jobs if job.tasks]
        if wanted:
            self._run(wanted)
        for job in jobs:
            if not job.tasks:
                job.stream.counts.unneeded += 1
                job.stream.trace.unpublished = job.stream.trace.unplaced = ""
                self._finish(job)

    def _prepare(self, stream: Stream, frame: Frame) -> _Job | None:
        try:
            return self._decode(stream, frame)
        except ConversionError as error:
            stream.counts.rejected += 1
            stream.trace.rejection = cut(error, _LONGEST)
            self._log.warning(f"{stream.label}: frame dropped: {stream.trace.rejection}", throttle_duration_sec=_LOG_EVERY_S)
        except Exception as error:
            self._note_failure(stream, error)
        return None

    def _decode(self, stream: Stream, frame: Frame) -> _Job | None:
        watch = Stopwatch(frame.received_s)
        watch.lap("wait")
        message = stream.camera.read(frame)
        age_s = stream.age.measure_s(message.stamp.nanoseconds, self._clock.now().nanoseconds)
        stream.trace.age_s, stream.trace.frame_id = age_s, message.frame_id
        if age_s is not None and 0 < self._parameters["max_frame_age"] < age_s:
            stream.counts.expired += 1
            return None
        stamp = Time(sec=message.stamp.sec, nanosec=message.stamp.nanosec)
        header = Header(stamp=stamp, frame_id=message.frame_id)
        writers = stream.outputs.read()
        tasks = self._wanted_tasks(stream, writers)
        if not tasks:
            return _Job(stream, watch, header, writers, tasks)
        for sensor in (stream.depth_camera, stream.laser):
            if sensor is not None:
                sensor.hold(message.stamp.nanoseconds)
        image_rgb = stream.camera.decode(message)
        calibration = self._calibration(stream)
        if calibration is not None and calibration.rectify is not None:
            image_rgb = calibration.rectify(image_rgb)
        watch.lap("decode")
        return _Job(stream, watch, header, writers, tasks, image_rgb, calibration and calibration.intrinsics)

    def _wanted_tasks(self, stream: Stream, writers: list[Writer]) -> tuple[str, ...]:
        enabled = self._parameters.tasks
        tasks = wanted_tasks(writers, enabled)
        helper = _SCALE_TASKS.get(stream.parameters["depth.scale"])
        if "depth" in tasks and helper is not None:
            return tuple(task for task in enabled if task in (*tasks, helper))
        return tasks

    def _run(self, jobs: Sequence[_Job]) -> None:
        self._engine.score_threshold = min(job.stream.outputs.least_score for job in jobs)
        try:
            scenes = self._engine.batch([job.image_rgb for job in jobs], [job.intrinsics for job in jobs], [job.tasks for job in jobs])
        except Exception as error:  # whatever the network raises must cost one frame, not the node
            if len(jobs) == 1:
                self._note_failure(jobs[0].stream, error)
                return
            for job in jobs:  # nor the other frames of the batch
                self._run([job])
            return
        for job, scene in zip(jobs, scenes):
            try:
                self._publish(job, scene)
            except Exception as error:
                self._note_failure(job.stream, error)

    def _publish(self, job: _Job, scene: Scene) -> None:
        stream, watch = job.stream, job.watch
        watch.take_over(scene.stage_s)
        place = Place(job.header, self._parameters, self._transforms)
        result = stream.outputs.frame(
            job.header, scene, job.image_rgb, job.intrinsics, place, self._measured_m(job, place), self._points_m(job, place)
        )
        for publisher, output in stream.outputs.fill(result, job.writers):
            watch.lap("fill")
            publisher.publish(output)  # sent while the next one is filled
            watch.lap("publish")
        stream.counts.processed += 1
        stream.trace.unpublished, stream.trace.unplaced = place.unpublished, place.unplaced
        scale = stream.trace.scale = result.frame.scale
        stream.trace.unscaled = "" if scale is None else scale.evidence.problem or ""
        if stream.trace.unscaled and stream.parameters["depth.scale"] == "floor":
            stream.trace.unscaled = place.ungrounded or stream.trace.unscaled
        self._finish(job)

    def _measured_m(self, job: _Job, place: Place) -> np.ndarray | None:
        sensor, stamp = job.stream.depth_camera, job.header.stamp
        if sensor is None or "depth" not in job.tasks:
            return None
        measured_m = sensor.at(stamp.sec * 1_000_000_000 + stamp.nanosec, place, job.image_rgb, job.intrinsics)
        job.watch.lap("measured depth")
        return measured_m

    def _points_m(self, job: _Job, place: Place) -> np.ndarray | None:
        laser, stamp = job.stream.laser, job.header.stamp
        if laser is None or "depth" not in job.tasks:
            return None
        return laser.points_at(stamp.sec * 1_000_000_000 + stamp.nanosec, place)

    def _finish(self, job: _Job) -> None:
        trace = job.stream.trace
        trace.tasks, trace.stage_s, trace.finished_s = job.tasks, job.watch.stage_s, time.monotonic()
        if job.stream.outputs.status_is_read:
            job.stream.outputs.publish_status(self._status(job))

    def _note_failure(self, stream: Stream, error: Exception) -> None:
        stream.counts.failed += 1
        stream.trace.failure = cut(f"{type(error).__name__}: {error}", _LONGEST)
        self._log.error(f"{stream.label}: frame failed: {stream.trace.failure}", throttle_duration_sec=_LOG_EVERY_S)

    def _calibration(self, stream: Stream) -> Calibration | None:
        try:
            return stream.camera.calibration()
        except ValueError as error:
            self._log.warning(f"{stream.label}: depth is not calibrated: {cut(error, _LONGEST)}", throttle_duration_sec=_LOG_EVERY_S)
            return None

    def _status(self, job: _Job) -> PerceptionStatus:
        counts, stamp = job.stream.counts, job.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        return PerceptionStatus(
            header=job.header,
            model=cut(self._engine.card.name),
            device=self._engine.device,
            precision=self._engine.precision,
            tasks=list(job.tasks),
            frames_received=counts.received,
            frames_processed=counts.processed,
            frames_dropped=counts.dropped,
            frames_rejected=counts.rejected,
            frames_expired=counts.expired,
            frame_age_s=(self._clock.now().nanoseconds - stamp_ns) * 1e-9,
            stages=[StageTime(name=name, duration_s=duration_s) for name, duration_s in job.watch.stage_s.items()],
        )

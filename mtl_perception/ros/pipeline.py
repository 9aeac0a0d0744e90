# SPDX-License-Identifier: Apache-2.0
"""What happens to one frame: decode, engine, publish."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.node import Node
from std_msgs.msg import Header

from mtl_perception.geometry import Intrinsics
from mtl_perception.msg import PerceptionStatus, StageTime
from mtl_perception.ros.camera import Camera
from mtl_perception.ros.cdr import Stamp
from mtl_perception.ros.conversions import ConversionError
from mtl_perception.ros.frames import Frame, FrameAge, FrameCounts, Stopwatch
from mtl_perception.ros.outputs import Outputs, Result
from mtl_perception.ros.parameters import Parameters

_LOG_EVERY_S = 5.0


@dataclass
class Trace:
    """What diagnostics tell of the frames processed last."""

    tasks: tuple[str, ...] = ()
    age_s: float | None = None
    stage_s: dict[str, float] = field(default_factory=dict)
    rejection: str = ""
    failure: str = ""


class Pipeline:
    """Turns frames into published scenes, on the worker thread. A bad frame ends with its reason noted."""

    def __init__(
        self,
        node: Node,
        parameters: Parameters,
        engine: Any,
        camera: Camera,
        outputs: Outputs,
        counts: FrameCounts,
        trace: Trace,
    ) -> None:
        self._clock = node.get_clock()
        self._log = node.get_logger()
        self._parameters = parameters
        self._engine = engine
        self._camera = camera
        self._outputs = outputs
        self._counts = counts
        self._age = FrameAge()
        self._trace = trace

    def process(self, frame: Frame) -> None:
        try:
            self._process(frame)
        except ConversionError as error:
            self._counts.rejected += 1
            self._trace.rejection = str(error)
            self._log.warning(f"frame dropped: {error}", throttle_duration_sec=_LOG_EVERY_S)
        except Exception as error:  # whatever the network raises costs one frame, not the node
            self._counts.failed += 1
            self._trace.failure = f"{type(error).__name__}: {error}"
            self._log.error(f"frame failed: {self._trace.failure}", throttle_duration_sec=_LOG_EVERY_S)

    def _process(self, frame: Frame) -> None:
        watch = Stopwatch(frame.received_s)
        watch.lap("wait")
        message = self._camera.read(frame)
        age_s = self._age.measure_s(message.stamp.nanoseconds, self._clock.now().nanoseconds)
        self._trace.age_s = age_s
        if age_s is not None and 0 < self._parameters["max_frame_age"] < age_s:
            self._counts.expired += 1
            return
        header = Header(
            stamp=Time(sec=message.stamp.sec, nanosec=message.stamp.nanosec), frame_id=message.frame_id
        )
        tasks = self._outputs.wanted_tasks(self._parameters.tasks)
        if tasks:
            image_rgb = self._camera.decode(message)
            watch.lap("decode")
            intrinsics = self._intrinsics()
            self._engine.score_threshold = self._parameters["score_threshold"]
            scene = self._engine(image_rgb, intrinsics, tasks)
            watch.take_over(scene.stage_s)
            for publisher, output in self._outputs.fill(Result(header, image_rgb, intrinsics, scene)):
                watch.lap("fill")
                publisher.publish(output)  # on its way while the next one is filled
                watch.lap("publish")
            self._counts.processed += 1
        else:
            self._counts.unneeded += 1
        self._trace.tasks, self._trace.stage_s = tasks, watch.stage_s
        if self._outputs.status_is_read:
            self._outputs.publish_status(self._status(header, message.stamp))

    def _intrinsics(self) -> Intrinsics | None:
        try:
            return self._camera.intrinsics()
        except ValueError as error:
            self._log.warning(f"depth is not calibrated: {error}", throttle_duration_sec=_LOG_EVERY_S)
            return None

    def _status(self, header: Header, stamp: Stamp) -> PerceptionStatus:
        counts = self._counts
        return PerceptionStatus(
            header=header,
            model=self._engine.card.name,
            device=self._engine.device,
            precision=self._engine.precision,
            tasks=list(self._trace.tasks),
            frames_received=counts.received,
            frames_processed=counts.processed,
            frames_dropped=counts.dropped,
            frames_rejected=counts.rejected,
            frames_expired=counts.expired,
            frame_age_s=(self._clock.now().nanoseconds - stamp.nanoseconds) * 1e-9,
            stages=[
                StageTime(name=name, duration_s=duration_s)
                for name, duration_s in self._trace.stage_s.items()
            ],
        )

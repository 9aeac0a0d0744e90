# SPDX-License-Identifier: Apache-2.0
"""The managed node ``perception``: one model for one or several cameras."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool

from mtl_perception.core.foreign_text import cut
from mtl_perception.ros.diagnostics import (
    Diagnostics,
    calibration_status,
    camera_status,
    model_status,
    node_status,
    outputs_status,
    unconfigured_status,
)
from mtl_perception.ros.guard import GuardedNode
from mtl_perception.ros.node.frames import NewestFrames
from mtl_perception.ros.node.memory import GrowthLimit
from mtl_perception.ros.node.parameters import Parameters
from mtl_perception.ros.node.pipeline import Pipeline
from mtl_perception.ros.node.stream import Stream
from mtl_perception.ros.transforms import TransformListener

LoadEngine = Callable[[Parameters], Any]
"""Builds the engine from the parameters ``model``, ``device``, ``precision``, ``backend`` and ``compile``."""

_WARM_UP_SIZE = (480, 640)
"""Height and width, pixels; any will do, as the engine letterboxes images to its input size."""
_LONGEST_ERROR = 1000

RCLError = rclpy_implementation.RCLError
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class PerceptionNode(GuardedNode, LifecycleNode):
    """The lifecycle node. Unconfigured it has parameters and diagnostics; inactive also the model and publishers; active also
    subscriptions and the worker thread.
    """

    def __init__(self, load_engine: LoadEngine, growth_limit: GrowthLimit | None = None, **node_options: Any) -> None:
        """``growth_limit`` is set while the node is configured; None to leave the process's memory alone."""
        super().__init__("perception", **node_options)
        self._growth_limit = growth_limit
        self.parameters = Parameters(self)
        self._load_engine = load_engine
        self._engine: Any = None
        self._streams: dict[str, Stream] = {}  # by the camera's name, which is empty for the only one
        self._transforms: TransformListener | None = None
        self._waiting: NewestFrames | None = None
        self._worker: threading.Thread | None = None
        self._enabled = True
        self.configure_error = ""
        self.is_finalized = False
        change_state = self._service_change_state
        change_state.callback = partial(self._refuse_impossible_transition, change_state.callback)
        Diagnostics(self, self._report)
        self.create_service(SetBool, "~/enable", self._on_enable)
        self.guard_services()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.configure_error = ""
        try:
            self._configure()
        except Exception as error:  # rclpy would swallow it
            self._free()
            self.configure_error = cut(error, _LONGEST_ERROR)
            self.get_logger().error(f"configure failed: {self.configure_error}")
            return FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_activate(state)
        for stream in self._streams.values():
            stream.outputs.publish_labels()
        self._start()
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._free()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition raised: back to unconfigured, with everything freed."""
        self._stop()
        self._free()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        self._free()
        self.is_finalized = True
        return SUCCESS

    def _configure(self) -> None:
        parameters, log = self.parameters, self.get_logger()
        if self._growth_limit is not None:
            self._growth_limit.lift()
        self._engine = engine = self._load_engine(parameters)
        parameters.model_tasks = tuple(engine.tasks)
        parameters.detection_labels = tuple(engine.card.detection_labels)
        reason = parameters.check_tasks(parameters["tasks"]) or parameters.check_selection()
        if reason:
            raise ValueError(reason)
        engine.warm_up(*_WARM_UP_SIZE)
        for name in parameters["cameras"] or [""]:
            self._streams[name] = stream = Stream(self, name, parameters, engine.card)
        stream.outputs.warm_up()
        self._transforms = TransformListener(self, self.problems.note)
        log.info(f"{cut(engine.card.name)} on {engine.device} in {engine.precision}, tasks {', '.join(engine.tasks)}")
        for note in engine.notes:
            log.info(note)
        if self._growth_limit is not None:
            self._growth_limit.set(parameters["memory_headroom"])

    def _start(self) -> None:
        pipeline = Pipeline(self, self.parameters, self._engine, self._transforms.buffer)
        self._waiting = NewestFrames()
        for stream in self._streams.values():
            stream.start(self._waiting)
        self._worker = threading.Thread(target=self._work, args=(self._waiting, pipeline), name="perception worker")
        self._worker.start()

    def _work(self, waiting: NewestFrames, pipeline: Pipeline) -> None:
        while frames := waiting.take(self._engine.batch_size):
            if self._enabled:
                try:
                    pipeline.process([(self._streams[name], frame) for name, frame in frames])
                except Exception as error:  # without the worker the node would never publish again
                    self.problems.note("worker", error)

    def _stop(self) -> None:
        if self._worker is None:
            return
        for stream in self._streams.values():
            stream.stop()
        self._waiting.close()
        self._worker.join()
        self._waiting = self._worker = None

    def _free(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams = {}
        if self._transforms is not None:
            self._transforms.close()
        if self._engine is not None:
            self._engine.close()
        self._transforms = self._engine = self.parameters.model_tasks = self.parameters.detection_labels = None

    def _refuse_impossible_transition(
        self, change_state: Callable, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        """rclpy raises on a transition that the present state does not have, which would end the process: refuse it instead."""
        try:
            return change_state(request, response)
        except RCLError as error:
            wanted = cut(request.transition.label or request.transition.id)
            self.get_logger().warning(f"transition {wanted} refused, it is not possible in this state: {cut(error, 300)}")
            response.success = False
            return response

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        response.success = True
        response.message = "perception runs" if request.data else "perception is paused: images are ignored"
        return response

    def _report(self) -> list[DiagnosticStatus]:
        streams = list(self._streams.values())
        if self._engine is None:
            return [unconfigured_status(self, self.configure_error), node_status(self, streams)]
        is_active = self._worker is not None
        activity = "inactive" if not is_active else "active" if self._enabled else "paused by ~/enable"
        recent = [stream.recent.change(stream.counts) for stream in streams]
        statuses = [model_status(self, self._engine, activity, streams, recent), node_status(self, streams)]
        for stream, change in zip(streams, recent) if is_active else ():
            stream.update_publishers()
            statuses += [
                camera_status(stream, change),
                calibration_status(stream),
                outputs_status(stream, self.parameters.tasks, self._engine),
            ]
        return statuses

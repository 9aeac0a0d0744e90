# SPDX-License-Identifier: Apache-2.0
"""The managed node ``perception``: one camera, one model."""

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

from mtl_perception.ros.camera import Camera
from mtl_perception.ros.diagnostics import (
    Diagnostics,
    Recent,
    calibration_status,
    camera_status,
    model_status,
    unconfigured_status,
)
from mtl_perception.ros.frames import FrameCounts
from mtl_perception.ros.outputs import Outputs
from mtl_perception.ros.parameters import Parameters
from mtl_perception.ros.pipeline import Pipeline, Trace

LoadEngine = Callable[[str, str, str], Any]
"""(model, device, precision), as the parameters say them, to an engine."""

_WARM_UP_SIZE = (480, 640)
"""Height and width; the engine fits images of any size into its own."""

RCLError = rclpy_implementation.RCLError
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class PerceptionNode(LifecycleNode):
    """Unconfigured it holds parameters and diagnostics; inactive also the model and its publishers; active also
    the subscriptions and the worker thread.
    """

    def __init__(self, load_engine: LoadEngine, **node_options: Any) -> None:
        super().__init__("perception", **node_options)
        self.parameters = Parameters(self)
        self._load_engine = load_engine
        self._engine: Any = None
        self._outputs: Outputs | None = None
        self._camera: Camera | None = None
        self._worker: threading.Thread | None = None
        self._enabled = True
        self._counts, self._recent, self._trace = FrameCounts(), Recent(), Trace()
        self.configure_error = ""
        self.is_finalized = False
        change_state = self._service_change_state
        change_state.callback = partial(self._refuse_the_impossible, change_state.callback)
        Diagnostics(self, self._report)
        self.create_service(SetBool, "~/enable", self._on_enable)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.configure_error = ""
        try:
            self._configure()
        except Exception as error:  # rclpy would swallow it
            self._free()
            self.configure_error = str(error)
            self.get_logger().error(f"configure failed: {error}")
            return FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_activate(state)
        self._outputs.publish_labels()
        self._start()
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._free()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop()
        self._free()
        self.is_finalized = True
        return SUCCESS

    def _configure(self) -> None:
        parameters, log = self.parameters, self.get_logger()
        self._engine = engine = self._load_engine(
            parameters["model"], parameters["device"], parameters["precision"]
        )
        parameters.model_tasks = tuple(engine.tasks)
        reason = parameters.check_tasks(parameters["tasks"])
        if reason:
            raise ValueError(reason)
        engine.warm_up(*_WARM_UP_SIZE)
        self._counts, self._recent, self._trace = FrameCounts(), Recent(), Trace()
        self._outputs = Outputs(self, parameters, engine.card)
        log.info(
            f"{engine.card.name} on {engine.device} in {engine.precision}, tasks {', '.join(engine.tasks)}"
        )
        for note in engine.notes:
            log.info(note)

    def _start(self) -> None:
        self._camera = Camera(self, self.parameters, self._counts)
        pipeline = Pipeline(
            self, self.parameters, self._engine, self._camera, self._outputs, self._counts, self._trace
        )
        self._worker = threading.Thread(
            target=self._work, args=(self._camera, pipeline), name="perception worker"
        )
        self._worker.start()

    def _work(self, camera: Camera, pipeline: Pipeline) -> None:
        while (frame := camera.newest.take()) is not None:
            if self._enabled:
                pipeline.process(frame)

    def _stop(self) -> None:
        if self._camera is None:
            return
        self._camera.close()
        self._worker.join()
        self._camera = self._worker = None

    def _free(self) -> None:
        if self._outputs is not None:
            self._outputs.close()
        if self._engine is not None:
            self._engine.close()
        self._outputs = self._engine = self.parameters.model_tasks = None

    def _refuse_the_impossible(
        self, change_state: Callable, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        """A transition that the present state does not have raises in rclpy, and would end the process."""
        try:
            return change_state(request, response)
        except RCLError as error:
            wanted = request.transition.label or request.transition.id
            self.get_logger().warning(
                f"transition {wanted} refused, it is not possible in this state: {error}"
            )
            response.success = False
            return response

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        response.success = True
        response.message = "perception runs" if request.data else "perception is paused: images are ignored"
        return response

    def _report(self) -> list[DiagnosticStatus]:
        name = self.get_fully_qualified_name().lstrip("/")
        if self._engine is None:
            return [unconfigured_status(name, self.configure_error)]
        recent = self._recent.change(self._counts)
        if self._camera is None:
            return [model_status(name, self._engine, "inactive", recent, self._trace)]
        activity = "active" if self._enabled else "paused by ~/enable"
        return [
            model_status(name, self._engine, activity, recent, self._trace),
            camera_status(name, self._camera, self._counts, recent, self._trace),
            calibration_status(name, self._camera),
        ]

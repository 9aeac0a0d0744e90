# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: declared with their range and meaning, checked as they are set."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

ALL_TASKS = "all"


@dataclass(frozen=True)
class Spec:
    """One parameter. Only those with ``at_run_time`` can change once the node has started."""

    name: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    at_run_time: bool = False

    def descriptor(self) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(description=self.description, read_only=not self.at_run_time)
        if self.choices:
            descriptor.additional_constraints = "one of " + ", ".join(self.choices)
        if isinstance(self.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=self.low, to_value=self.high)]
        elif isinstance(self.default, int) and not isinstance(self.default, bool):
            descriptor.integer_range = [IntegerRange(from_value=self.low, to_value=self.high, step=1)]
        return descriptor


SPECS = (
    Spec("model", "lite", "name of a shipped model, or path of a checkpoint (.safetensors)"),
    Spec("device", "auto", "where the network runs: auto, cpu, cuda, cuda:0, ..."),
    Spec(
        "precision",
        "auto",
        "number format of the network",
        choices=("auto", "float32", "float16", "bfloat16"),
    ),
    Spec("cameras", [], "names of several cameras, each with topics under ~/<name>/; empty for one on ~/image"),
    Spec(
        "transport", "raw", "subscribe to ~/image (raw) or ~/image/compressed", choices=("raw", "compressed")
    ),
    Spec("rectified", False, "the image is rectified: use P of camera_info instead of K"),
    Spec("rectify", False, "correct the lens's distortion as camera_info says; outputs then fit the corrected image"),
    Spec(
        "input.reliability",
        "best_effort",
        "QoS of image and camera_info",
        choices=("best_effort", "reliable"),
    ),
    Spec("input.depth", 1, "QoS history depth of image and camera_info, in messages", low=1, high=100),
    Spec("output.reliability", "reliable", "QoS of the outputs", choices=("best_effort", "reliable")),
    Spec("output.depth", 1, "QoS history depth of the outputs, in messages", low=1, high=100),
    Spec(
        "depth.encoding",
        "32FC1",
        "metres as float, NaN invalid; or millimetres as integer, 0 invalid",
        choices=("32FC1", "16UC1"),
    ),
    Spec("stride", 1, "mask, confidence and points hold every so-manieth pixel of a row and column", low=1, high=64),
    Spec("points.max_range", 0.0, "metres from the camera beyond which points are NaN; 0 for no limit", low=0.0, high=1000.0),
    Spec("points.min_confidence", 0.0, "points of pixels whose class is less probable are NaN", low=0.0, high=1.0),
    Spec(
        "points.max_uncertainty",
        0.0,
        "points whose depth has a larger relative standard deviation are NaN; 0 for no limit",
        low=0.0,
        high=10.0,
    ),
    Spec("points.remove_classes", [], "segmentation classes without points, such as floor"),
    Spec("detections_3d.flat_classes", ["door", "window"], "things without depth of their own; 3D boxes leave them as they look"),
    Spec("output_frame", "", "frame of 3D boxes, tracks and points, such as base_link; empty for the camera's"),
    Spec("fixed_frame", "odom", "frame that stands still, with z up: what tracks move in; empty if the camera does"),
    Spec("transform_timeout", 0.1, "seconds to wait for the transform of an image's stamp", low=0.0, high=5.0),
    Spec("tracking.enabled", False, "follow things over time: ids in detections, and ~/tracks"),
    Spec(
        "tracking.low_score",
        0.1,
        "detections from this score on, though not published below score_threshold, continue tracks",
        low=0.0,
        high=1.0,
        at_run_time=True,
    ),
    Spec("tracking.confirm_hits", 2, "successive frames in which a new thing must be seen to get an id", low=1, high=100),
    Spec("tracking.keep", 3.0, "seconds for which a thing out of sight keeps its id", low=0.1, high=60.0),
    Spec("autostart", True, "configure and activate at start; false where a lifecycle manager does it"),
    Spec(
        "tasks",
        [ALL_TASKS],
        "heads that may run: detection, segmentation, depth, ...; all for every one of the model",
        at_run_time=True,
    ),
    Spec(
        "score_threshold",
        0.3,
        "detections below this score are left out",
        low=0.0,
        high=1.0,
        at_run_time=True,
    ),
    Spec(
        "max_frame_age",
        0.0,
        "frames older than this many seconds are discarded; 0 for never",
        low=0.0,
        high=3600.0,
        at_run_time=True,
    ),
)


PER_CAMERA = ("transport", "rectified", "rectify", "input.reliability", "input.depth")
"""Each of these is also declared as <camera>.<name> for every one of several cameras, with the general value as default."""

_CAMERA_NAME = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*")


class CameraParameters:
    """The parameters as one camera sees them: its own value where it has one."""

    def __init__(self, values: dict[str, Any], camera: str) -> None:
        self._values = values
        self._camera = camera

    def __getitem__(self, name: str) -> Any:
        own = f"{self._camera}.{name}"
        return self._values[own if own in self._values else name]


class Parameters:
    """Declares every parameter on ``node`` and holds the rules for changing them.

    Raises:
        rclpy.exceptions.ParameterException: an initial value of the wrong type or out of its range.
    """

    def __init__(self, node: Node) -> None:
        self._specs = {spec.name: spec for spec in SPECS}
        self.model_tasks: tuple[str, ...] | None = None
        """Tasks of the loaded model; None while there is none."""
        self._values: dict[str, Any] = {}
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._take)
        for spec in SPECS:
            self._declare(node, spec)
        general = [self._specs[name] for name in PER_CAMERA]
        for camera in self["cameras"]:
            for spec in general:
                own = replace(spec, name=f"{camera}.{spec.name}", default=self[spec.name])
                self._specs[own.name] = own
                self._declare(node, own)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def of(self, camera: str) -> CameraParameters:
        """The parameters of one of ``cameras``, or of the only one, whose name is empty."""
        return CameraParameters(self._values, camera)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that may run, of those that the loaded model has."""
        chosen = self["tasks"]
        return tuple(task for task in self.model_tasks or () if task in chosen or ALL_TASKS in chosen)

    def check_tasks(self, tasks: list[str]) -> str | None:
        """Why these cannot be the enabled tasks, or None if they can."""
        if not tasks:
            return (
                f"tasks is empty, expected ['{ALL_TASKS}'] or names of tasks; to pause the node call ~/enable"
            )
        if self.model_tasks is None:
            return None
        unknown = [task for task in tasks if task not in (*self.model_tasks, ALL_TASKS)]
        if unknown:
            known = ", ".join(self.model_tasks)
            return f"tasks has {unknown[0]!r}, expected '{ALL_TASKS}' or names out of {known}, which this model has"
        return None

    @staticmethod
    def check_cameras(cameras: list[str]) -> str | None:
        """Why these cannot be the cameras, or None if they can."""
        for number, name in enumerate(cameras):
            if not _CAMERA_NAME.fullmatch(name):
                return (
                    f"cameras has {name!r}, expected names that can stand in a topic: letters, digits and single "
                    "underscores, a letter first; for one camera on ~/image leave cameras empty: []"
                )
            if name in cameras[:number]:
                return f"cameras has {name!r} twice, expected a name of its own for each camera"
        return None

    @staticmethod
    def _declare(node: Node, spec: Spec) -> None:
        if spec.default == []:  # which says nothing of the type; unless the user sets it, it is not set
            node.declare_parameter(spec.name, Parameter.Type.STRING_ARRAY, spec.descriptor())
        else:
            node.declare_parameter(spec.name, spec.default, spec.descriptor())

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            reason = self._reason_against(parameter)
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def _take(self, parameters: list[Parameter]) -> None:
        self._values |= {
            parameter.name: [] if parameter.value is None else parameter.value for parameter in parameters
        }

    def _reason_against(self, parameter: Parameter) -> str | None:
        spec = self._specs.get(parameter.name)
        if spec is None:  # one of rclpy's own, such as use_sim_time
            return None
        if spec.choices and parameter.value not in spec.choices:
            return f"{spec.name} is {parameter.value!r}, expected {spec.descriptor().additional_constraints}"
        if spec.name == "cameras":
            return self.check_cameras(list(parameter.value or []))
        if spec.name == "tasks":
            return self.check_tasks(list(parameter.value))
        return None

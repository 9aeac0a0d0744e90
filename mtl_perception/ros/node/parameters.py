# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: declared from ``specs``, checked when they are set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from mtl_perception.core.foreign_text import LONGEST, cut
from mtl_perception.ros.names import check_cameras
from mtl_perception.ros.node.specs import ALL_TASKS, FRAMES, PER_CAMERA, SPECS, Spec
from mtl_perception.ros.outputs.outputs import pipeline_options


class CameraParameters:
    """The parameters of one camera: its own value if it has one, otherwise the general one."""

    def __init__(self, values: dict[str, Any], camera: str) -> None:
        self._values = values
        self._camera = camera

    def __getitem__(self, name: str) -> Any:
        own = f"{self._camera}.{name}"
        return self._values[own if own in self._values else name]


class Parameters:
    """Declares all parameters on ``node`` and checks every change.

    Raises:
        rclpy.exceptions.ParameterException: an initial value of the wrong type or out of its range.
    """

    def __init__(self, node: Node) -> None:
        self._specs = {spec.name: spec for spec in SPECS}
        self.model_tasks: tuple[str, ...] | None = None
        """Tasks of the loaded model; None while there is none."""
        self.detection_labels: tuple[str, ...] | None = None
        """Detection classes of the loaded model; None while there is none."""
        self._values: dict[str, Any] = {}
        node.add_pre_set_parameters_callback(self._typed)
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
        """The enabled tasks of the loaded model."""
        chosen = self["tasks"]
        return tuple(task for task in self.model_tasks or () if task in chosen or ALL_TASKS in chosen)

    def check_tasks(self, tasks: list[str]) -> str | None:
        """Why ``tasks`` is invalid; None if it is valid."""
        if not tasks:
            return f"tasks is empty, expected ['{ALL_TASKS}'] or names of tasks; to pause the node call ~/enable"
        if self.model_tasks is None:
            return None
        unknown = [task for task in tasks if task not in (*self.model_tasks, ALL_TASKS)]
        if unknown:
            known = ", ".join(self.model_tasks)
            return f"tasks has {cut(unknown[0])!r}, expected '{ALL_TASKS}' or names out of {known}, which this model has"
        return None

    def check_selection(self, changed: dict[str, Any] | None = None) -> str | None:
        """Why the filters of detections are invalid for some camera, with these values ``changed``; None if they are valid."""
        if self.detection_labels is None:
            return None
        values = {**self._values, **(changed or {})}
        for camera in values["cameras"] or [""]:
            try:
                pipeline_options(CameraParameters(values, camera), self.detection_labels)
            except ValueError as error:
                return str(error)
        return None

    @staticmethod
    def check_frame(name: str, frame: str) -> str | None:
        """Why ``frame`` is invalid for the parameter ``name``; None if it is valid."""
        if frame.startswith("/"):
            return f"{name} is {cut(frame)!r}, expected {cut(frame.lstrip('/'))!r}: names of TF frames have no leading slash"
        if not frame.isprintable() or len(frame) > LONGEST:
            return f"{name} is {cut(frame)!r}, expected at most {LONGEST} characters that print"
        return None

    def _declare(self, node: Node, spec: Spec) -> None:
        if spec.default != []:
            node.declare_parameter(spec.name, spec.default, spec.descriptor())
            return
        # An empty list has no type, and a parameter without a value is dumped as null, which no node can load.
        changeable, final = spec.descriptor(), spec.descriptor()
        changeable.read_only, final.type = False, Parameter.Type.STRING_ARRAY.value
        node.declare_parameter(spec.name, Parameter.Type.STRING_ARRAY, changeable)
        if not self._values[spec.name]:
            node.set_parameters([Parameter(spec.name, Parameter.Type.STRING_ARRAY, [])])
        node.set_descriptor(spec.name, final)

    def _typed(self, parameters: list[Parameter]) -> list[Parameter]:
        """Converts empty lists to lists of strings where those are expected: ``ros2 param set`` sends "[]" as booleans."""
        return [self._as_strings(one) if one.name in self._specs else one for one in parameters]

    def _as_strings(self, parameter: Parameter) -> Parameter:
        is_list = isinstance(self._specs[parameter.name].default, list)
        if not is_list or parameter.value is None or not hasattr(parameter.value, "__len__") or len(parameter.value):
            return parameter
        return Parameter(parameter.name, Parameter.Type.STRING_ARRAY, [])

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            reason = self._reason_against(parameter)
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        values = {parameter.name: [] if parameter.value is None else parameter.value for parameter in parameters}
        reason = self.check_selection(values)
        return SetParametersResult(successful=reason is None, reason=reason or "")

    def _take(self, parameters: list[Parameter]) -> None:
        self._values |= {parameter.name: [] if parameter.value is None else parameter.value for parameter in parameters}

    @staticmethod
    def _reason_against_cameras(cameras: list[str]) -> str | None:
        declared = {spec.name for spec in SPECS}
        taken = [f"{camera}.{name}" for camera in cameras for name in PER_CAMERA if f"{camera}.{name}" in declared]
        return f"cameras has {taken[0].split('.')[0]!r}, but {taken[0]} is a parameter of the node; choose another name" if taken else None

    def _reason_against(self, parameter: Parameter) -> str | None:
        spec = self._specs.get(parameter.name)
        if spec is None:  # one of rclpy's own, such as use_sim_time
            return None
        if spec.choices and parameter.value not in spec.choices and not spec.has_number(parameter.value):
            return f"{spec.name} is {cut(repr(parameter.value))}, expected {spec.descriptor().additional_constraints}"
        if spec.name == "cameras":
            return check_cameras(list(parameter.value or [])) or self._reason_against_cameras(list(parameter.value or []))
        if spec.name == "tasks":
            return self.check_tasks(list(parameter.value or []))
        if spec.name in FRAMES:
            return self.check_frame(spec.name, parameter.value)
        own = [name for camera in self._values.get("cameras", ()) if (name := f"{camera}.{spec.name}") in self._specs]
        if own and parameter.value != self[spec.name]:
            return f"{spec.name} is only what cameras start with, and each has its own since: set {' or '.join(own)}"
        return None

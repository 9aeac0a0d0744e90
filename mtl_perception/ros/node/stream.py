# SPDX-License-Identifier: Apache-2.0
"""Outputs, statistics and subscriptions of one camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mtl_perception.pipeline.result import Scale
from mtl_perception.ros.guard import GuardedNode
from mtl_perception.ros.node.camera import Camera
from mtl_perception.ros.node.depth_camera import DepthCamera
from mtl_perception.ros.node.frames import FrameAge, FrameCounts, NewestFrames, Recent
from mtl_perception.ros.node.laser import Laser
from mtl_perception.ros.node.parameters import Parameters
from mtl_perception.ros.node.video import require_transport
from mtl_perception.ros.outputs.outputs import Outputs


@dataclass
class Trace:
    """State of the last frames, for diagnostics."""

    tasks: tuple[str, ...] = ()
    age_s: float | None = None
    frame_id: str | None = None
    stage_s: dict[str, float] = field(default_factory=dict)
    finished_s: float = 0.0
    """``time.monotonic()``."""
    rejection: str = ""
    failure: str = ""
    unpublished: str = ""
    unplaced: str = ""
    """Both as ``Place`` has them."""
    scale: Scale | None = None
    unscaled: str = ""
    """Why the last frame gave no estimate of the scale of depth."""


class Stream:
    """Outputs, statistics and, while the node is active, subscriptions of one camera.

    Attributes:
        name: of the camera; empty if it is the only one.
        label: its name in diagnostics and in the log.
        problems: exceptions of the node's callbacks.
    """

    def __init__(self, node: GuardedNode, name: str, parameters: Parameters, card: Any) -> None:
        self._node = node
        self._topics = f"~/{name}" if name else "~"
        self.name = name
        self.label = node.get_fully_qualified_name().lstrip("/") + (f"/{name}" if name else "")
        self.problems = node.problems
        self.parameters = parameters.of(name)
        require_transport(self.parameters["transport"])
        self.outputs = Outputs(node, self.parameters, card, self._topics)
        self.counts, self.recent, self.trace, self.age = FrameCounts(), Recent(), Trace(), FrameAge()
        self.camera: Camera | None = None
        self.depth_camera: DepthCamera | None = None
        self.laser: Laser | None = None

    def start(self, waiting: NewestFrames) -> None:
        """Subscribe, and put frames into ``waiting`` under the camera's name."""
        self.age = FrameAge()
        put = partial(waiting.put, self.name)
        self.camera = Camera(self._node, self._topics, self.parameters, self.counts, put)
        if self.parameters["depth.source"] != "network":
            self.depth_camera = DepthCamera(self._node, self._topics, self.parameters)
        if self.parameters["depth.scale"] == "scan":
            self.laser = Laser(self._node, self._topics)

    def update_publishers(self) -> None:
        """Look for who publishes to this camera; to be called from time to time while it is started."""
        for sensor in (self.camera, self.depth_camera):
            if sensor is not None:
                sensor.update_publishers()

    def stop(self) -> None:
        """Unsubscribe. Frames that the worker has taken may still be processed."""
        for sensor in (self.camera, self.depth_camera, self.laser):
            if sensor is not None:
                sensor.close()

    def close(self) -> None:
        if self.camera is not None:
            self.stop()
        self.outputs.close()

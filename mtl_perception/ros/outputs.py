# SPDX-License-Identifier: Apache-2.0
"""Scenes to messages: one writer per topic.

Images and detections leave serialised (``cdr.py``), which ``publish`` takes like a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionClass

from mtl_perception.drawing import draw_overlay
from mtl_perception.geometry import Intrinsics
from mtl_perception.msg import PerceptionStatus
from mtl_perception.ros.calibration import write_camera_info
from mtl_perception.ros.cdr import pack_header, write_detections, write_image
from mtl_perception.ros.conversions import depth_to_millimetres
from mtl_perception.ros.transforms import Place
from mtl_perception.scene import Detections, Scene


@dataclass(frozen=True)
class Result:
    """One frame and what the network said of it. What several writers need is computed once, when the first asks.

    Attributes:
        header: the input's.
        image_rgb: (H, W, 3) uint8, rectified if the camera is to be.
        place: where the camera was.
    """

    header: Header
    image_rgb: np.ndarray
    intrinsics: Intrinsics | None
    scene: Scene
    place: Place

    @cached_property
    def packed_header(self) -> bytes:
        return pack_header(self.header)


class Outputs:
    """Every topic of one camera. ``card`` is the model's, ``topics`` what its topics begin with, such as ``~/front``."""

    def __init__(self, node: LifecycleNode, parameters: Mapping[str, Any], card: Any, topics: str = "~") -> None:
        self._node = node
        self._card = card
        qos = QoSProfile(
            depth=parameters["output.depth"],
            reliability=ReliabilityPolicy.get_from_short_key(parameters["output.reliability"]),
        )
        latched = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )

        def publish(message_type: type, topic: str, qos: QoSProfile = qos) -> LifecyclePublisher:
            return node.create_lifecycle_publisher(message_type, f"{topics}/{topic}", qos)

        # The largest message first: it travels while the others are filled. Drawing is for people, who can wait.
        self._writers = (
            DepthWriter(publish(Image, "depth/image_rect"), parameters["depth.encoding"]),
            DepthInfoWriter(publish(CameraInfo, "depth/camera_info")),
            MaskWriter(publish(Image, "segmentation/mask")),
            ConfidenceWriter(publish(Image, "segmentation/confidence")),
            DetectionsWriter(publish(Detection2DArray, "detections"), card.detection_labels),
            OverlayWriter(publish(Image, "overlay"), card),
        )
        self._status = publish(PerceptionStatus, "status")
        self._label_info = publish(LabelInfo, "segmentation/label_info", latched)

    def wanted_tasks(self, enabled: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the enabled tasks whose topics somebody reads."""
        wanted = {task for writer in self._writers if writer.is_read for task in writer.tasks}
        return tuple(task for task in enabled if task in wanted or OverlayWriter.EVERY_TASK in wanted)

    def unserved(self, tasks: tuple[str, ...]) -> dict[str, list[str]]:
        """Topics that somebody reads and that nothing is published on, because these tasks lack some that it needs."""
        missing = {
            writer.publisher.topic_name: [task for task in writer.tasks if task not in (*tasks, OverlayWriter.EVERY_TASK)]
            for writer in self._writers
            if writer.is_read
        }
        return {topic: lacking for topic, lacking in missing.items() if lacking}

    def fill(self, result: Result) -> Iterator[tuple[LifecyclePublisher, Any]]:
        """(publisher, message) for every topic that is read and has something to say, one after the other."""
        for writer in self._writers:
            if writer.is_read and (message := writer.fill(result)) is not None:
                yield writer.publisher, message

    def warm_up(self) -> None:
        """Draw once: OpenCV loads its font then, which would cost the first frame 0.15 s."""
        one = Detections(np.array([[8, 24, 56, 56]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
        scene = Scene(64, 64, detections=one if self._card.detection_labels else None)
        draw_overlay(np.zeros((64, 64, 3), np.uint8), scene, self._card)

    def publish_labels(self) -> None:
        """Say once what the ids in the mask mean; late subscribers get it too."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        classes = [
            VisionClass(class_id=number, class_name=name)
            for number, name in enumerate(self._card.segmentation_labels)
        ]
        self._label_info.publish(LabelInfo(header=header, class_map=classes))

    @property
    def status_is_read(self) -> bool:
        return self._status.get_subscription_count() > 0

    def publish_status(self, status: PerceptionStatus) -> None:
        self._status.publish(status)

    def close(self) -> None:
        for publisher in (*(writer.publisher for writer in self._writers), self._status, self._label_info):
            self._node.destroy_lifecycle_publisher(publisher)


class Writer:
    """What all writers share: a publisher, and the tasks that their topic is made of."""

    tasks: tuple[str, ...] = ()

    def __init__(self, publisher: LifecyclePublisher) -> None:
        self.publisher = publisher

    @property
    def is_read(self) -> bool:
        return self.publisher.get_subscription_count() > 0


class DetectionsWriter(Writer):
    """``vision_msgs/Detection2DArray``: boxes in pixels of the input image, class names as ids."""

    tasks = ("detection",)

    def __init__(self, publisher: LifecyclePublisher, labels: Sequence[str]) -> None:
        super().__init__(publisher)
        self._labels = labels

    def fill(self, result: Result) -> bytes | None:
        found = result.scene.detections
        return None if found is None else write_detections(result.packed_header, found, self._labels)


class MaskWriter(Writer):
    """mono8: class ids, 255 where there is none."""

    tasks = ("segmentation",)

    def fill(self, result: Result) -> bytes | None:
        segmentation = result.scene.segmentation
        return None if segmentation is None else write_image(result.packed_header, "mono8", segmentation.mask)


class ConfidenceWriter(Writer):
    """mono8: probability of the mask's class, 0 to 255."""

    tasks = ("segmentation",)

    def fill(self, result: Result) -> bytes | None:
        segmentation = result.scene.segmentation
        return (
            None
            if segmentation is None
            else write_image(result.packed_header, "mono8", segmentation.confidence)
        )


class DepthWriter(Writer):
    """REP 118: metres as 32FC1, NaN where unknown; or millimetres as 16UC1, 0 where unknown."""

    tasks = ("depth",)

    def __init__(self, publisher: LifecyclePublisher, encoding: str) -> None:
        super().__init__(publisher)
        self._encoding = encoding

    def fill(self, result: Result) -> bytes | None:
        depth = result.scene.depth
        if depth is None:
            return None
        pixels = depth.depth_m if self._encoding == "32FC1" else depth_to_millimetres(depth.depth_m)
        return write_image(result.packed_header, self._encoding, pixels)


class DepthInfoWriter(Writer):
    """The depth image's CameraInfo; nothing while the camera is not calibrated."""

    tasks = ("depth",)

    def fill(self, result: Result) -> CameraInfo | None:
        if result.scene.depth is None or result.intrinsics is None:
            return None
        return write_camera_info(result.intrinsics, result.header)


class OverlayWriter(Writer):
    """rgb8: boxes, mask and depth drawn over the image."""

    EVERY_TASK = "*"
    tasks = (EVERY_TASK,)

    def __init__(self, publisher: LifecyclePublisher, card: Any) -> None:
        super().__init__(publisher)
        self._card = card

    def fill(self, result: Result) -> bytes:
        return write_image(
            result.packed_header, "rgb8", draw_overlay(result.image_rgb, result.scene, self._card)
        )

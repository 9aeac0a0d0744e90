# SPDX-License-Identifier: Apache-2.0
"""One camera: its topics in, the newest frame and the calibration out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtl_perception.camera_info import Calibration, calibrate
from mtl_perception.ros.cdr import CompressedImageView, ImageView, read_compressed_image, read_image
from mtl_perception.ros.conversions import ConversionError, InputSettings, compressed_image_to_rgb, image_to_rgb
from mtl_perception.ros.frames import Frame, FrameCounts

_END_OF_STAMP = 12  # bytes: four of encapsulation, eight of the stamp


@dataclass(frozen=True)
class Source:
    """A publisher on the image topic; ``mismatch`` says why it cannot be heard."""

    node: str
    mismatch: str | None


class Camera:
    """Subscribes on construction; ``close`` ends it.

    Args:
        topics: what its topics begin with, such as ``~`` or ``~/front``.
        parameters: those of this camera.
        counts: goes up with what arrives.
        put: takes each frame; true if it replaced one that waited.
    """

    def __init__(
        self,
        node: Node,
        topics: str,
        parameters: Mapping[str, Any],
        counts: FrameCounts,
        put: Callable[[Frame], bool],
    ) -> None:
        self._node = node
        self._counts = counts
        self._put = put
        self._rectified, self._rectify = parameters["rectified"], parameters["rectify"]
        self._compressed = parameters["transport"] == "compressed"
        self._settings = InputSettings.of(parameters)
        self._info: bytes | None = None
        self._calibrated: tuple[Any, Calibration | ValueError] = (None, ValueError())
        self.started_s = time.monotonic()
        self.last_frame_s: float | None = None
        self.last_interval_s = 0.0
        self.image_size: tuple[int, int] | None = None
        self.last_damage = ""
        self._distrusted = False
        self.info_frame_id = ""
        self._qos = QoSProfile(
            depth=parameters["input.depth"],
            reliability=ReliabilityPolicy.get_from_short_key(parameters["input.reliability"]),
        )
        losses = SubscriptionEventCallbacks(message_lost=self._on_lost)
        message_type, topic = (CompressedImage, "image/compressed") if self._compressed else (Image, "image")
        self._images = node.create_subscription(
            message_type, f"{topics}/{topic}", self._on_image, self._qos, raw=True, event_callbacks=losses
        )
        self._infos = node.create_subscription(
            CameraInfo, f"{topics}/camera_info", self._on_info, self._qos, raw=True
        )

    @property
    def topic(self) -> str:
        return self._images.topic_name

    @property
    def info_topic(self) -> str:
        return self._infos.topic_name

    def read(self, frame: Frame) -> ImageView | CompressedImageView:
        """The frame's fields, its pixels still encoded. Raises ConversionError."""
        return read_compressed_image(frame.serialised) if self._compressed else read_image(frame.serialised)

    def decode(self, message: ImageView | CompressedImageView):
        """The frame's pixels, (H, W, 3) uint8 RGB. Raises ConversionError."""
        try:
            if self._compressed:
                image_rgb = compressed_image_to_rgb(message, self._settings, self._on_damage, self._distrusted)
            else:
                image_rgb = image_to_rgb(message, self._settings)
        except ConversionError:
            self._distrusted = True  # after one bad PNG, libpng is not to fill the terminal about others
            raise
        self.image_size = (image_rgb.shape[1], image_rgb.shape[0])
        return image_rgb

    def calibration(self) -> Calibration | None:
        """What camera_info says of images of the size seen last, None without one.

        Raises:
            ValueError: the camera_info is of no use.
        """
        if self._info is None:
            return None
        # It comes with every image and hardly ever changes: it is read again when more than its stamp is new.
        key = (self._info[_END_OF_STAMP:], self.image_size)
        if self._calibrated[0] != key:
            self._calibrated = (key, self._calibrate(deserialize_message(self._info, CameraInfo)))
        calibration = self._calibrated[1]
        if isinstance(calibration, ValueError):
            raise calibration
        return calibration

    def _calibrate(self, info: CameraInfo) -> Calibration | ValueError:
        width, height = self.image_size or (info.width, info.height)
        self.info_frame_id = info.header.frame_id
        try:
            return calibrate(info, width, height, rectified=self._rectified, rectify=self._rectify)
        except ValueError as error:
            return error

    def sources(self) -> list[Source]:
        """Who publishes on the image topic."""
        return [
            Source(f"{info.node_namespace.rstrip('/')}/{info.node_name}", self._mismatch(info))
            for info in self._node.get_publishers_info_by_topic(self.topic)
        ]

    def other_image_topics(self) -> list[str]:
        """Topics with images of either transport: what the user may have meant."""
        types = {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"}
        own = self._node.get_fully_qualified_name() + "/"
        return [
            name
            for name, of in self._node.get_topic_names_and_types()
            if types & set(of)
            and not name.startswith(own)
            and name != self.topic
            and self._node.count_publishers(name)
        ]

    def close(self) -> None:
        self._node.destroy_subscription(self._images)
        self._node.destroy_subscription(self._infos)

    def _mismatch(self, publisher) -> str | None:
        expected = "sensor_msgs/msg/" + ("CompressedImage" if self._compressed else "Image")
        if publisher.topic_type != expected:
            return f"publishes {publisher.topic_type}, expected {expected}: set the parameter transport, or remap"
        compatibility, reason = qos_check_compatible(publisher.qos_profile, self._qos)
        if compatibility == QoSCompatibility.ERROR:
            offered, asked = publisher.qos_profile.reliability.short_key, self._qos.reliability.short_key
            remedy = f"set input.reliability to {offered}"
            return f"offers {offered} and this node asks for {asked}: {remedy} ({reason})"
        return None

    def _on_image(self, serialised: bytes) -> None:
        now_s = time.monotonic()
        if self.last_frame_s is not None:
            self.last_interval_s = now_s - self.last_frame_s
        self.last_frame_s = now_s
        self._counts.received += 1
        self._counts.dropped += self._put(Frame(serialised, now_s))

    def _on_damage(self, complaint: str) -> None:
        self._counts.damaged += 1
        self.last_damage = complaint

    def _on_lost(self, event: QoSMessageLostInfo) -> None:
        self._counts.lost += event.total_count_change

    def _on_info(self, serialised: bytes) -> None:
        self._info = serialised

# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of one camera: images and camera_info."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from mtl_perception.core.camera_info import Calibration, calibrate
from mtl_perception.core.image_messages import ConversionError, InputSettings, compressed_image_to_rgb, image_to_rgb
from mtl_perception.ros.cdr import CameraInfoView, CompressedImageView, ImageView, read_camera_info, read_compressed_image, read_image
from mtl_perception.ros.graph import Source, other_topics, sources
from mtl_perception.ros.node.camera_infos import CameraInfos
from mtl_perception.ros.node.frames import Frame, FrameCounts
from mtl_perception.ros.node.video import VIDEO_DEPTH, VIDEO_TRANSPORTS, PictureView, VideoInput
from mtl_perception.ros.sequence_numbers import SequenceNumbers, WithInfo, number_of

_END_OF_STAMP = 12  # bytes: four of encapsulation, eight of the stamp


_CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_TYPES = {"raw": "sensor_msgs/msg/Image", "compressed": "sensor_msgs/msg/CompressedImage"} | {
    name: transport.type_name for name, transport in VIDEO_TRANSPORTS.items()
}


class Camera:
    """Subscribes on construction, until ``close``; ``update_publishers`` is to be called from time to time.

    Args:
        topics: prefix of its topics, such as ``~`` or ``~/front``.
        parameters: of this camera.
        counts: incremented for received, dropped, damaged and lost frames.
        put: takes each frame; true if it replaced a waiting one.

    Attributes:
        topic, info_topic: full names.
        sources, info_sources: publishers of images and camera_info at the last update.
    """

    sources: list[Source]
    info_sources: list[Source]

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
        self._transport = parameters["transport"]
        self._settings = InputSettings.of(parameters)
        is_video = self._transport in VIDEO_TRANSPORTS
        self._video = VideoInput(self._transport, self._settings.max_pixels, counts) if is_video else None
        self._info_body = b""
        self._info: CameraInfoView | None = None
        self._calibrated: tuple[Any, Any, Calibration | str] = (None, None, "")
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
        self._numbers = SequenceNumbers()
        if is_video:
            message_type, topic = VIDEO_TRANSPORTS[self._transport].message_type, f"image/{self._transport}"
        else:
            message_type, topic = (CompressedImage, "image/compressed") if self._transport == "compressed" else (Image, "image")
        image_qos = QoSProfile(depth=max(parameters["input.depth"], VIDEO_DEPTH if is_video else 1), reliability=self._qos.reliability)
        self._images = node.create_subscription(message_type, f"{topics}/{topic}", WithInfo(self._on_image), image_qos, raw=True)
        self._infos = CameraInfos(node, f"{topics}/camera_info", self._on_info, self._qos)
        self.topic, self.info_topic = self._images.topic_name, self._infos.topic
        self.update_publishers()

    def read(self, frame: Frame) -> ImageView | CompressedImageView | PictureView:
        """The frame's message, its pixels still encoded. Raises ConversionError."""
        if self._video is not None:
            return self._video.view(frame)
        return read_compressed_image(frame.serialised) if self._transport == "compressed" else read_image(frame.serialised)

    def decode(self, message: ImageView | CompressedImageView | PictureView):
        """The frame's pixels, (H, W, 3) uint8 RGB. Raises ConversionError."""
        try:
            if isinstance(message, PictureView):
                image_rgb = message.picture.to_rgb()
            elif isinstance(message, CompressedImageView):
                image_rgb = compressed_image_to_rgb(message, self._settings, self._on_damage, self._distrusted)
            else:
                image_rgb = image_to_rgb(message, self._settings)
        except ConversionError:
            self._distrusted = True  # after one bad PNG, keep libpng from printing a warning for each of the next
            raise
        self.image_size = (image_rgb.shape[1], image_rgb.shape[0])
        return image_rgb

    def calibration(self) -> Calibration | None:
        """Calibration for images of the last size; None before a camera_info.

        Raises:
            ValueError: the camera_info can't be used; the message says why.
        """
        info = self._info
        if info is None:
            return None
        calibrated, size, calibration = self._calibrated
        if calibrated is not info or size != self.image_size:
            size = self.image_size
            calibration = self._calibrate(info, *(size or (info.width, info.height)))
            self._calibrated = (info, size, calibration)
        if isinstance(calibration, str):  # an exception that is raised again and again keeps every frame it was raised in
            raise ValueError(calibration)
        return calibration

    def _calibrate(self, info: CameraInfoView, width: int, height: int) -> Calibration | str:
        """The calibration, or why there is none."""
        self.info_frame_id = info.frame_id
        try:
            return calibrate(info, width, height, rectified=self._rectified, rectify=self._rectify)
        except ValueError as error:
            return str(error)

    def update_publishers(self) -> None:
        """List the publishers, and hear a latched camera_info, which may have been published before the node started."""
        publishers = self._node.get_publishers_info_by_topic
        self.sources = sources(publishers(self.topic), _TYPES[self._transport], "set the parameter transport, or remap", self._qos)
        self.info_sources = sources(self._infos.update_publishers(), _CAMERA_INFO, "remap", self._qos)

    def other_image_topics(self) -> list[str]:
        """Other topics with images of any transport, which the user may have meant."""
        return other_topics(self._node, tuple(_TYPES.values()), self.topic)

    def other_info_topics(self) -> list[str]:
        """Other topics with a camera_info."""
        return other_topics(self._node, (_CAMERA_INFO,), self.info_topic)

    def close(self) -> None:
        self._infos.close()
        self._node.destroy_subscription(self._images)

    def _on_image(self, serialised: bytes, info: Mapping[str, Any]) -> None:
        now_s = time.monotonic()
        if not self._numbers.follows(number_of(info)) and self._video is not None:
            self._video.lose()
        lost, followed = self._numbers.take_certain()
        self._counts.lost += lost
        self._counts.followed += followed
        if self.last_frame_s is not None:
            self.last_interval_s = now_s - self.last_frame_s
        self.last_frame_s = now_s
        self._counts.received += 1
        frames = [Frame(serialised, now_s)] if self._video is None else self._video.frames(serialised, now_s)
        for frame in frames:
            self._counts.dropped += self._put(frame)

    def _on_damage(self, complaint: str) -> None:
        self._counts.damaged += 1
        self.last_damage = complaint

    def _on_info(self, serialised: bytes) -> None:
        """A camera_info comes with every image and rarely changes: it is parsed only if more than its stamp differs."""
        body = serialised[_END_OF_STAMP:]
        if self._info is None or body != self._info_body:
            self._info = read_camera_info(serialised)
            self._info_body = body

# SPDX-License-Identifier: Apache-2.0
"""A depth sensor beside the camera: its images, by the stamp of the camera's."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtl_perception.core.camera_info import calibrate
from mtl_perception.core.compressed_depth import decode_compressed_depth
from mtl_perception.core.foreign_text import cut
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.image_messages import ConversionError, depth_to_metres
from mtl_perception.core.transforms import TransformError
from mtl_perception.ros.cdr import (
    CameraInfoView,
    CompressedImageView,
    ImageView,
    Stamp,
    read_camera_info,
    read_compressed_image,
    read_image,
)
from mtl_perception.ros.node.nearest import KEPT, NearestByStamp
from mtl_perception.ros.transforms import Place
from mtl_perception.spatial.depth_alignment import AlignmentCheck
from mtl_perception.spatial.depth_registration import register_depth

_STAMP = struct.Struct("<iI")
_CHECK_EVERY = 5
"""Images; what is not registered stays so."""


class DepthCamera:
    """Subscribes to ``depth/image`` and its camera_info on construction, until ``close``. Callbacks and ``at`` may run on different threads.

    Args:
        topics: what its topics begin with, such as ``~`` or ``~/front``.
        parameters: those of this camera.

    Attributes:
        topic, info_topic: full names.
        problem: why the last image was answered without a measurement; empty if it was not.
        is_registered_here: whether the last measurement was brought from the sensor's frame into the camera's.
    """

    def __init__(self, node: Node, topics: str, parameters: Mapping[str, Any]) -> None:
        self._node = node
        self._compressed = parameters["depth.transport"] == "compressedDepth"
        self._max_pixels = parameters["input.max_pixels"]
        self._messages: NearestByStamp[bytes] = NearestByStamp(round(parameters["depth.tolerance"] * 1e9), parameters["depth.wait"])
        self._info: CameraInfoView | None = None
        self._alignment, self._count = AlignmentCheck(), 0
        self.problem, self.is_registered_here = "", False
        message_type, topic = (CompressedImage, "depth/image/compressedDepth") if self._compressed else (Image, "depth/image")
        qos = QoSProfile(depth=KEPT, reliability=ReliabilityPolicy.get_from_short_key(parameters["input.reliability"]))
        self._subscription = node.create_subscription(message_type, f"{topics}/{topic}", self._on_depth, qos, raw=True)
        info_qos = QoSProfile(depth=1, reliability=qos.reliability)
        self._infos = node.create_subscription(CameraInfo, f"{topics}/depth/image/camera_info", self._on_info, info_qos, raw=True)
        self.topic, self.info_topic = self._subscription.topic_name, self._infos.topic_name

    @property
    def received(self) -> int:
        """Depth images so far."""
        return self._messages.received

    @property
    def doubt(self) -> str:
        """Why depth may not be registered to the camera though its frame says so; empty without a reason."""
        return "" if self.is_registered_here else self._alignment.problem

    def at(self, stamp_ns: int, place: Place, image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> np.ndarray | None:
        """Returns the measured depth of an image of this stamp; None, with ``problem`` saying why, if there is nothing that fits.

        Waits for a message that is on its way, as long as the parameter says. Depth in another frame than the image's is registered to it.

        Args:
            place: of the image.
            intrinsics: of the image's camera.

        Returns:
            (H, W) float32 metres of the image's size, 0 or NaN where nothing was measured.
        """
        serialised = self._messages.at(stamp_ns)
        if serialised is None:
            self.problem = (
                f"no depth image within {self._messages.tolerance_s:g} s of the camera's, {self.received} received: does a sensor publish "
                "on this topic, on the camera's clock? Raise depth.tolerance or depth.wait if it is only late"
            )
            return None
        try:
            measured_m = self._measured_m(serialised, place, image_rgb.shape[1], image_rgb.shape[0], intrinsics)
        except (ConversionError, TransformError) as error:
            self.problem = cut(error, 500)
            return None
        self.problem = ""
        self._count += 1
        if not self.is_registered_here and self._count % _CHECK_EVERY == 0:
            self._alignment.add(image_rgb, measured_m)
        return measured_m

    def close(self) -> None:
        for subscription in (self._subscription, self._infos):
            self._node.destroy_subscription(subscription)

    def _on_info(self, serialised: bytes) -> None:
        self._info = read_camera_info(serialised)

    def _on_depth(self, serialised: bytes) -> None:
        if len(serialised) < 4 + _STAMP.size:
            raise ConversionError(f"depth image of {len(serialised)} bytes, expected at least a stamp")
        self._messages.put(Stamp(*_STAMP.unpack_from(serialised, 4)).nanoseconds, serialised)

    def _measured_m(self, serialised: bytes, place: Place, width: int, height: int, intrinsics: Intrinsics | None) -> np.ndarray:
        message = read_compressed_image(serialised) if self._compressed else read_image(serialised)
        self.is_registered_here = message.frame_id != place.frame_id
        if self.is_registered_here:
            return self._registered_m(message, place, width, height, intrinsics)
        measured_m = self._decode(message)
        if measured_m.shape == (height, width):
            return measured_m
        rows, columns = measured_m.shape
        if abs(rows * width - columns * height) > max(width, height):
            raise ConversionError(
                f"depth images are {columns}x{rows}, the camera's {width}x{height}, expected one shape: is depth registered?"
            )
        return cv2.resize(measured_m, (width, height), interpolation=cv2.INTER_NEAREST)

    def _registered_m(
        self, message: ImageView | CompressedImageView, place: Place, width: int, height: int, intrinsics: Intrinsics | None
    ) -> np.ndarray:
        frames = f"depth images are in the frame {cut(message.frame_id)!r}, the camera's in {cut(place.frame_id)!r}"
        if self._info is None:
            raise ConversionError(
                f"{frames}: give depth that is registered to the camera, such as aligned_depth_to_color of a RealSense, or remap "
                "~/depth/image/camera_info to the sensor's camera_info, and it is registered here"
            )
        if intrinsics is None:
            raise ConversionError(f"{frames}: to register depth here the camera's camera_info is needed too")
        to_camera = place.from_frame(message.frame_id)
        measured_m = self._decode(message)
        try:
            sensor = calibrate(self._info, measured_m.shape[1], measured_m.shape[0], rectified=False, rectify=False).intrinsics
        except ValueError as error:
            raise ConversionError(f"camera_info on {self.info_topic}: {error}") from None
        return register_depth(measured_m, sensor, intrinsics.scaled(width, height), to_camera)

    def _decode(self, message: ImageView | CompressedImageView) -> np.ndarray:
        if isinstance(message, CompressedImageView):
            return decode_compressed_depth(message.format, message.data, self._max_pixels)
        return depth_to_metres(message, self._max_pixels)

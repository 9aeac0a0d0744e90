# SPDX-License-Identifier: Apache-2.0
"""A depth sensor beside the camera: its images, by the stamp of the camera's."""

from __future__ import annotations

import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_files import MAX_PIXELS, ImageError, TooLarge
from mtl_perception.core.image_files.png import GREY, decode_unscaled, read_header
from mtl_perception.core.image_messages import ConversionError, depth_to_metres
from mtl_perception.ros.cdr import CompressedImageView, ImageView, Stamp, read_compressed_image, read_image

_KEPT = 8
"""Messages that wait for their image: it takes longer through the network than the sensor through the middleware."""
_COMPRESSED_HEADER = struct.Struct("<iff")
"""Of compressed_depth_image_transport: format, and two parameters of 32FC1's quantisation, depth = a / (value - b)."""
_STAMP = struct.Struct("<iI")


class DepthCamera:
    """Subscribes to ``depth/image`` on construction, until ``close``. Callbacks and ``at`` may run on different threads.

    Args:
        topics: what its topics begin with, such as ``~`` or ``~/front``.
        parameters: those of this camera.

    Attributes:
        topic: full name.
        received: messages so far.
        problem: why the last image was answered without a measurement; empty if it was not.
    """

    def __init__(self, node: Node, topics: str, parameters: Mapping[str, Any]) -> None:
        self._node = node
        self._tolerance_ns = round(parameters["depth.tolerance"] * 1e9)
        self._wait_s = parameters["depth.wait"]
        self._compressed = parameters["depth.transport"] == "compressedDepth"
        self._max_pixels = parameters["input.max_pixels"]
        self._messages: OrderedDict[int, bytes] = OrderedDict()
        self._arrived = threading.Condition()
        self.received, self.problem = 0, ""
        message_type, topic = (CompressedImage, "depth/image/compressedDepth") if self._compressed else (Image, "depth/image")
        qos = QoSProfile(depth=_KEPT, reliability=ReliabilityPolicy.get_from_short_key(parameters["input.reliability"]))
        self._subscription = node.create_subscription(message_type, f"{topics}/{topic}", self._on_depth, qos, raw=True)
        self.topic = self._subscription.topic_name

    def at(self, stamp_ns: int, frame_id: str, width: int, height: int) -> np.ndarray | None:
        """Returns the measured depth of an image of this stamp, frame and size; None, with ``problem`` saying why, if nothing that fits.

        Waits for a message that is on its way, as long as the parameter says.

        Returns:
            (height, width) float32 metres, 0 or NaN where nothing was measured.
        """
        serialised = self._nearest(stamp_ns)
        if serialised is None:
            self.problem = (
                f"no depth image within {self._tolerance_ns * 1e-9:g} s of the camera's, {self.received} received: does a sensor publish "
                "on this topic, on the camera's clock? Raise depth.tolerance or depth.wait if it is only late"
            )
            return None
        try:
            measured_m = self._measured_m(serialised, frame_id, width, height)
        except ConversionError as error:
            self.problem = cut(error, 300)
            return None
        self.problem = ""
        return measured_m

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)

    def _on_depth(self, serialised: bytes) -> None:
        if len(serialised) < 4 + _STAMP.size:
            raise ConversionError(f"depth image of {len(serialised)} bytes, expected at least a stamp")
        stamp_ns = Stamp(*_STAMP.unpack_from(serialised, 4)).nanoseconds
        with self._arrived:
            self.received += 1
            self._messages[stamp_ns] = serialised
            self._messages.move_to_end(stamp_ns)
            while len(self._messages) > _KEPT:
                self._messages.popitem(last=False)
            self._arrived.notify_all()

    def _nearest(self, stamp_ns: int) -> bytes | None:
        end_s = time.monotonic() + self._wait_s
        with self._arrived:
            while True:
                nearest = min(self._messages, key=lambda one: abs(one - stamp_ns), default=None)
                if nearest is not None and abs(nearest - stamp_ns) <= self._tolerance_ns:
                    return self._messages[nearest]
                left_s = end_s - time.monotonic()
                if left_s <= 0 or (nearest is not None and max(self._messages) > stamp_ns + self._tolerance_ns):  # it went by
                    return None
                self._arrived.wait(left_s)

    def _measured_m(self, serialised: bytes, frame_id: str, width: int, height: int) -> np.ndarray:
        message = read_compressed_image(serialised) if self._compressed else read_image(serialised)
        if message.frame_id != frame_id:
            raise ConversionError(
                f"depth images are in the frame {cut(message.frame_id)!r}, the camera's in {cut(frame_id)!r}: give depth that is registered to "
                "the camera, such as aligned_depth_to_color of a RealSense or the output of depth_image_proc/register"
            )
        measured_m = self._decode(message)
        if measured_m.shape == (height, width):
            return measured_m
        rows, columns = measured_m.shape
        if abs(rows * width - columns * height) > max(width, height):
            raise ConversionError(
                f"depth images are {columns}x{rows}, the camera's {width}x{height}, expected one shape: is depth registered?"
            )
        return cv2.resize(measured_m, (width, height), interpolation=cv2.INTER_NEAREST)

    def _decode(self, message: ImageView | CompressedImageView) -> np.ndarray:
        if isinstance(message, CompressedImageView):
            return decode_compressed_depth(message.format, message.data, self._max_pixels)
        return depth_to_metres(message, self._max_pixels)


def decode_compressed_depth(format_: str, data: memoryview | bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The depth of a ``compressedDepth`` message, (H, W) float32 metres, 0 or NaN where unknown.

    Twelve bytes of parameters stand before a PNG: millimetres for 16UC1, quantised inverse depth for 32FC1.

    Raises:
        ConversionError: another encoding or compression, too many pixels, or no PNG.
    """
    encoding = format_.partition(";")[0].strip()
    if encoding not in ("16UC1", "mono16", "32FC1"):
        raise ConversionError(
            f"compressed depth has the format {cut(format_)!r}, expected 16UC1 or 32FC1, such as '16UC1; compressedDepth png'"
        )
    content = bytes(data)
    png = content[_COMPRESSED_HEADER.size :]
    if not png.startswith(b"\x89PNG") or len(png) < 24:
        raise ConversionError("compressed depth holds no PNG behind its 12 bytes of parameters, expected compressedDepth with png")
    try:
        if read_header(png).color_type != GREY:
            raise ConversionError("compressed depth is in colours, expected a grey PNG")
        values = decode_unscaled(png, max_pixels, quiet=True)
    except TooLarge as error:
        raise ConversionError(f"{error}; raise input.max_pixels if the sensor has so many") from None
    except ImageError as error:
        raise ConversionError(f"compressed depth can't be decoded: {error}") from None
    if encoding != "32FC1":
        return values.astype(np.float32) * np.float32(1e-3)
    _, a, b = _COMPRESSED_HEADER.unpack_from(content)
    known = values > 0
    inverse = np.where(known, values.astype(np.float32) - np.float32(b), np.float32(1))
    return np.where(known & (inverse != 0), np.float32(a) / inverse, np.float32(0))

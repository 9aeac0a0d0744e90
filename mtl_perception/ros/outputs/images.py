# SPDX-License-Identifier: Apache-2.0
"""Mask, depth and overlay to messages."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.lifecycle import LifecyclePublisher
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.core.drawing import draw_overlay
from mtl_perception.core.scene import Detections, Scene
from mtl_perception.ros.outputs.calibration import write_camera_info
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.writer import EVERY_TASK, Result, Writer
from mtl_perception.spatial.depth_fusion import Source
from mtl_perception.spatial.points import on_grid


class ImageWriter(Writer):
    """One ``sensor_msgs/Image`` that is filled again for every frame."""

    def __init__(self, publisher: LifecyclePublisher) -> None:
        super().__init__(publisher)
        self._message = Image()

    def image(self, header: Header, encoding: str, pixels: np.ndarray) -> Image:
        """(H, W) or (H, W, C) little-endian pixels as a message without row padding, good until the next call.

        The message refers to the pixels, so that only publishing copies them: the setter of ``data`` would copy them
        once more, and byte by byte unless they were an ``array.array``.
        """
        message, pixels = self._message, np.ascontiguousarray(pixels)
        message.header, message.encoding = header, encoding
        message.height, message.width = pixels.shape[:2]
        message.step = pixels.strides[0]
        message._data = pixels.reshape(-1).view(np.uint8)
        return message


class MaskWriter(ImageWriter):
    """mono8: class ids, 255 where there is none; on the grid of the stride."""

    label_info = Topic("segmentation/label_info", LabelInfo, "classes of `segmentation/mask`", ("segmentation",), is_latched=True)
    topic = Topic("segmentation/mask", Image, "class ids, 255 where there is none (mono8)", ("segmentation",), "camera")

    def __init__(self, publisher: LifecyclePublisher, stride: int) -> None:
        super().__init__(publisher)
        self._stride = stride

    def fill(self, result: Result) -> Image | None:
        segmentation = result.scene.segmentation
        if segmentation is None:
            return None
        return self.image(result.header, "mono8", on_grid(segmentation.mask, self._stride))


class ConfidenceWriter(MaskWriter):
    """mono8: probability of the mask's class, 0 to 255; on the grid of the stride."""

    topic = Topic("segmentation/confidence", Image, "probability of the mask's class, 0 to 255 (mono8)", ("segmentation",), "camera")

    def fill(self, result: Result) -> Image | None:
        segmentation = result.scene.segmentation
        if segmentation is None:
            return None
        return self.image(result.header, "mono8", on_grid(segmentation.confidence, self._stride))


class DepthWriter(ImageWriter):
    """REP 118: metres as 32FC1, NaN where unknown; or millimetres as 16UC1, 0 where unknown."""

    topic = Topic("depth/image_rect", Image, "metres along the optical axis (32FC1), or millimetres (16UC1): REP 118", ("depth",), "camera")

    def __init__(self, publisher: LifecyclePublisher, encoding: str) -> None:
        super().__init__(publisher)
        self._encoding = encoding

    def fill(self, result: Result) -> Image | None:
        depth = result.scene.depth
        if depth is None:
            return None
        pixels = depth.depth_m if self._encoding == "32FC1" else depth_to_millimetres(depth.depth_m)
        return self.image(result.header, self._encoding, pixels)


class DepthSourceWriter(ImageWriter):
    """mono8: where each pixel's depth is from: 0 nowhere, 1 the network, 2 the sensor (``Source``)."""

    topic = Topic(
        "depth/source",
        Image,
        "where each pixel's depth is from: 0 nowhere, 1 the network, 2 the sensor (mono8)",
        ("depth",),
        "camera",
        missing_when="depth.source is network",
    )

    def fill(self, result: Result) -> Image | None:
        fused, depth = result.frame.fused, result.scene.depth
        if depth is None:
            return None
        source = (depth.depth_m > 0).view(np.uint8) * np.uint8(Source.NETWORK) if fused is None else fused.source
        return self.image(result.header, "mono8", source)


class DepthInfoWriter(Writer):
    """The depth image's CameraInfo; nothing while the camera is not calibrated."""

    topic = Topic("depth/camera_info", CameraInfo, "calibration of the depth image", ("depth",), "camera")

    def fill(self, result: Result) -> CameraInfo | None:
        if result.scene.depth is None or result.intrinsics is None:
            return None
        return write_camera_info(result.intrinsics, result.header)


class OverlayWriter(ImageWriter):
    """rgb8: boxes, mask and depth drawn over the image."""

    topic = Topic("overlay", Image, "boxes, mask and depth drawn over the image (rgb8)", frame="camera")
    tasks = (EVERY_TASK,)

    def __init__(self, publisher: LifecyclePublisher, card: Any) -> None:
        super().__init__(publisher)
        self._card = card

    def fill(self, result: Result) -> Image:
        ids = None if result.tracks is None else result.tracks.detection_ids
        return self.image(result.header, "rgb8", draw_overlay(result.image_rgb, result.scene, self._card, ids))

    def warm_up(self) -> None:
        """Draw once: OpenCV loads its font then, which would cost the first frame 0.15 s."""
        one = Detections(np.array([[8, 24, 56, 56]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
        scene = Scene(64, 64, detections=one if self._card.detection_labels else None)
        draw_overlay(np.zeros((64, 64, 3), np.uint8), scene, self._card)

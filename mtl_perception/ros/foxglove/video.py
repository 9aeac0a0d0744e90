# SPDX-License-Identifier: Apache-2.0
"""Cameras that send video, for viewers: pictures as the node sees them.

Packets could go on as they are, but a viewer that is too slow for all of them would see nothing, and none can show reordered pictures.
"""

from __future__ import annotations

import time
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy

from mtl_perception.core.image_files import MAX_PIXELS
from mtl_perception.ros.foxglove import schemas
from mtl_perception.ros.node.frames import FrameCounts
from mtl_perception.ros.node.video import VIDEO_DEPTH, VIDEO_TRANSPORTS, PictureView, VideoInput, require_transport, transport_of

VIDEO_QOS = QoSProfile(depth=VIDEO_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)


def readable_video() -> dict[str, type]:
    """Types of video messages that can be read here, by name."""
    found = {}
    for name, transport in VIDEO_TRANSPORTS.items():
        try:
            require_transport(name)
        except ValueError:
            continue
        found[transport.type_name] = transport.message_type
    return found


class VideoPictures:
    """The packets of one topic to pictures. ``newest`` wants every packet, ``shown`` those pictures that are shown."""

    def __init__(self, type_name: str) -> None:
        transport = transport_of(type_name)
        assert transport is not None, type_name
        self._input = VideoInput(transport, MAX_PIXELS, FrameCounts())

    def newest(self, serialised: bytes) -> PictureView | None:
        """The newest picture that is ready with this packet. Raises ConversionError for what is no video."""
        frames = self._input.frames(serialised, time.monotonic())
        return VideoInput.view(frames[-1]) if frames else None

    def lose(self) -> None:
        """Packets were not received."""
        self._input.lose()

    @staticmethod
    def shown(view: PictureView) -> Any:
        """The picture as JPEG."""
        return schemas.picture(view, view.picture.to_rgb())

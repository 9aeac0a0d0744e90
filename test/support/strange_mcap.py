# SPDX-License-Identifier: Apache-2.0
"""MCAP files as others write them: with foreign channels, without an index, with checksums."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
from mcap.writer import CompressionType, Writer
from small_bags import START_NS, camera_message, picture, typestore

IMAGE_TOPIC = "/camera/image_raw/compressed"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"


class StrangeMcap:
    """A file being written: the drive's JPEGs at 10 Hz, and whatever else is put beside them."""

    def __init__(self, path: Path, profile: str = "ros2", **options) -> None:
        options.setdefault("compression", CompressionType.NONE)
        self._stream = path.open("wb")
        self._writer = Writer(self._stream, **options)
        self._writer.start(profile)
        self.store = typestore()

    def __enter__(self) -> StrangeMcap:
        return self

    def __exit__(self, *exception) -> None:
        self._writer.finish()
        self._stream.close()

    def channel(self, topic: str, encoding: str, schema: tuple[str, str, bytes] | None) -> int:
        """Args: schema: name, encoding and data."""
        schema_id = self._writer.register_schema(*schema) if schema is not None else 0
        return self._writer.register_channel(topic, encoding, schema_id)

    def ros_channel(self, topic: str, kind: str) -> int:
        definition, _ = self.store.generate_msgdef(kind, ros_version=2)
        return self.channel(topic, "cdr", (kind, "ros2msg", definition.encode()))

    def put(self, channel: int, frame: int, data: bytes) -> None:
        time_ns = START_NS + frame * 100_000_000
        self._writer.add_message(channel, time_ns, data, time_ns)

    def put_images(self, frames: Iterable[int], channel: int | None = None, form: str = "jpeg") -> int:
        """JPEGs of the drive; gives their channel."""
        channel = self.ros_channel(IMAGE_TOPIC, COMPRESSED_IMAGE) if channel is None else channel
        for frame in frames:
            self.put(channel, frame, jpeg_message(self.store, frame, form))
        return channel


def jpeg_message(store, frame: int, form: str = "jpeg") -> bytes:
    data = cv2.imencode(".jpg", cv2.cvtColor(picture(frame), cv2.COLOR_RGB2BGR))[1].tobytes()
    return bytes(store.serialize_cdr(camera_message(store, frame, form, data), COMPRESSED_IMAGE))

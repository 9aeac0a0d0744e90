# SPDX-License-Identifier: Apache-2.0
"""Camera messages read in place, as DDS delivered them.

A subscription with ``raw=True`` hands over the serialised message. Reading its few fields here and leaving the pixels
where they are saves the two copies of every image that ``deserialize_message`` makes, with the interpreter lock held.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mtl_perception.ros.conversions import ConversionError


@dataclass(frozen=True)
class Stamp:
    """``builtin_interfaces/Time``."""

    sec: int
    nanosec: int

    @property
    def nanoseconds(self) -> int:
        return self.sec * 1_000_000_000 + self.nanosec


@dataclass(frozen=True)
class ImageView:
    """The fields of ``sensor_msgs/Image``; ``data`` is a view into the serialised message."""

    stamp: Stamp
    frame_id: str
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


@dataclass(frozen=True)
class CompressedImageView:
    """The fields of ``sensor_msgs/CompressedImage``; ``data`` is a view into the serialised message."""

    stamp: Stamp
    frame_id: str
    format: str
    data: memoryview


def read_image(serialised: bytes) -> ImageView:
    """A serialised ``sensor_msgs/Image``. Raises ConversionError when it ends early or is not plain CDR."""
    read = _Reader(serialised)
    return ImageView(
        stamp=read.stamp(),
        frame_id=read.string(),
        height=read.uint32(),
        width=read.uint32(),
        encoding=read.string(),
        is_bigendian=read.uint8(),
        step=read.uint32(),
        data=read.octets(),
    )


def read_compressed_image(serialised: bytes) -> CompressedImageView:
    """A serialised ``sensor_msgs/CompressedImage``. Raises ConversionError when it ends early or is not plain CDR."""
    read = _Reader(serialised)
    return CompressedImageView(stamp=read.stamp(), frame_id=read.string(), format=read.string(), data=read.octets())


class _Reader:
    """Common Data Representation: values aligned to their size, counted from behind the 4 bytes of encapsulation."""

    def __init__(self, serialised: bytes) -> None:
        if len(serialised) < 4 or serialised[0] != 0 or serialised[1] not in (0, 1):
            raise ConversionError(
                f"message starts with the bytes {serialised[:4].hex(' ')}, expected the encapsulation of plain CDR (00 00 or 00 01)"
            )
        self._body = memoryview(serialised)[4:]
        self._order = "<" if serialised[1] else ">"
        self._at = 0

    def uint8(self) -> int:
        return self._take("B", 1)

    def uint32(self) -> int:
        return self._take("I", 4)

    def stamp(self) -> Stamp:
        return Stamp(self._take("i", 4), self._take("I", 4))

    def string(self) -> str:
        """Characters are not checked further: a name that nobody knows is the conversion's business."""
        return bytes(self.octets()).rstrip(b"\0").decode(errors="replace")

    def octets(self) -> memoryview:
        size = self.uint32()
        start, self._at = self._at, self._at + size
        if self._at > len(self._body):
            raise ConversionError(f"message ends after {len(self._body)} bytes, expected at least {self._at}")
        return self._body[start : self._at]

    def _take(self, code: str, size: int) -> int:
        start = self._at + -self._at % size
        self._at = start + size
        if self._at > len(self._body):
            raise ConversionError(f"message ends after {len(self._body)} bytes, expected at least {self._at}")
        return struct.unpack_from(self._order + code, self._body, start)[0]

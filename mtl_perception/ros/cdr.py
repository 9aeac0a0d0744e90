# SPDX-License-Identifier: Apache-2.0
"""Messages as they travel: Common Data Representation, read and written in place.

A subscription with ``raw=True`` hands over the serialised message, and ``publish`` takes one. Reading and writing
the few fields around the pixels here saves copies of every image on either side, made with the interpreter lock
held, and the building of fifty detection objects (measured by benchmarks/node_overhead.py).

Every value is aligned to its own size, counted from behind the four bytes of encapsulation.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from std_msgs.msg import Header

from mtl_perception.ros.conversions import ConversionError
from mtl_perception.scene import Detections


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
    """A serialised ``sensor_msgs/CompressedImage``. Raises ConversionError as ``read_image`` does."""
    read = _Reader(serialised)
    return CompressedImageView(
        stamp=read.stamp(), frame_id=read.string(), format=read.string(), data=read.octets()
    )


def read_transforms(serialised: bytes) -> Iterator[tuple[Stamp, str, str, tuple[float, ...]]]:
    """The transforms of a serialised ``tf2_msgs/TFMessage``: stamp, parent, child, x y z of the position and x y z w of the
    rotation. Raises ConversionError as ``read_image`` does.

    A robot with many joints sends thousands a second; building message objects of them would take a tenth of a core.
    """
    read = _Reader(serialised)
    for _ in range(read.uint32()):
        yield read.stamp(), read.string(), read.string(), read.doubles(7)


def pack_header(header: Header) -> bytes:
    """A ``std_msgs/Header`` inside a message, padded for what follows; the same for every output of a frame."""
    return padded(struct.pack("<iI", header.stamp.sec, header.stamp.nanosec) + pack_string(header.frame_id), 4)


def write_image(header: bytes, encoding: str, pixels: np.ndarray) -> bytes:
    """A serialised ``sensor_msgs/Image`` without row padding, of (H, W) or (H, W, C) little-endian pixels.

    ``header`` comes from ``pack_header``.
    """
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    is_bigendian = b"\0"
    before = header + pack_uint32s(height, width) + pack_string(encoding) + is_bigendian
    sizes = pack_uint32s(pixels.strides[0], pixels.nbytes)
    return b"".join((LITTLE_ENDIAN, padded(before, 4), sizes, pixels.data.cast("B")))


def write_detections(
    header: bytes, detections: Detections, labels: Sequence[str], ids: Sequence[str] | None = None
) -> bytes:
    """A serialised ``vision_msgs/Detection2DArray``; a class's name is its ``class_id``.

    ``header`` comes from ``pack_header``; ``ids`` has one for each detection, and without it they are empty.
    """
    packed_ids = [_NO_ID] * len(detections) if ids is None else [padded(pack_string(id), 4) for id in ids]
    names = [padded(pack_string(label), 4) for label in labels]
    start_of_one = header + pack_uint32s(1)  # one result to follow
    message = bytearray(LITTLE_ENDIAN + header + pack_uint32s(len(detections)))
    rows = zip(detections.boxes_xyxy.tolist(), detections.scores.tolist(), detections.class_ids.tolist())
    for ((x1, y1, x2, y2), score, class_id), packed_id in zip(rows, packed_ids):
        message += start_of_one
        message += names[class_id]
        message += bytes(-(len(message) - len(LITTLE_ENDIAN)) % 8)
        message += _DETECTION.pack(score, _NO_POSE, (x1 + x2) / 2, (y1 + y2) / 2, 0.0, x2 - x1, y2 - y1)
        message += packed_id
    return bytes(message)


LITTLE_ENDIAN = b"\0\1\0\0"
"""The encapsulation that every serialised message starts with."""

_NO_POSE = struct.pack("<7d", 0, 0, 0, 0, 0, 0, 1) + bytes(36 * 8)  # position, orientation, covariance
_NO_ID = struct.pack("<I", 1) + bytes(4)  # the end of an empty string, and three bytes up to the next value
_DETECTION = struct.Struct("<d344s5d")  # score, pose, centre x and y, theta, size x and y


def pack_uint32s(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def pack_string(text: str) -> bytes:
    """Its length with the closing zero, and the characters."""
    characters = text.encode() + b"\0"
    return pack_uint32s(len(characters)) + characters


def padded(values: bytes, size: int) -> bytes:
    """What lies before a value of ``size`` bytes."""
    return values + bytes(-len(values) % size)


class _Reader:
    """Takes one value after the other."""

    def __init__(self, serialised: bytes) -> None:
        if len(serialised) < 4 or serialised[0] != 0 or serialised[1] not in (0, 1):
            raise ConversionError(
                f"message starts with the bytes {serialised[:4].hex(' ')}, "
                "expected the encapsulation of plain CDR (00 00 or 00 01)"
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

    def doubles(self, count: int) -> tuple[float, ...]:
        start = self._at + -self._at % 8
        self._at = start + 8 * count
        if self._at > len(self._body):
            raise ConversionError(f"message ends after {len(self._body)} bytes, expected at least {self._at}")
        return struct.unpack_from(f"{self._order}{count}d", self._body, start)

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

# SPDX-License-Identifier: Apache-2.0
"""Messages as they travel: Common Data Representation, read and written in place.

A subscription with ``raw=True`` hands over the serialised message, and ``publish`` takes one. Reading the few fields
around the pixels here saves a copy of every image, made with the interpreter lock held, and writing detections here
the building of fifty objects (measured by ros/benchmark/node_overhead.py). Images go out as messages, see ``images.py``.

Every value is aligned to its own size, counted from behind the four bytes of encapsulation.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from std_msgs.msg import Header

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.video import THEORA, PacketHeader, VideoPacket


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


@dataclass(frozen=True)
class RegionView:
    """``sensor_msgs/RegionOfInterest``."""

    x_offset: int
    y_offset: int
    height: int
    width: int


@dataclass(frozen=True)
class CameraInfoView:
    """The fields of ``sensor_msgs/CameraInfo`` that say what the image shows."""

    stamp: Stamp
    frame_id: str
    height: int
    width: int
    distortion_model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]
    binning_x: int
    binning_y: int
    roi: RegionView


@dataclass(frozen=True)
class LaserScanView:
    """The fields of ``sensor_msgs/LaserScan`` that say where something is; ``ranges_m`` is (N,) float32."""

    stamp: Stamp
    frame_id: str
    angle_min: float
    angle_increment: float
    range_min_m: float
    range_max_m: float
    ranges_m: np.ndarray


def read_stamp(serialised: bytes) -> Stamp:
    """The stamp of a serialised message that begins with a header. Raises ConversionError as ``read_image`` does."""
    return _Reader(serialised).stamp()


def read_image(serialised: bytes) -> ImageView:
    """A serialised ``sensor_msgs/Image``. Raises ConversionError when it ends early, is not plain CDR or has no usable frame_id."""
    read = _Reader(serialised)
    stamp, frame_id = read.stamp(), read.frame_id()
    height, width = read.fields("II", 8)
    return ImageView(stamp, frame_id, height, width, read.string(), read.uint8(), read.uint32(), read.octets())


def read_compressed_image(serialised: bytes) -> CompressedImageView:
    """A serialised ``sensor_msgs/CompressedImage``. Raises ConversionError as ``read_image`` does."""
    read = _Reader(serialised)
    return CompressedImageView(stamp=read.stamp(), frame_id=read.frame_id(), format=read.string(), data=read.octets())


def read_ffmpeg_packet(serialised: bytes) -> VideoPacket:
    """A serialised ``ffmpeg_image_transport_msgs/FFMPEGPacket``. Raises ConversionError as ``read_image`` does."""
    read = _Reader(serialised)
    header = PacketHeader(read.stamp(), read.frame_id())
    read.fields("ii", 8)  # size of the image that was encoded
    codec = read.string().partition(";")[0]  # behind it, the pixel formats on the way there
    (pts,) = read.fields("Q", 8, 8)
    read.fields("BB", 2, 1)
    return VideoPacket(header, codec, pts, read.octets())


def read_compressed_video(serialised: bytes) -> VideoPacket:
    """A serialised ``foxglove_msgs/CompressedVideo``. Raises ConversionError as ``read_image`` does."""
    read = _Reader(serialised)
    header, data = PacketHeader(read.stamp(), read.frame_id()), read.octets()
    return VideoPacket(header, read.string(), None, data)


def read_theora_packet(serialised: bytes) -> VideoPacket:
    """A serialised ``theora_image_transport/Packet``. Raises ConversionError as ``read_image`` does."""
    read = _Reader(serialised)
    header, data = PacketHeader(read.stamp(), read.frame_id()), read.octets()
    read.fields("ii", 8)  # whether the stream begins or ends here
    _, number = read.fields("qq", 16, 8)  # behind the time in the stream
    return VideoPacket(header, THEORA, number, data)


def read_camera_info(serialised: bytes) -> CameraInfoView:
    """A serialised ``sensor_msgs/CameraInfo``. Raises ConversionError as ``read_image`` does.

    The middleware would write a line of its own to the terminal for each that it cannot read.
    """
    read = _Reader(serialised)
    stamp, frame_id = read.stamp(), read.frame_id()
    height, width = read.fields("II", 8)
    model, count = read.string(), read.uint32()
    if count > _MOST_COEFFICIENTS:
        raise ConversionError(f"camera_info has {count} distortion coefficients, expected at most {_MOST_COEFFICIENTS}")
    d, k, r, p = (read.doubles(size) for size in (count, 9, 9, 12))
    binning_x, binning_y, *region = read.fields("6I", 24)
    return CameraInfoView(stamp, frame_id, height, width, model, d, k, r, p, binning_x, binning_y, RegionView(*region))


def read_laser_scan(serialised: bytes) -> LaserScanView:
    """A serialised ``sensor_msgs/LaserScan``. Raises ConversionError as ``read_image`` does."""
    read = _Reader(serialised)
    stamp, frame_id = read.stamp(), read.frame_id()
    angle_min, _, angle_increment, _, _, range_min_m, range_max_m = read.fields("7f", 28)
    return LaserScanView(stamp, frame_id, angle_min, angle_increment, range_min_m, range_max_m, read.floats(read.uint32()))


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


def write_detection_array(header: bytes, names: Sequence[str], numbers: Sequence[bytes], ids: Sequence[str] | None = None) -> bytes:
    """A serialised ``vision_msgs/Detection2DArray`` or ``Detection3DArray``; each detection has one result.

    Args:
        header: from ``pack_header``, of the array and of each detection.
        names: the detections' class names, which are the ``class_id``.
        numbers: what lies between class name and id of each, packed doubles: score, position, orientation and
            covariance of the result, then the box.
        ids: one for each detection, and without it they are empty.
    """
    start, starts = header + pack_uint32s(1), {}  # one result to follow
    packed_ids = [_NO_ID] * len(names) if ids is None else [padded(pack_string(id), 4) for id in ids]
    parts = [LITTLE_ENDIAN, header, pack_uint32s(len(names))]
    at = len(header) + 4
    for name, packed, packed_id in zip(names, numbers, packed_ids):
        key = name, at % 8
        if (before := starts.get(key)) is None:
            before = starts[key] = padded(bytes(at % 8) + start + pack_string(name), 8)[at % 8 :]
        parts += before, packed, packed_id
        at += len(before) + len(packed) + len(packed_id)
    return b"".join(parts)


LITTLE_ENDIAN = b"\0\1\0\0"
"""The encapsulation that every serialised message starts with."""

_LONGEST_FRAME_ID = 255
_MOST_COEFFICIENTS = 14  # of OpenCV's longest model
_NO_ID = struct.pack("<I", 1) + bytes(4)  # the end of an empty string, and three bytes up to the next value


def pack_uint32s(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def pack_string(text: str) -> bytes:
    """Its length with the closing zero, and the characters."""
    characters = text.encode() + b"\0"
    return pack_uint32s(len(characters)) + characters


def padded(values: bytes, size: int) -> bytes:
    """Returns ``values`` with zeros up to a multiple of ``size`` bytes."""
    return values + bytes(-len(values) % size)


class _Reader:
    """Takes one value after the other."""

    def __init__(self, serialised: bytes) -> None:
        if len(serialised) < 4 or serialised[0] != 0 or serialised[1] not in (0, 1):
            raise ConversionError(
                f"message starts with the bytes {serialised[:4].hex(' ')}, expected the encapsulation of plain CDR (00 00 or 00 01)"
            )
        self._body = memoryview(serialised)[4:]
        self._order = "<" if serialised[1] else ">"
        self._at = 0

    def fields(self, codes: str, size: int, alignment: int = 4) -> tuple:
        """Values of one alignment, ``size`` bytes in all."""
        start = self._at + -self._at % alignment
        self._advance(start + size)
        return struct.unpack_from(self._order + codes, self._body, start)

    def uint8(self) -> int:
        return self.fields("B", 1, 1)[0]

    def uint32(self) -> int:
        return self.fields("I", 4)[0]

    def stamp(self) -> Stamp:
        return Stamp(*self.fields("iI", 8))

    def doubles(self, count: int) -> tuple[float, ...]:
        return self.fields(f"{count}d", 8 * count, 8)

    def floats(self, count: int) -> np.ndarray:
        start = self._at + -self._at % 4
        self._advance(start + 4 * count)
        return np.frombuffer(self._body, self._order + "f4", count, start)

    def string(self) -> str:
        """Characters are not checked further: a name that nobody knows is the conversion's business."""
        return bytes(self.octets()).rstrip(b"\0").decode(errors="replace")

    def frame_id(self) -> str:
        """It is copied into every output, once for each detection: no line breaks, and no megabytes."""
        name = self.string()
        if len(name) > _LONGEST_FRAME_ID or not name.isprintable():
            raise ConversionError(f"frame_id is {cut(name)!r}, expected at most {_LONGEST_FRAME_ID} characters that print")
        return name

    def octets(self) -> memoryview:
        size = self.uint32()
        start = self._at
        self._advance(start + size)
        return self._body[start : self._at]

    def _advance(self, end: int) -> None:
        if end > len(self._body):
            raise ConversionError(f"message ends after {len(self._body)} bytes, expected at least {end}")
        self._at = end

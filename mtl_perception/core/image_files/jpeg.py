# SPDX-License-Identifier: Apache-2.0
"""JPEG by libjpeg-turbo, with what it complains of."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import simplejpeg

from mtl_perception.core.image_files.errors import CorruptJpeg, ImageError, refuse_too_large

SIGNATURE = b"\xff\xd8"

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_EXIF, _ADOBE = 0xE1, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame, by kind of coding
_BASELINE = (0xC0, 0xC1)
_METADATA = frozenset([*range(0xE0, 0xEE), 0xEF, 0xFE])  # application data and comments, but not Adobe's: it tells colours

_MOST_SCANS = 32
"""A progressive JPEG has about ten. Each costs a pass over all pixels, so that a hundred kilobytes could take minutes."""

_PADDING = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")
_MOST_PADDING = 8
"""Bytes behind the last pixel: some cameras fill up each frame. Damage leaves hundreds."""

_OF_METADATA = ("Warning: ", "Corrupt JPEG data: bad ICC marker")
_OF_PIXELS = ("Corrupt JPEG data", "Premature end", "Inconsistent progression")


class Header(NamedTuple):
    """Size in pixels; ``scans`` tells whether the data may come in more than one."""

    width: int
    height: int
    scans: bool


def read_header(data: bytes) -> Header:
    """Raises ImageError where the segments before the pixels are not those of a JPEG."""
    frame = None
    for marker, start, end in _segments(data):
        if marker in _FRAMES and end - start >= 6:
            height, width, components = struct.unpack_from(">HHB", data, start + 1)
            frame = marker, width, height, components
        elif marker == _START_OF_SCAN and frame is not None:
            marker, width, height, components = frame
            if not width or not height:
                raise ImageError(f"{_name(data)} is of {width}x{height}, expected at least one pixel")
            return Header(width, height, marker not in _BASELINE or data[start] < components)
    raise ImageError(f"{_name(data)} is damaged: it says no size")


def decode_rgb(data: bytes, max_pixels: int, on_damage: Callable[[str], None] | None = None) -> np.ndarray:
    """(H, W, 3) uint8 RGB.

    Args:
        data: a file; what follows behind its end is not looked at.
        max_pixels: more are refused.
        on_damage: told what is wrong with a damaged JPEG, which is then decoded all the same; without it that is an error.

    Raises:
        TooLarge, CorruptJpeg, ImageError: it is truncated, or of a kind that libjpeg-turbo does not know.
    """
    header = read_header(data)
    refuse_too_large("JPEG", header.width, header.height, max_pixels)
    if header.scans and (scans := data.count(bytes((0xFF, _START_OF_SCAN)))) > _MOST_SCANS:
        raise ImageError(f"{_name(data)} has {scans} scans, expected at most {_MOST_SCANS}")
    pixels, complaint = _decode(data)
    if pixels is None and complaint.startswith(_OF_METADATA):
        data = _without_metadata(data)
        pixels, complaint = _decode(data)
    if pixels is not None:
        return pixels
    padding = _PADDING.fullmatch(complaint)
    if padding is None or int(padding[1]) > _MOST_PADDING:
        _refuse(data, complaint, on_damage)
    pixels, complaint = _decode(data, strict=False)
    if pixels is None:
        raise ImageError(f"{_name(data)} can't be decoded ({complaint})")
    return pixels


def exif(data: bytes) -> bytes:
    """The TIFF structure of its EXIF segment; empty if there is none."""
    for marker, start, end in _segments(data):
        if marker == _EXIF and data.startswith(b"Exif\0\0", start):
            return data[start + 6 : end]
    return b""


def _refuse(data: bytes, complaint: str, on_damage: Callable[[str], None] | None) -> None:
    end = data.rfind(bytes((0xFF, _END_OF_IMAGE)))
    if end < data.rfind(bytes((0xFF, _START_OF_SCAN))):
        raise ImageError(f"{_name(data)} is truncated: its end-of-image marker is missing")
    if not complaint.startswith(_OF_PIXELS):
        raise ImageError(f"{_name(data)} is damaged or of a rare kind, it can't be decoded ({complaint})")
    if on_damage is None:
        raise CorruptJpeg(f"{_name(data)} is damaged ({complaint})")
    on_damage(complaint)


def _decode(data: bytes, strict: bool = True) -> tuple[np.ndarray | None, str]:
    try:
        return simplejpeg.decode_jpeg(data, "RGB", strict=strict), ""
    except KeyError as error:
        return None, f"unknown colour space {error}"
    except ValueError as error:
        return None, str(error)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of the content of each segment up to the first scan's header."""
    at = len(SIGNATURE)
    while True:
        begin = at
        while data.startswith(b"\xff", at):  # any number of them may fill up
            at += 1
        start = at + 3
        if start > len(data):
            raise ImageError(f"{_name(data)} is truncated: it ends before its first pixel")
        marker, length = struct.unpack_from(">BH", data, at)
        if at == begin or length < 2:
            raise ImageError(f"{_name(data)} is damaged: no segment begins at byte {begin}")
        at += 1 + length
        if at > len(data):
            raise ImageError(f"{_name(data)} is truncated: it ends within a segment that begins at byte {begin}")
        yield marker, start, at
        if marker == _START_OF_SCAN:
            return


def _without_metadata(data: bytes) -> bytes:
    """The same pixels without the segments that TurboJPEG stumbles over: ICC profiles in parts, odd versions of JFIF."""
    kept, scan = [SIGNATURE], len(data)
    for marker, start, end in _segments(data):
        if marker == _START_OF_SCAN:
            scan = start - 4
        elif marker not in _METADATA:
            kept.append(data[start - 4 : end])
    return b"".join([*kept, data[scan:]])


def _name(data: bytes) -> str:
    return f"JPEG of {len(data)} bytes"

# SPDX-License-Identifier: Apache-2.0
"""PNG, of checked and necessary chunks alone."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from mtl_perception.core.image_files.errors import ImageError, refuse_too_large

SIGNATURE = b"\x89PNG\r\n\x1a\n"

GREY, PALETTE = 0, 3
_COLOR_TYPES = {GREY: "grey", 2: "RGB", PALETTE: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_BIT_DEPTHS = {GREY: (1, 2, 4, 8, 16), 2: (8, 16), PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}

_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_ANCILLARY = 0x20  # set in the first letter of a chunk that a reader may skip
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Header(NamedTuple):
    """Size in pixels, bits of a sample, and what the samples mean."""

    width: int
    height: int
    bits: int
    color_type: int

    @property
    def kind(self) -> str:
        return f"a PNG of {self.bits} bit{'s' * (self.bits > 1)}, {_COLOR_TYPES[self.color_type]}"


def read_header(data: bytes) -> Header:
    """Raises ImageError where the first chunk is no header of a PNG."""
    if len(data) < 33:
        raise ImageError(f"{_name(data)} is truncated: it ends within its header")
    if data[8:16] != b"\0\0\0\x0dIHDR":
        raise ImageError(f"{_name(data)} is damaged: it does not begin with a header")
    width, height, bits, color_type = struct.unpack_from(">IIBB", data, 16)
    if not width or not height:
        raise ImageError(f"{_name(data)} is of {width}x{height}, expected at least one pixel")
    if bits not in _BIT_DEPTHS.get(color_type, ()):
        raise ImageError(f"{_name(data)} is damaged: its header has {bits} bits and the colour type {color_type}")
    return Header(width, height, bits, color_type)


def decode_rgb(data: bytes, max_pixels: int, quiet: bool) -> np.ndarray:
    """(H, W, 3) uint8 RGB, or of a grey one with 16 bits (H, W) uint16.

    Args:
        quiet: as in ``_pixels``.

    Raises:
        TooLarge, ImageError: it is truncated or damaged.
    """
    header = read_header(data)
    refuse_too_large("PNG", header.width, header.height, max_pixels)
    as_stored = (header.color_type, header.bits) == (GREY, 16)
    return _pixels(_sound(data, header), data, as_stored, quiet)


def decode_unscaled(data: bytes, max_pixels: int, quiet: bool) -> np.ndarray:
    """(H, W) uint8 or uint16 of a grey or palette PNG: the numbers as they are stored, or those of the palette's entries.

    Raises:
        TooLarge, ImageError: it is truncated or damaged.
    """
    header = read_header(data)
    refuse_too_large("PNG", header.width, header.height, max_pixels)
    values = _pixels(_sound(data, header, as_grey=True), data, True, quiet)
    # Less than eight bits come spread over 0 to 255.
    return values // np.uint8(255 // (2**header.bits - 1)) if header.bits < 8 else values


def exif(data: bytes) -> bytes:
    """The TIFF structure of its EXIF chunk; empty if there is none."""
    return next((data[start:end] for kind, start, end in _chunks(data) if kind == b"eXIf"), b"")


def _pixels(sound: bytes, data: bytes, as_stored: bool, quiet: bool) -> np.ndarray:
    """Grey as it is stored, or RGB of eight bits.

    Args:
        sound: the chunks of the file ``data`` that make the pixels.
        quiet: by Pillow, which takes a fifth longer than OpenCV. On a file whose checksums are right and whose content is
            not, OpenCV's libpng writes a line to the terminal.
    """
    try:
        if not quiet:
            return _by_opencv(sound, as_stored)
        with Image.open(io.BytesIO(sound), formats=("PNG",)) as image:
            return _by_pillow(image, as_stored)
    except Exception as error:  # Pillow's readers raise what they like
        raise ImageError(f"{_name(data)} is damaged, it can't be decoded ({error})") from None


def _by_opencv(sound: bytes, as_stored: bool) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(sound, np.uint8), cv2.IMREAD_UNCHANGED if as_stored else cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("its checksums are right and its content is not")
    return pixels if as_stored else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)


def _by_pillow(image: Image.Image, as_stored: bool) -> np.ndarray:
    if not as_stored:
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    return np.asarray(image).astype(np.uint16, copy=False)


def _sound(data: bytes, header: Header, as_grey: bool = False) -> bytes:
    """The chunks that make the pixels, each found to be what its checksum says; ``as_grey``: without palette, so that its
    entries' numbers are the pixels."""
    view = memoryview(data)
    kept = [SIGNATURE]
    kinds = set()
    for kind, start, end in _chunks(data):
        if kind in _NEEDED:
            (checksum,) = struct.unpack_from(">I", data, end)
            if zlib.crc32(view[start - 4 : end]) != checksum:
                raise ImageError(f"{_name(data)} is damaged: its {kind.decode()} chunk at byte {start - 8} fails its checksum")
            kept.append(view[start - 8 : end + 4])
            kinds.add(kind)
        elif not kind[0] & _ANCILLARY:
            raise ImageError(f"{_name(data)} is of a rare kind: it needs a chunk {kind.decode()}")
    if header.color_type == PALETTE and b"PLTE" not in kinds:
        raise ImageError(f"{_name(data)} is damaged: its palette is missing")
    if header.color_type == PALETTE and as_grey:
        grey = b"IHDR" + data[16:25] + bytes((GREY,)) + data[26:29]
        kept[1] = data[8:12] + grey + struct.pack(">I", zlib.crc32(grey))
        kept = [one for one in kept if one[4:8] != b"PLTE"]
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each chunk, up to the last one, IEND."""
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise ImageError(f"{_name(data)} is truncated: its IEND chunk is missing")
        length, kind = struct.unpack_from(">I4s", data, at)
        start, end = at + 8, at + 8 + length
        if not _LETTERS.issuperset(kind):
            raise ImageError(f"{_name(data)} is damaged: no chunk begins at byte {at}")
        if end + 4 > len(data):
            raise ImageError(f"{_name(data)} is truncated: its {kind.decode()} chunk at byte {at} has {length} bytes")
        yield kind, start, end
        at = end + 4


def _name(data: bytes) -> str:
    return f"PNG of {len(data)} bytes"

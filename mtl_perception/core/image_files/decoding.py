# SPDX-License-Identifier: Apache-2.0
"""Pictures by what their first bytes say that they are."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import ModuleType

import numpy as np

from mtl_perception.core.image_files import jpeg, png
from mtl_perception.core.image_files.errors import ImageError, WrongKind
from mtl_perception.core.image_files.sixteen_bits import AUTO, to_8_bit

MAX_PIXELS = 16_000_000
"""Of a camera's image, unless the parameter ``input.max_pixels`` says otherwise."""

MAX_FILE_PIXELS = 50_000_000
"""Of a photograph in a file, which is decoded once where a camera's images come thirty times a second."""

_ORIENTATION, _SHORT = 0x0112, 3

# What else people call pictures: where it stands, how it begins, its name.
_OTHERS = (
    (0, b"GIF8", "a GIF"),
    (0, b"BM", "a BMP"),
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (8, b"WEBP", "a WebP"),
    (4, b"ftyp", "a HEIC, an AVIF or a film"),
    (4, b"jP  ", "a JPEG 2000"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR"),
)


def decode_rgb(
    data: bytes,
    max_pixels: int = MAX_PIXELS,
    white: int | str = AUTO,
    on_damage: Callable[[str], None] | None = None,
    quiet: bool = True,
) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a JPEG or PNG, perhaps read-only; transparency is left out, orientation not applied.

    Args:
        data: the file.
        max_pixels: more are refused.
        white: of a grey PNG with 16 bits, as in ``to_8_bit``.
        on_damage: told what is wrong with a damaged JPEG, which is then decoded all the same; without it that is an error.
        quiet: False decodes PNG a fifth faster; libpng then writes a line to the terminal about a file whose checksums are
            right and whose content is not.

    Raises:
        WrongKind, TooLarge, CorruptJpeg, ImageError: it is truncated or damaged.
    """
    if _reader(data) is jpeg:
        return jpeg.decode_rgb(data, max_pixels, on_damage)
    pixels = png.decode_rgb(data, max_pixels, quiet)
    return np.repeat(to_8_bit(pixels, white)[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def decode_label_map(data: bytes, bits: int, max_pixels: int = MAX_PIXELS, quiet: bool = True) -> np.ndarray:
    """(H, W) uint8 or uint16: the numbers in a PNG as they are stored, grey or palette.

    Args:
        bits: 8, for which one of 1, 2 or 4 will do too, or 16, which must be grey.
        quiet: as in ``decode_rgb``.

    Raises:
        WrongKind, TooLarge, ImageError: it is truncated or damaged.
    """
    if _reader(data) is not png:
        raise WrongKind("it is a JPEG, whose compression changes numbers, expected a PNG")
    header = png.read_header(data)
    if bits == 16 and (header.color_type, header.bits) != (png.GREY, 16):
        raise WrongKind(f"it is {header.kind}, expected a grey PNG of 16 bits")
    if bits == 8 and (header.color_type not in (png.GREY, png.PALETTE) or header.bits > 8):
        raise WrongKind(f"it is {header.kind}, expected a grey or palette PNG of 8 bits or less")
    return png.decode_unscaled(data, max_pixels, quiet)


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header alone.

    Raises:
        ImageError: it is no JPEG or PNG, or its header is damaged.
    """
    header = _reader(data).read_header(data)
    return header.width, header.height


def orientation(data: bytes) -> int:
    """EXIF's orientation: 1 as stored, 3 upside down, 6 and 8 on its side, the others mirrored; 1 where it says none.

    Raises:
        ImageError: it is no JPEG or PNG, or damaged.
    """
    tiff = _reader(data).exif(data)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, at)
        for entry in range(entries):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, at + 2 + 12 * entry)
            if (tag, kind) == (_ORIENTATION, _SHORT) and 1 <= value <= 8:
                return value
    except struct.error:  # it ends early: readers that turn pictures can't tell either
        pass
    return 1


def _reader(data: bytes) -> ModuleType:
    if data.startswith(jpeg.SIGNATURE):
        return jpeg
    if data.startswith(png.SIGNATURE):
        return png
    for at, magic, name in _OTHERS:
        if data.startswith(magic, at):
            raise WrongKind(f"it is {name}, expected a JPEG or PNG")
    raise ImageError(f"it starts with the bytes {data[:4].hex(' ') or '(none)'}, expected a JPEG or PNG")

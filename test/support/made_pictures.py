# SPDX-License-Identifier: Apache-2.0
"""Pictures as bytes, put together by hand where no encoder would write them."""

import struct
import zlib
from collections.abc import Iterable

import cv2
import numpy as np

GREY, RGB, PALETTE = 0, 2, 3
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def smooth(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 RGB that compresses as a photograph does."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg(rgb: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(".jpg", rgb[..., ::-1] if rgb.ndim == 3 else rgb, options)[1].tobytes()


def png(values: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(".png", values[..., ::-1] if values.ndim == 3 else values, options)[1].tobytes()


def segment(marker: int, content: bytes) -> bytes:
    """One of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """The JPEG ``data`` with a segment more, in front of the others."""
    return data[:2] + segment(marker, content) + data[2:]


def exif(orientation: int) -> bytes:
    """The TIFF structure that holds EXIF's orientation alone."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def chunk(kind: bytes, content: bytes) -> bytes:
    """One of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_chunks(
    width: int, height: int, bits: int, color_type: int, rows: bytes, between: Iterable[bytes] = (), interlace: int = 0
) -> bytes:
    """A PNG of ``rows``, each with its filter's number in front; ``between`` header and rows stand other chunks."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, interlace))
    return b"".join([SIGNATURE, header, *between, chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")])


def bomb(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel, all black: a byte of it holds thousands of pixels."""
    return png_of_chunks(width, height, 1, GREY, bytes((width + 7) // 8 + 1) * height)


def packed_rows(values: np.ndarray, bits: int) -> bytes:
    """Rows of a PNG with less than eight bits a pixel."""
    rows = []
    for row in values:
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(b"\0" + int(text, 2).to_bytes(len(text) // 8, "big"))
    return b"".join(rows)


def palette(entries: int) -> bytes:
    """A palette whose entry k is (k, 2 k, 3 k) modulo 256."""
    return chunk(b"PLTE", bytes(value % 256 for k in range(entries) for value in (k, 2 * k, 3 * k)))

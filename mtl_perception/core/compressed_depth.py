# SPDX-License-Identifier: Apache-2.0
"""Depth as ``compressed_depth_image_transport`` puts it into a ``sensor_msgs/CompressedImage``: twelve bytes of parameters, then a PNG."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_files import MAX_PIXELS, ImageError, TooLarge
from mtl_perception.core.image_files.png import GREY, decode_unscaled, read_header
from mtl_perception.core.image_messages import ConversionError

MILLIMETRES = "16UC1; compressedDepth png"
"""Format of what ``encode_compressed_depth`` makes."""

_HEADER = struct.Struct("<iff")
"""Kind of compression, and two parameters of 32FC1's quantisation, depth = a / (value - b)."""


def encode_compressed_depth(depth_m: np.ndarray) -> bytes:
    """Data of a message of the format ``MILLIMETRES``; (H, W) metres, unknown where not finite or not positive."""
    png = cv2.imencode(".png", depth_to_millimetres(depth_m), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    return _HEADER.pack(0, 0.0, 0.0) + png.tobytes()


def decode_compressed_depth(format_: str, data: memoryview | bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The depth of a ``compressedDepth`` message, (H, W) float32 metres, 0 or NaN where unknown.

    The PNG holds millimetres for 16UC1, quantised inverse depth for 32FC1.

    Raises:
        ConversionError: another encoding or compression, too many pixels, or no PNG.
    """
    encoding = format_.partition(";")[0].strip()
    if encoding not in ("16UC1", "mono16", "32FC1"):
        raise ConversionError(
            f"compressed depth has the format {cut(format_)!r}, expected 16UC1 or 32FC1, such as '16UC1; compressedDepth png'"
        )
    content = bytes(data)
    png = content[_HEADER.size :]
    if not png.startswith(b"\x89PNG") or len(png) < 24:
        raise ConversionError("compressed depth holds no PNG behind its 12 bytes of parameters, expected compressedDepth with png")
    try:
        if read_header(png).color_type != GREY:
            raise ConversionError("compressed depth is in colours, expected a grey PNG")
        values = decode_unscaled(png, max_pixels, quiet=True)
    except TooLarge as error:
        raise ConversionError(f"{error}; raise input.max_pixels if the sensor has so many") from None
    except ImageError as error:
        raise ConversionError(f"compressed depth can't be decoded: {error}") from None
    if encoding != "32FC1":
        return values.astype(np.float32) * np.float32(1e-3)
    _, a, b = _HEADER.unpack_from(content)
    known = values > 0
    inverse = np.where(known, values.astype(np.float32) - np.float32(b), np.float32(1))
    return np.where(known & (inverse != 0), np.float32(a) / inverse, np.float32(0))

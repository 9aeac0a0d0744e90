# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB arrays.

Works on anything with the fields of ``sensor_msgs/Image`` or ``sensor_msgs/CompressedImage``. Encodings outside
the tables go to cv_bridge where that is installed.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from mtl_perception.foreign_text import cut


class ConversionError(ValueError):
    """A message that does not hold the image it says; the text names the value and what was expected."""


# encoding: (bytes per pixel, OpenCV's conversion to RGB; None where the bytes are RGB already).
# OpenCV names a Bayer pattern by its second row, ROS by its first: rggb is OpenCV's BG.
_EIGHT_BIT = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2RGB),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
}

# 16-bit encoding: the 8-bit one it is reduced to.
_SIXTEEN_BIT = {
    "mono16": "mono8",
    "16UC1": "mono8",
    "bayer_rggb16": "bayer_rggb8",
    "bayer_bggr16": "bayer_bggr8",
    "bayer_gbrg16": "bayer_gbrg8",
    "bayer_grbg16": "bayer_grbg8",
}

# A plane of brightness, then a plane of half its height with two colours in turn.
_SEMI_PLANAR = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}

ENCODINGS = (*_EIGHT_BIT, *_SIXTEEN_BIT, *_SEMI_PLANAR)
"""Every raw encoding that needs no cv_bridge."""


def image_to_rgb(image: Any) -> np.ndarray:
    """A raw image as RGB.

    Args:
        image: an object with ``height width encoding is_bigendian step data``.

    Returns:
        (H, W, 3) uint8; for rgb8 a read-only view into ``image.data``, with its row padding left out.

    Raises:
        ConversionError: zero size, unknown encoding, wrong step, missing data.
    """
    if image.width == 0 or image.height == 0:
        raise ConversionError(f"image is {image.width}x{image.height}, expected at least one pixel")
    encoding = image.encoding
    if encoding in _SEMI_PLANAR:
        return _semi_planar_to_rgb(image)
    if encoding in _SIXTEEN_BIT:
        encoding = _SIXTEEN_BIT[encoding]
        pixels = _reduce_to_8_bit(_pixels(image, image.height, ">u2" if image.is_bigendian else "<u2", 1))
    elif encoding in _EIGHT_BIT:
        pixels = _pixels(image, image.height, "u1", _EIGHT_BIT[encoding][0])
    else:
        return _cv_bridge_to_rgb(image)
    if encoding.startswith("yu") or encoding == "uyvy":
        _require_even(image, "width")
    conversion = _EIGHT_BIT[encoding][1]
    return pixels if conversion is None else cv2.cvtColor(pixels, conversion)


def compressed_image_to_rgb(image: Any) -> np.ndarray:
    """A JPEG or PNG as RGB, (H, W, 3) uint8; 16-bit PNGs are reduced to 8 bits.

    Args:
        image: an object with ``format data``.

    Raises:
        ConversionError: neither JPEG nor PNG, cut short, or damaged.
    """
    data = bytes(image.data)
    if data.startswith(b"\xff\xd8"):
        # libjpeg fills what is missing with grey and only warns. A whole file ends after its last scan began.
        end = data.rfind(b"\xff\xd9")
        if end < 0 or end < data.rfind(b"\xff\xda"):
            raise ConversionError(
                f"JPEG of {len(data)} bytes is truncated: its end-of-image marker is missing"
            )
    elif data.startswith(b"\x89PNG"):
        if b"IEND" not in data[-64:]:
            raise ConversionError(f"PNG of {len(data)} bytes is truncated: its IEND chunk is missing")
    else:
        raise ConversionError(
            f"compressed image with format {cut(image.format)!r} starts with the bytes {data[:4].hex(' ') or '(none)'}, "
            "expected a JPEG or PNG"
        )
    # The camera's frame belongs to the pixels as stored: an EXIF rotation would turn the image out of it.
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None:
        raise ConversionError(
            f"compressed image of {len(data)} bytes with format {cut(image.format)!r} is damaged, it cannot be decoded"
        )
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def depth_to_millimetres(depth_m: np.ndarray) -> np.ndarray:
    """REP 118's integer depth, (H, W) uint16 millimetres; 0 where ``depth_m`` is not finite or does not fit."""
    depth_mm = np.rint(depth_m * 1000.0)
    fits = (depth_mm > 0) & (depth_mm <= 65535)  # false for NaN
    return np.where(fits, depth_mm, 0).astype(np.uint16)


def _pixels(image: Any, rows: int, dtype: str, channels: int) -> np.ndarray:
    """A view of (rows, W) or (rows, W, channels) into the message, row padding left out."""
    item = np.dtype(dtype)
    row_bytes = image.width * channels * item.itemsize
    if image.step < row_bytes:
        raise ConversionError(
            f"step is {image.step} bytes, "
            f"expected at least {row_bytes} for {image.width} pixels of {image.encoding}"
        )
    size, needed = len(image.data), rows * image.step
    if size < needed:
        raise ConversionError(
            f"data has {size} bytes, expected {needed} for {rows} rows with a step of {image.step}"
        )
    strides = (image.step, channels * item.itemsize, item.itemsize)
    pixels = np.ndarray((rows, image.width, channels), item, buffer=image.data, strides=strides)
    return pixels if channels > 1 else pixels[:, :, 0]


def _reduce_to_8_bit(pixels: np.ndarray) -> np.ndarray:
    """65535 becomes 255, as cv_bridge does."""
    return cv2.convertScaleAbs(pixels.astype(np.uint16, copy=False), alpha=255.0 / 65535.0)


def _semi_planar_to_rgb(image: Any) -> np.ndarray:
    _require_even(image, "width")
    _require_even(image, "height")
    planes = _pixels(image, image.height * 3 // 2, "u1", 1)
    return cv2.cvtColor(planes, _SEMI_PLANAR[image.encoding])


def _require_even(image: Any, side: str) -> None:
    if getattr(image, side) % 2:
        raise ConversionError(
            f"{side} is {getattr(image, side)}, expected an even number for the encoding {image.encoding}"
        )


def _cv_bridge_to_rgb(image: Any) -> np.ndarray:
    unknown = f"unknown encoding {cut(image.encoding)!r}, expected one of {', '.join(ENCODINGS)}"
    try:
        from cv_bridge import CvBridge, CvBridgeError
    except ImportError:
        raise ConversionError(unknown) from None
    try:
        return CvBridge().imgmsg_to_cv2(image, "rgb8")
    except CvBridgeError as error:
        raise ConversionError(f"{unknown} (cv_bridge: {cut(error)})") from None

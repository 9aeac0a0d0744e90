# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB arrays.

Works on anything with the fields of ``sensor_msgs/Image`` or ``sensor_msgs/CompressedImage``. Encodings outside
the tables go to cv_bridge where that is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_files import (
    AUTO,
    MAX_PIXELS,
    CorruptJpeg,
    ImageError,
    TooLarge,
    decode_rgb,
    refuse_too_large,
    to_8_bit,
)


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

# What an array without a meaning of its own may hold, by the parameter that says it.
_UNTYPED = {"8UC1": "encoding_8uc1", "8UC3": "encoding_8uc3"}

ENCODINGS = (*_EIGHT_BIT, *_SIXTEEN_BIT, *_SEMI_PLANAR, *_UNTYPED)
"""Every raw encoding that needs no cv_bridge."""

BAYER_ENCODINGS = tuple(name for name in _EIGHT_BIT if name.startswith("bayer_"))


@dataclass(frozen=True)
class InputSettings:
    """How a camera's messages are read: the node's parameters ``input.*`` of these names (config/robot.yaml)."""

    max_pixels: int = MAX_PIXELS
    corrupt_jpeg: str = "reject"
    mono16_max: int | str = AUTO
    encoding_8uc1: str = "mono8"
    encoding_8uc3: str = "bgr8"

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> InputSettings:
        return cls(**{field.name: parameters[f"input.{field.name}"] for field in fields(cls)})


def image_to_rgb(image: Any, settings: InputSettings = InputSettings()) -> np.ndarray:
    """A raw image as RGB.

    Args:
        image: an object with ``height width encoding is_bigendian step data``.

    Returns:
        (H, W, 3) uint8; for rgb8 a read-only view into ``image.data``, with its row padding left out.

    Raises:
        ConversionError: zero size or too many pixels, unknown encoding, wrong step, missing data.
    """
    if image.width == 0 or image.height == 0:
        raise ConversionError(f"image is {image.width}x{image.height}, expected at least one pixel")
    try:
        refuse_too_large("image", image.width, image.height, settings.max_pixels)
    except TooLarge as error:
        raise _too_large(error) from None
    encoding = image.encoding
    if encoding in _UNTYPED:
        encoding = getattr(settings, _UNTYPED[encoding])
    if encoding in _SEMI_PLANAR:
        return _semi_planar_to_rgb(image)
    if encoding in _SIXTEEN_BIT:
        encoding = _SIXTEEN_BIT[encoding]
        values = _pixels(image, image.height, ">u2" if image.is_bigendian else "<u2", 1)
        pixels = to_8_bit(values, settings.mono16_max)
    elif encoding in _EIGHT_BIT:
        pixels = _pixels(image, image.height, "u1", _EIGHT_BIT[encoding][0])
    else:
        return _cv_bridge_to_rgb(image)
    if encoding.startswith("yu") or encoding == "uyvy":
        _require_even(image, "width")
    conversion = _EIGHT_BIT[encoding][1]
    return pixels if conversion is None else cv2.cvtColor(pixels, conversion)


def compressed_image_to_rgb(
    image: Any,
    settings: InputSettings = InputSettings(),
    on_damage: Callable[[str], None] = lambda complaint: None,
    quiet: bool = True,
) -> np.ndarray:
    """A JPEG or PNG as RGB, (H, W, 3) uint8, perhaps read-only; 16-bit PNGs are reduced to 8 bits.

    Args:
        image: an object with ``format data``.
        on_damage: told what is wrong with a damaged JPEG that ``settings`` accept.
        quiet: as in ``decode_rgb``.

    Raises:
        ConversionError: neither JPEG nor PNG, too many pixels, cut short, or damaged.
    """
    accept = on_damage if settings.corrupt_jpeg == "accept" else None
    try:
        return decode_rgb(bytes(image.data), settings.max_pixels, settings.mono16_max, accept, quiet)
    except TooLarge as error:
        raise _too_large(error) from None
    except CorruptJpeg as error:
        raise ConversionError(f"{error}; set input.corrupt_jpeg to accept to use such images all the same") from None
    except ImageError as error:
        raise ConversionError(f"compressed image with format {cut(image.format)!r}: {error}") from None


def depth_to_metres(image: Any, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """REP 118's depth image, (H, W) float32 metres, 0 or NaN where unknown.

    Args:
        image: an object with ``height width encoding is_bigendian step data``; of millimetres (16UC1, mono16) or metres (32FC1).

    Raises:
        ConversionError: zero size or too many pixels, another encoding, wrong step, missing data.
    """
    types = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
    if image.encoding not in types:
        raise ConversionError(f"depth has the encoding {cut(image.encoding)!r}, expected 16UC1 (millimetres) or 32FC1 (metres)")
    if image.width == 0 or image.height == 0:
        raise ConversionError(f"depth image is {image.width}x{image.height}, expected at least one pixel")
    try:
        refuse_too_large("depth image", image.width, image.height, max_pixels)
    except TooLarge as error:
        raise _too_large(error) from None
    values = _pixels(image, image.height, (">" if image.is_bigendian else "<") + types[image.encoding], 1).astype(np.float32)
    return values if image.encoding == "32FC1" else values * np.float32(1e-3)


def _too_large(error: TooLarge) -> ConversionError:
    return ConversionError(f"{error}; raise input.max_pixels if the camera has so many")


def _pixels(image: Any, rows: int, dtype: str, channels: int) -> np.ndarray:
    """A view of (rows, W) or (rows, W, channels) into the message, row padding left out."""
    item = np.dtype(dtype)
    row_bytes = image.width * channels * item.itemsize
    if image.step < row_bytes:
        raise ConversionError(f"step is {image.step} bytes, expected at least {row_bytes} for {image.width} pixels of {image.encoding}")
    size, needed = len(image.data), rows * image.step
    if size < needed:
        raise ConversionError(f"data has {size} bytes, expected {needed} for {rows} rows with a step of {image.step}")
    strides = (image.step, channels * item.itemsize, item.itemsize)
    pixels = np.ndarray((rows, image.width, channels), item, buffer=image.data, strides=strides)
    return pixels if channels > 1 else pixels[:, :, 0]


def _semi_planar_to_rgb(image: Any) -> np.ndarray:
    _require_even(image, "width")
    _require_even(image, "height")
    planes = _pixels(image, image.height * 3 // 2, "u1", 1)
    return cv2.cvtColor(planes, _SEMI_PLANAR[image.encoding])


def _require_even(image: Any, side: str) -> None:
    if getattr(image, side) % 2:
        raise ConversionError(f"{side} is {getattr(image, side)}, expected an even number for the encoding {image.encoding}")


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

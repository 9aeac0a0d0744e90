# SPDX-License-Identifier: Apache-2.0
"""Which topic of a bag is its camera."""

from __future__ import annotations

from typing import Any

from mtl_perception.bags.types import IMAGE, VIDEO
from mtl_perception.bags.video import packet_of
from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.video import codec_of

_COLOR = ("rgb", "bgr", "bayer", "yuv", "uyvy", "yuyv", "nv12", "nv21", "8uc3", "8uc4")
_GREY = ("mono", "8uc1")
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"


def image_kind(message: Any, kind: str) -> tuple[int | None, str]:
    """(0 for colour, 1 for grey, "") for a camera's image, and (None, what it is) for another one.

    Args:
        message: an Image, a CompressedImage or a packet of video.
        kind: which of them.
    """
    if kind in VIDEO:
        try:
            codec_of(packet_of(message, kind).codec)
        except ConversionError as error:
            return None, f"video that is not read ({error})"
        return 0, ""
    return _raw_kind(message.encoding) if kind == IMAGE else _compressed_kind(message)


def is_depth_stream(message: Any) -> bool:
    """Whether a CompressedImage is of the transport compressedDepth, which no decoder of pictures reads."""
    return "compresseddepth" in message.format.lower()


def camera_info_beside(image_topic: str) -> str:
    """image_transport's rule: the last element of the raw image's name becomes camera_info."""
    for transport in ("/compressed", "/compressedDepth", "/ffmpeg", "/foxglove", "/theora"):
        image_topic = image_topic.removesuffix(transport)
    return image_topic.rpartition("/")[0] + "/camera_info"


def _raw_kind(encoding: str) -> tuple[int | None, str]:
    name = encoding.lower()
    for rank, names in enumerate((_COLOR, _GREY)):
        if name.startswith(names):
            return rank, ""
    if name in ("16uc1", "32fc1"):
        return None, f"depth ({encoding})"
    return None, f"of encoding {cut(encoding)!r}"


def _compressed_kind(message: Any) -> tuple[int | None, str]:
    """By its bytes. The format is but a remark, which many drivers leave empty; before its semicolon it may name what was
    compressed."""
    data = bytes(message.data[:64])
    if is_depth_stream(message):
        return None, "depth (compressedDepth)"
    encoding, has_encoding, _ = message.format.partition(";")
    if has_encoding and encoding.strip():
        rank, what = _raw_kind(encoding.strip())
        if rank is None:
            return None, what
    if data.startswith(_JPEG):
        return (_raw_kind(encoding.strip())[0] if has_encoding else 0) or 0, ""
    if data.startswith(_PNG) and len(data) > 25:
        bits, has_colour = data[24], data[25] in (2, 3, 6)
        if has_colour:
            return 0, ""
        if bits == 16 and not encoding.strip().startswith("mono"):
            return None, "depth (16-bit grey PNG)"
        return 1, ""
    return None, f"neither JPEG nor PNG (format {cut(message.format)!r}, first bytes {data[:4].hex(' ') or 'none'})"

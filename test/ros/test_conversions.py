# SPDX-License-Identifier: Apache-2.0
"""Every encoding of the contract to RGB, exact where the encoding is; every malformed image named."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mtl_perception.ros.conversions import (
    ENCODINGS,
    ConversionError,
    compressed_image_to_rgb,
    depth_to_millimetres,
    image_to_rgb,
)

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
ALPHA = np.full((6, 8, 1), 77, np.uint8)
GREY = RGB[..., 0]


def raw(
    pixels: np.ndarray, encoding: str, *, padding: int = 0, is_bigendian: int = 0, height: int | None = None
):
    """An image message with ``padding`` bytes of 0xEE behind every row."""
    rows = pixels.reshape(pixels.shape[0], -1).view(np.uint8)
    padded = np.concatenate([rows, np.full((len(rows), padding), 0xEE, np.uint8)], axis=1)
    height = len(rows) if height is None else height
    return SimpleNamespace(
        height=height,
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=is_bigendian,
        step=padded.shape[1],
        data=padded.tobytes(),
    )


def repeated(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixels", "expected"),
    [
        ("rgb8", RGB, RGB),
        ("bgr8", RGB[..., ::-1], RGB),
        ("rgba8", np.concatenate([RGB, ALPHA], axis=2), RGB),
        ("bgra8", np.concatenate([RGB[..., ::-1], ALPHA], axis=2), RGB),
        ("mono8", GREY, repeated(GREY)),
    ],
)
def test_eight_bit(encoding, pixels, expected, padding):
    converted = image_to_rgb(raw(np.ascontiguousarray(pixels), encoding, padding=padding))
    assert converted.dtype == np.uint8
    np.testing.assert_array_equal(converted, expected)


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_in_either_byte_order(encoding, order):
    values = np.arange(0, 65536, 1024, dtype=np.uint32)
    values = np.concatenate([values, [65535] * 8]).reshape(9, 8).astype(f"{order}u2")
    converted = image_to_rgb(raw(values, encoding, padding=4, is_bigendian=order == ">"))
    np.testing.assert_array_equal(converted, repeated(np.rint(values.astype(float) / 257).astype(np.uint8)))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_keep_their_colour(pattern, bits):
    """A mosaic of one colour, laid out by ROS's meaning of the pattern's name, is that colour everywhere."""
    color = {"r": 200, "g": 120, "b": 40}
    cell = np.array([[color[pattern[0]], color[pattern[1]]], [color[pattern[2]], color[pattern[3]]]])
    mosaic = np.tile(cell, (4, 5)) * (257 if bits == 16 else 1)
    converted = image_to_rgb(raw(mosaic.astype(f"<u{bits // 8}"), f"bayer_{pattern}{bits}", padding=2))
    np.testing.assert_array_equal(converted, np.broadcast_to(np.uint8([200, 120, 40]), (8, 10, 3)))


def yuv(rgb: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Brightness per pixel and the two colours of an image of one tint (BT.601, video range)."""
    converted = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    height = rgb.shape[0]
    return converted[:height], int(converted[height, 0]), int(converted[-1, -1])


TINTED = np.full((4, 6, 3), (210, 90, 60), np.uint8)


@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")]
)
def test_packed_yuv(encoding, order):
    brightness, u, v = yuv(TINTED)
    packed = np.zeros((4, 12), np.uint8)
    for place, what in enumerate(order):
        packed[:, place::4] = {"u": u, "v": v}.get(what, 0)
    packed[:, order.index("y") :: 2] = brightness
    converted = image_to_rgb(raw(packed.reshape(4, 6, 2), encoding, padding=4))
    assert np.abs(converted.astype(int) - TINTED).max() <= 2  # the rounding of the colours


@pytest.mark.parametrize(("encoding", "order"), [("nv12", "uv"), ("nv21", "vu")])
def test_semi_planar_yuv(encoding, order):
    brightness, u, v = yuv(TINTED)
    colors = np.zeros((2, 6), np.uint8)
    colors[:, 0::2], colors[:, 1::2] = (u, v) if order == "uv" else (v, u)
    converted = image_to_rgb(raw(np.concatenate([brightness, colors]), encoding, padding=2, height=4))
    assert converted.shape == (4, 6, 3)
    assert np.abs(converted.astype(int) - TINTED).max() <= 2


def test_every_listed_encoding_was_tried():
    tried = {
        "rgb8",
        "bgr8",
        "rgba8",
        "bgra8",
        "mono8",
        "mono16",
        "16UC1",
        "yuv422",
        "uyvy",
        "yuv422_yuy2",
        "yuyv",
        "nv12",
        "nv21",
    }
    tried |= {f"bayer_{pattern}{bits}" for pattern in ("rggb", "bggr", "gbrg", "grbg") for bits in (8, 16)}
    assert set(ENCODINGS) == tried


def test_rgb_is_a_view():
    message = raw(RGB, "rgb8", padding=3)
    assert np.shares_memory(image_to_rgb(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": 20}, "step is 20 bytes, expected at least 24 for 8 pixels of rgb8"),
        ({"step": 0}, "step is 0 bytes, expected at least 24"),
        ({"data": bytes(100)}, "data has 100 bytes, expected 144 for 6 rows with a step of 24"),
        ({"data": b""}, "data has 0 bytes"),
        ({"width": 0}, "image is 0x6, expected at least one pixel"),
        ({"height": 0}, "image is 8x0"),
        ({"height": 2**32 - 1}, "data has 144 bytes, expected 103079215080"),
        ({"encoding": "yuv422", "width": 7}, "width is 7, expected an even number for the encoding yuv422"),
        ({"encoding": "nv12", "height": 5}, "height is 5, expected an even number"),
        ({"encoding": "nv21", "height": 6}, "data has 144 bytes, expected 216 for 9 rows"),
        ({"encoding": "mono16", "step": 15}, "step is 15 bytes, expected at least 16"),
    ],
)
def test_malformed_images_are_named(change, words):
    message = raw(RGB, "rgb8")
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(ConversionError, match=words):
        image_to_rgb(message)


def test_unknown_encoding_lists_the_known_ones():
    with pytest.raises(ConversionError, match="unknown encoding 'rgb9', expected one of rgb8, bgr8"):
        image_to_rgb(raw(RGB, "rgb9"))


def test_cv_bridge_gives_the_same_arrays():
    cv_bridge = pytest.importorskip("cv_bridge")
    for encoding, pixels in {"bgr8": RGB, "rgb8": RGB, "mono8": GREY, "bayer_rggb8": GREY}.items():
        message = raw(pixels, encoding)
        np.testing.assert_array_equal(
            image_to_rgb(message), cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8")
        )


SMOOTH = cv2.resize(RGB, (64, 48), interpolation=cv2.INTER_CUBIC)


def compressed(data: bytes, format: str = "rgb8; jpeg compressed bgr8"):
    return SimpleNamespace(format=format, data=memoryview(data))


def encode(extension: str, pixels: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(extension, pixels, options)[1].tobytes()


def test_png_is_exact_and_rgb():
    png = encode(".png", SMOOTH[..., ::-1])
    np.testing.assert_array_equal(compressed_image_to_rgb(compressed(png, "png")), SMOOTH)


def test_jpeg_is_close_and_rgb():
    jpeg = encode(".jpg", SMOOTH[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, 95)
    assert np.abs(compressed_image_to_rgb(compressed(jpeg)).astype(int) - SMOOTH).mean() < 4


def test_grey_jpeg_and_grey_16_bit_png_become_rgb():
    assert compressed_image_to_rgb(compressed(encode(".jpg", SMOOTH[..., 0]))).shape == SMOOTH.shape
    deep = compressed_image_to_rgb(compressed(encode(".png", SMOOTH[..., 0].astype(np.uint16) * 257)))
    np.testing.assert_array_equal(deep, repeated(SMOOTH[..., 0]))


def test_padding_behind_a_jpeg_is_harmless():
    jpeg = encode(".jpg", SMOOTH)
    np.testing.assert_array_equal(
        compressed_image_to_rgb(compressed(jpeg + bytes(500))), compressed_image_to_rgb(compressed(jpeg))
    )


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, "last byte"])
def test_truncated_files_are_named(extension, share):
    whole = encode(extension, SMOOTH)
    size = len(whole) - 8 if share == "last byte" else int(share * len(whole))
    with pytest.raises(ConversionError, match="is truncated"):
        compressed_image_to_rgb(compressed(whole[:size]))


def test_truncated_progressive_jpeg_is_named():
    whole = encode(".jpg", SMOOTH, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    with pytest.raises(ConversionError, match="truncated"):
        compressed_image_to_rgb(compressed(whole[: len(whole) // 2]))


@pytest.mark.parametrize("data", [b"", b"hello", b"GIF89a" + bytes(50)])
def test_foreign_files_are_named(data):
    with pytest.raises(ConversionError, match="expected a JPEG or PNG"):
        compressed_image_to_rgb(compressed(data, "tiff"))


def test_damaged_file_is_named():
    png = bytearray(encode(".png", SMOOTH))
    png[10:30] = bytes(20)
    with pytest.raises(ConversionError, match="is damaged"):
        compressed_image_to_rgb(compressed(bytes(png)))


def test_depth_in_millimetres():
    depth_m = np.float32([[1.0, 0.0004, np.nan, np.inf], [65.535, 65.6, -1.0, 2.3456]])
    depth_mm = depth_to_millimetres(depth_m)
    assert depth_mm.dtype == np.uint16
    np.testing.assert_array_equal(depth_mm, [[1000, 0, 0, 0], [65535, 0, 0, 2346]])

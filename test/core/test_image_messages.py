# SPDX-License-Identifier: Apache-2.0
"""Every encoding of the contract to RGB, exact where the encoding is; every malformed image named."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.core.image_messages import (
    ENCODINGS,
    ConversionError,
    InputSettings,
    compressed_image_to_rgb,
    image_to_rgb,
)

RGB = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
ALPHA = np.full((6, 8, 1), 77, np.uint8)
GREY = RGB[..., 0]


def raw(pixels: np.ndarray, encoding: str, *, padding: int = 0, is_bigendian: int = 0, height: int | None = None):
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
@pytest.mark.parametrize("padding", [0, 3, 4])
def test_sixteen_bit_in_either_byte_order(encoding, order, padding):
    values = np.arange(0, 65536, 1024, dtype=np.uint32)
    values = np.concatenate([values, [65535] * 8]).reshape(9, 8).astype(f"{order}u2")
    message = raw(values, encoding, padding=padding, is_bigendian=order == ">")
    converted = image_to_rgb(message, InputSettings(mono16_max=65535))
    np.testing.assert_array_equal(converted, repeated(np.rint(values.astype(float) / 257).astype(np.uint8)))


@pytest.mark.parametrize("encoding", ["mono16", "16UC1", "png"])
@pytest.mark.parametrize("bits", [10, 12])
def test_a_camera_of_fewer_bits_than_sixteen_is_not_dark(encoding, bits):
    """A ramp from 0 to the brightest value of the camera, by the range that is given and by the one that is found."""
    values = np.linspace(0, 2**bits - 1, 256).astype(np.uint16).reshape(16, 16)
    expected = repeated(np.arange(256, dtype=np.uint8).reshape(16, 16))
    for mono16_max in (2**bits - 1, "auto"):
        settings = InputSettings(mono16_max=mono16_max)
        if encoding == "png":
            converted = compressed_image_to_rgb(compressed(encode(".png", values), "mono16; png compressed "), settings)
        else:
            converted = image_to_rgb(raw(values, encoding), settings)
        assert np.abs(converted.astype(int) - expected).max() <= 12  # of the 0.5 % that auto takes for white


@pytest.mark.parametrize("meaning", ["mono8", "bayer_gbrg8"])
def test_an_array_of_one_channel_holds_what_the_setting_says(meaning):
    converted = image_to_rgb(raw(GREY, "8UC1"), InputSettings(encoding_8uc1=meaning))
    np.testing.assert_array_equal(converted, image_to_rgb(raw(GREY, meaning)))


@pytest.mark.parametrize("meaning", ["bgr8", "rgb8"])
def test_an_array_of_three_channels_holds_what_the_setting_says(meaning):
    converted = image_to_rgb(raw(RGB, "8UC3"), InputSettings(encoding_8uc3=meaning))
    np.testing.assert_array_equal(converted, RGB if meaning == "rgb8" else RGB[..., ::-1])


def test_untyped_arrays_are_mono8_and_bgr8_unless_said_otherwise():
    np.testing.assert_array_equal(image_to_rgb(raw(GREY, "8UC1")), repeated(GREY))
    np.testing.assert_array_equal(image_to_rgb(raw(RGB[..., ::-1].copy(), "8UC3")), RGB)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_keep_their_colour(pattern, bits):
    """A mosaic of one colour, laid out by ROS's meaning of the pattern's name, is that colour everywhere."""
    color = {"r": 200, "g": 120, "b": 40}
    cell = np.array([[color[pattern[0]], color[pattern[1]]], [color[pattern[2]], color[pattern[3]]]])
    mosaic = np.tile(cell, (4, 5)) * (257 if bits == 16 else 1)
    message = raw(mosaic.astype(f"<u{bits // 8}"), f"bayer_{pattern}{bits}", padding=2)
    converted = image_to_rgb(message, InputSettings(mono16_max=65535))
    np.testing.assert_array_equal(converted, np.broadcast_to(np.uint8([200, 120, 40]), (8, 10, 3)))


def yuv(rgb: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Brightness per pixel and the two colours of an image of one tint (BT.601, video range)."""
    converted = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    height = rgb.shape[0]
    return converted[:height], int(converted[height, 0]), int(converted[-1, -1])


TINTED = np.full((4, 6, 3), (210, 90, 60), np.uint8)


@pytest.mark.parametrize(("encoding", "order"), [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")])
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
        "8UC1",
        "8UC3",
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
        ({"height": 2**20}, "data has 144 bytes, expected 25165824"),
        ({"height": 2**32 - 1}, "image is of 8x4294967295 = 34359738360 pixels, expected at most 16000000; raise input.max"),
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
        np.testing.assert_array_equal(image_to_rgb(message), cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8"))


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


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_truncated_files_are_named(extension):
    whole = encode(extension, SMOOTH)
    with pytest.raises(ConversionError, match="compressed image with format 'rgb8; jpeg.*: .* is truncated"):
        compressed_image_to_rgb(compressed(whole[: len(whole) // 2]))


@pytest.mark.parametrize("data", [b"", b"hello", b"GIF89a" + bytes(50)])
def test_foreign_files_are_named(data):
    with pytest.raises(ConversionError, match="compressed image with format 'tiff': .*expected a JPEG or PNG"):
        compressed_image_to_rgb(compressed(data, "tiff"))


def test_damaged_jpegs_are_refused_or_told_of():
    whole = encode(".jpg", cv2.resize(SMOOTH, (320, 240)))
    data = whole[: len(whole) // 2] + bytes(200) + whole[len(whole) // 2 + 200 :]
    with pytest.raises(ConversionError, match="is damaged .*; set input.corrupt_jpeg to accept"):
        compressed_image_to_rgb(compressed(data))
    told: list[str] = []
    converted = compressed_image_to_rgb(compressed(data), InputSettings(corrupt_jpeg="accept"), told.append)
    assert converted.shape == (240, 320, 3)
    assert len(told) == 1
    assert compressed_image_to_rgb(compressed(data), InputSettings(corrupt_jpeg="accept")).shape == (240, 320, 3)


def test_the_limit_of_pixels_is_a_setting():
    for convert, message in ((image_to_rgb, raw(RGB, "rgb8")), (compressed_image_to_rgb, compressed(encode(".png", RGB)))):
        assert convert(message, InputSettings(max_pixels=48)).shape == RGB.shape
        with pytest.raises(ConversionError, match="is of 8x6 = 48 pixels, expected at most 47; raise input.max_pixels"):
            convert(message, InputSettings(max_pixels=47))


def test_depth_in_millimetres():
    depth_m = np.float32([[1.0, 0.0004, np.nan, np.inf], [65.535, 65.6, -1.0, 2.3456]])
    depth_mm = depth_to_millimetres(depth_m)
    assert depth_mm.dtype == np.uint16
    np.testing.assert_array_equal(depth_mm, [[1000, 0, 0, 0], [65535, 0, 0, 2346]])

# SPDX-License-Identifier: Apache-2.0
"""One rule for every picture: what it is by its content, its size from the header, its pixels as they are stored."""

import struct

import cv2
import numpy as np
import pytest
from made_pictures import bomb, chunk, exif, jpeg, palette, png, png_of_chunks, smooth, with_segment

from mtl_perception.core.image_files import (
    ImageError,
    TooLarge,
    decode_label_map,
    decode_rgb,
    orientation,
    picture_size,
)

PICTURE = smooth()


def test_a_png_is_exact_and_a_jpeg_is_close():
    np.testing.assert_array_equal(decode_rgb(png(PICTURE)), PICTURE)
    assert np.abs(decode_rgb(jpeg(PICTURE, cv2.IMWRITE_JPEG_QUALITY, 98)).astype(int) - PICTURE).mean() < 4


def test_both_are_uint8_of_three_channels_whatever_they_hold():
    grey, alpha = PICTURE[..., 0], np.full((*PICTURE.shape[:2], 1), 7, np.uint8)
    with_alpha = cv2.imencode(".png", np.concatenate([PICTURE[..., ::-1], alpha], 2))[1].tobytes()
    for data in (jpeg(grey), png(grey), png(grey.astype(np.uint16) * 257), with_alpha):
        decoded = decode_rgb(data)
        assert (decoded.dtype, decoded.shape) == (np.uint8, PICTURE.shape)
    np.testing.assert_array_equal(decode_rgb(with_alpha), PICTURE)
    np.testing.assert_array_equal(decode_rgb(png(grey)), np.repeat(grey[..., None], 3, 2))


def test_a_palette_is_looked_up_in_a_photograph():
    rows = b"".join(b"\0" + bytes([k, k + 1]) for k in range(2))
    data = png_of_chunks(2, 2, 8, 3, rows, [palette(256), chunk(b"tRNS", b"\0\0\0")])
    assert decode_rgb(data).tolist() == [[[0, 0, 0], [1, 2, 3]], [[1, 2, 3], [2, 4, 6]]]


@pytest.mark.parametrize("extension", ["jpg", "png"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_orientation_is_told_and_not_applied(extension, turned):
    plain = jpeg(PICTURE) if extension == "jpg" else png(PICTURE)
    if extension == "jpg":
        tagged = with_segment(plain, 0xE1, b"Exif\0\0" + exif(turned))
    else:
        tagged = plain[:33] + chunk(b"eXIf", exif(turned)) + plain[33:]
    assert orientation(tagged) == turned
    assert picture_size(tagged) == (128, 96)
    np.testing.assert_array_equal(decode_rgb(tagged), decode_rgb(plain))


@pytest.mark.parametrize("content", [b"", b"MM", exif(0), exif(9), exif(65535), b"II*\0" + b"\xff" * 30, exif(3)[:-8], b"\0" * 40])
def test_exif_that_says_nothing_turns_nothing(content):
    assert orientation(with_segment(jpeg(PICTURE), 0xE1, b"Exif\0\0" + content)) == 1
    assert orientation(jpeg(PICTURE)) == orientation(png(PICTURE)) == 1


@pytest.mark.parametrize("extension", [".bmp", ".tiff", ".webp", ".gif", ".jp2"])
def test_other_kinds_are_named_and_not_decoded(extension):
    try:
        encoded, content = cv2.imencode(extension, PICTURE)
    except cv2.error:
        encoded = False
    if not encoded:
        pytest.skip(f"this OpenCV writes no {extension}")
    for attempt in (decode_rgb, picture_size, orientation, lambda data: decode_label_map(data, 8)):
        with pytest.raises(ImageError, match=r"^it is an? \w+.*, expected a (JPEG or )?PNG"):
            attempt(content.tobytes())


@pytest.mark.parametrize("data", [b"", b"\xff", b"hello", b"GIF89a", b"\0" * 500, b"\x89PNG\n"])
def test_what_is_no_picture_is_named_by_its_first_bytes(data):
    with pytest.raises(ImageError, match="expected a JPEG or PNG"):
        decode_rgb(data)


def claims(data: bytes, width: int, height: int) -> bytes:
    """The same file with another size in its header."""
    if data.startswith(b"\x89PNG"):
        return data[:8] + chunk(b"IHDR", struct.pack(">II", width, height) + data[24:29]) + data[33:]
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


@pytest.mark.parametrize(("width", "height"), [(4000, 4001), (8000, 8000), (65500, 65500), (65535, 65535), (1, 65535)])
@pytest.mark.parametrize("encode", [jpeg, png, lambda rgb: jpeg(rgb, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
def test_the_size_is_read_first(encode, width, height):
    """A few kilobytes that claim gigapixels are refused before anything is allocated for them."""
    data = claims(encode(PICTURE), width, height)
    assert picture_size(data) == (width, height)
    with pytest.raises(ImageError) as error:
        decode_rgb(data)
    if width * height > 16e6:
        assert type(error.value) is TooLarge
        assert f"is of {width}x{height}" in str(error.value)
        assert "expected at most 16000000" in str(error.value)


def test_a_true_bomb_is_refused_by_its_header():
    """64 million pixels in eight kilobytes."""
    data = bomb(8000, 8000)
    assert len(data) < 9000
    with pytest.raises(TooLarge, match="PNG is of 8000x8000 = 64000000 pixels, expected at most 16000000"):
        decode_rgb(data)
    with pytest.raises(TooLarge):
        decode_label_map(data, 8)
    assert decode_label_map(data, 8, max_pixels=64_000_000).shape == (8000, 8000)


def test_the_limit_itself_is_allowed():
    assert decode_rgb(png(PICTURE), max_pixels=128 * 96).shape == PICTURE.shape
    with pytest.raises(TooLarge):
        decode_rgb(png(PICTURE), max_pixels=128 * 96 - 1)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
@pytest.mark.parametrize("encode", [jpeg, png])
def test_no_pixel_is_an_error(encode, size):
    with pytest.raises(ImageError, match="expected at least one pixel"):
        decode_rgb(claims(encode(PICTURE), *size))


@pytest.mark.parametrize("encode", [jpeg, png, lambda rgb: jpeg(rgb, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
def test_whatever_the_bytes_are_the_answer_is_pixels_or_an_image_error(encode, capfd):
    """Flipped, cut, doubled and shuffled files; libjpeg and libpng would fill the terminal with complaints."""
    rng = np.random.default_rng(0)
    whole = encode(smooth(48, 64))
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 6)):
            at, kind = int(rng.integers(0, len(data))), rng.integers(0, 4)
            if kind == 0:
                data[at] = int(rng.integers(0, 256))
            elif kind == 1:
                del data[at : at + int(rng.integers(1, 40))]
            elif kind == 2:
                data[at:at] = data[int(rng.integers(0, len(data))) :][: int(rng.integers(1, 40))]
            else:
                data[at : at + 4] = rng.bytes(4)
            if not data:
                break
        for read in (decode_rgb, picture_size, orientation, lambda data: decode_label_map(data, 8)):
            try:
                read(bytes(data))
            except ImageError as error:
                assert str(error)
    assert capfd.readouterr() == ("", "")

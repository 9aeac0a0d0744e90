# SPDX-License-Identifier: Apache-2.0
"""Damage in a JPEG is found by what libjpeg complains of; what harms no pixel is let through."""

import cv2
import numpy as np
import pytest
from made_pictures import jpeg, segment, smooth, with_segment

from mtl_perception.core.image_files import CorruptJpeg, ImageError, decode_rgb

PICTURE = smooth(240, 320)
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 4)
PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """1 to 10 random bytes are others."""
    content = np.frombuffer(data, np.uint8).copy()
    places = rng.integers(0, len(content), rng.integers(1, 11))
    content[places] = rng.integers(0, 256, len(places))
    return content.tobytes()


def wrong_share(data: bytes, truth: np.ndarray) -> float:
    """Share of the pixels that are not ``truth``; 0 where the file is refused."""
    try:
        decoded = decode_rgb(data)
    except ImageError:
        return 0.0
    return 1.0 if decoded.shape != truth.shape else float((decoded != truth).any(2).mean())


@pytest.mark.parametrize(
    ("options", "most_accepted_wrong"), [((), 0.35), (RESTARTS, 0.05), (PROGRESSIVE, 0.1)], ids=["plain", "restarts", "progressive"]
)
def test_most_damage_is_found(options, most_accepted_wrong):
    """Without restart markers a changed byte may leave a valid file of another picture, which no decoder can tell."""
    rng = np.random.default_rng(1)
    whole = jpeg(PICTURE, *options)
    truth = decode_rgb(whole)
    wrong = [wrong_share(damaged(whole, rng), truth) > 0.2 for _ in range(300)]
    assert np.mean(wrong) < most_accepted_wrong


def test_damage_that_is_accepted_is_told():
    whole = jpeg(PICTURE)
    at = len(whole) // 2
    data = whole[:at] + bytes(300) + whole[at + 300 :]
    with pytest.raises(CorruptJpeg, match=f"JPEG of {len(data)} bytes is damaged .Corrupt JPEG data"):
        decode_rgb(data)
    told: list[str] = []
    decoded = decode_rgb(data, on_damage=told.append)
    assert len(told) == 1
    assert told[0].startswith("Corrupt JPEG data")
    truth = decode_rgb(whole)
    np.testing.assert_array_equal(decoded[:80], truth[:80])  # what was read before the damage
    assert (decoded[160:] != truth[160:]).any()


def test_a_whole_file_is_not_told_of():
    told: list[str] = []
    decode_rgb(jpeg(PICTURE), on_damage=told.append)
    assert told == []


@pytest.mark.parametrize("options", [(), RESTARTS, PROGRESSIVE], ids=["plain", "restarts", "progressive"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused_even_where_damage_is_accepted(options, share):
    whole = jpeg(PICTURE, *options)
    for data in (whole[: int(share * len(whole))], whole[:-2]):
        with pytest.raises(ImageError, match="is truncated"):
            decode_rgb(data, on_damage=lambda complaint: None)


@pytest.mark.parametrize("padding", [1, 2, 6, 8])
def test_a_few_bytes_behind_the_last_pixel_are_no_damage(padding):
    """Some cameras fill up each frame so."""
    whole = jpeg(PICTURE)
    np.testing.assert_array_equal(decode_rgb(whole[:-2] + bytes(padding) + whole[-2:]), decode_rgb(whole))


def test_many_bytes_behind_the_last_pixel_are_damage():
    whole = jpeg(PICTURE)
    with pytest.raises(CorruptJpeg, match="extraneous bytes before marker 0xd9"):
        decode_rgb(whole[:-2] + bytes(100) + whole[-2:])


def test_what_follows_behind_the_end_is_not_looked_at():
    """As the films that telephones append to photographs."""
    whole = jpeg(PICTURE)
    for tail in (bytes(500), b"\xff\xda" * 300, whole[: len(whole) // 2], b"\xff\xd9"):
        np.testing.assert_array_equal(decode_rgb(whole + tail), decode_rgb(whole))


@pytest.mark.parametrize(
    ("marker", "content"),
    [
        (0xE2, b"ICC_PROFILE\0\2\1of two parts"),
        (0xE0, b"JFIF\0\x07\1\0\0\1\0\1\0\0"),
        (0xE0, b"JFIF\0\1\1\0\0\1\0\1\5\5"),
        (0xFE, b"a comment"),
        (0xE1, b"Exif\0\0broken"),
        (0xEF, b""),
    ],
    ids=["part of an ICC profile", "a version of JFIF to come", "a thumbnail that is missing", "comment", "exif", "empty"],
)
def test_odd_metadata_harm_no_pixel(marker, content):
    whole = jpeg(PICTURE)
    bare = whole[:2] + whole[20:]  # without its own JFIF segment
    np.testing.assert_array_equal(decode_rgb(with_segment(bare, marker, content)), decode_rgb(whole))


def test_markers_may_be_filled_up():
    whole = jpeg(PICTURE)
    np.testing.assert_array_equal(decode_rgb(whole[:2] + b"\xff" * 50 + whole[2:]), decode_rgb(whole))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xd8", "is truncated: it ends before its first pixel"),
        (b"\xff\xd8\xff", "is truncated"),
        (b"\xff\xd8\xff\xd9", "is truncated"),
        (b"\xff\xd8hello, world", "is damaged: no segment begins at byte 2"),
        (b"\xff\xd8\xff\xe0\0\1....", "is damaged: no segment begins at byte 2"),
        (b"\xff\xd8\xff\xe0\xff\xff....", "is truncated: it ends within a segment that begins at byte 2"),
        (b"\xff\xd8" + segment(0xDA, b"\1\1\0\0\x3f\0"), "is damaged: it says no size"),
        (b"\xff\xd8" + segment(0xC0, b"\x08\0"), "is truncated"),
    ],
)
def test_broken_headers_are_named(data, words):
    with pytest.raises(ImageError, match=words):
        decode_rgb(data)


def test_a_file_of_many_scans_is_refused():
    """Each scan costs a pass over all pixels: a megabyte could hold a processor for hours."""
    whole = jpeg(PICTURE, *PROGRESSIVE)
    scan = whole.rindex(b"\xff\xda")
    for copies, fine in ((20, True), (2000, False)):
        data = whole[:-2] + whole[scan:-2] * copies + whole[-2:]
        if fine:
            with pytest.raises(CorruptJpeg):  # libjpeg notices that they refine what is refined already
                decode_rgb(data)
        else:
            with pytest.raises(ImageError, match=r"has 20\d\d scans, expected at most 32"):
                decode_rgb(data, on_damage=lambda complaint: None)


def test_colours_are_those_of_opencv():
    """The decoder is the same library: what was trained on stays what it was."""
    for options in ((), PROGRESSIVE, (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)):
        data = jpeg(PICTURE, *options)
        theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(decode_rgb(data).astype(int) - theirs).max() <= 1

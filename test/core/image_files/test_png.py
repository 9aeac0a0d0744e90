# SPDX-License-Identifier: Apache-2.0
"""PNGs are read as they are stored, and refused where a checksum says that they are not what was written."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from made_pictures import SIGNATURE, chunk, jpeg, packed_rows, palette, png, png_of_chunks, smooth

from mtl_perception.core.image_files import ImageError, WrongKind, decode_label_map, decode_rgb

PICTURE = smooth()
BOTH = pytest.mark.parametrize("quiet", [True, False], ids=["Pillow", "OpenCV"])
IDS = np.arange(15 * 11, dtype=np.uint8).reshape(11, 15)


@BOTH
@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("color_type", [0, 3])
def test_ids_of_few_bits_are_those_that_were_written(bits, color_type, quiet):
    ids = IDS % 2**bits
    between = [palette(2**bits), chunk(b"tRNS", b"\0")] if color_type else []
    data = png_of_chunks(15, 11, bits, color_type, packed_rows(ids, bits), between)
    np.testing.assert_array_equal(decode_label_map(data, 8, quiet=quiet), ids)


@BOTH
def test_ids_of_a_palette_are_the_entries_numbers(quiet):
    """As in the masks of Pascal VOC, whose colours are for people; two entries may even have one colour."""
    one_color = chunk(b"PLTE", bytes(3 * 256))
    rows = b"".join(b"\0" + row.tobytes() for row in IDS)
    np.testing.assert_array_equal(decode_label_map(png_of_chunks(15, 11, 8, 3, rows, [one_color]), 8, quiet=quiet), IDS)


@BOTH
def test_ids_and_millimetres_are_exact(quiet):
    np.testing.assert_array_equal(decode_label_map(png(IDS), 8, quiet=quiet), IDS)
    depth = IDS.astype(np.uint16) * 397
    decoded = decode_label_map(png(depth), 16, quiet=quiet)
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, depth)


@BOTH
def test_interlaced_files_are_read(quiet):
    """Adam7 of a picture that lies in its first pass alone."""
    data = png_of_chunks(1, 1, 8, 0, b"\0\7", interlace=1)
    assert decode_label_map(data, 8, quiet=quiet).tolist() == [[7]]


@pytest.mark.parametrize(
    ("data", "bits", "words"),
    [
        (png(PICTURE), 8, "it is a PNG of 8 bits, RGB, expected a grey or palette PNG of 8 bits or less"),
        (png(IDS), 16, "it is a PNG of 8 bits, grey, expected a grey PNG of 16 bits"),
        (png(IDS.astype(np.uint16)), 8, "it is a PNG of 16 bits, grey, expected a grey or palette PNG of 8 bits or less"),
        (png_of_chunks(8, 1, 1, 0, b"\0\1"), 16, "it is a PNG of 1 bit, grey, expected a grey PNG of 16 bits"),
        (jpeg(IDS), 8, "it is a JPEG, whose compression changes numbers, expected a PNG"),
    ],
)
def test_what_can_hold_no_labels_is_named(data, bits, words):
    with pytest.raises(WrongKind, match=words):
        decode_label_map(data, bits)


@BOTH
def test_any_changed_byte_of_what_makes_the_pixels_is_found(quiet):
    whole = png(PICTURE)
    rng = np.random.default_rng(0)
    for at in rng.choice(len(whole), 400, replace=False):
        data = bytearray(whole)
        data[at] ^= int(rng.integers(1, 256))
        with pytest.raises(ImageError):
            decode_rgb(bytes(data), quiet=quiet)


def test_a_failed_checksum_is_named():
    whole = bytearray(png(PICTURE))
    whole[100] ^= 1
    with pytest.raises(ImageError, match=f"PNG of {len(whole)} bytes is damaged: its IDAT chunk at byte 33 fails its checksum"):
        decode_rgb(bytes(whole))


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.95])
def test_a_truncated_file_is_named(share):
    whole = png(PICTURE)
    for data in (whole[: 8 + int(share * len(whole))], whole[:-1], whole[:-12]):
        with pytest.raises(ImageError, match="is truncated"):
            decode_rgb(data)


def header(*fields: int) -> bytes:
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", *fields)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        header(8, 8, 3, 0, 0, 0, 0),
        header(8, 8, 8, 1, 0, 0, 0),
        header(8, 8, 4, 2, 0, 0, 0),
        header(8, 8, 8, 0, 1, 0, 0),
        header(8, 8, 8, 0, 0, 1, 0),
        header(8, 8, 8, 0, 0, 0, 9),
        header(8, 8, 8, 0, 0, 0, 0),
        SIGNATURE + chunk(b"IDAT", bytes(9)) + chunk(b"IHDR", bytes(13)),
        SIGNATURE + chunk(b"IHDR", bytes(20)) + bytes(20),
        png_of_chunks(8, 8, 8, 3, bytes(72)),
        png_of_chunks(8, 8, 8, 0, b"\x09" * 72),
        png_of_chunks(8, 8, 8, 0, bytes(72), [chunk(b"CgBI", b"1234")]),
        png(PICTURE)[:33] + chunk(b"IDAT", zlib.compress(bytes(385 * 96))[:-8]) + chunk(b"IEND", b""),
        png(PICTURE)[:33] + chunk(b"IDAT", b"no deflate") + chunk(b"IEND", b""),
    ],
)
def test_what_its_checksums_do_not_tell_is_refused_without_a_word_to_the_terminal(data, capfd):
    with pytest.raises(ImageError):
        decode_rgb(data)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "between",
    [
        chunk(b"iCCP", b"x\0\0broken"),
        chunk(b"tEXt", bytes(100_000)),
        chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(10_000_000))),
        chunk(b"acTL", b"\0\0\0\2\0\0\0\0"),
        chunk(b"eXIf", b"broken"),
        chunk(b"gAMA", b"\0\0\0\1"),
        chunk(b"tRNS", b"\0\0\0\0\0\0"),
        chunk(b"abCd", b"")[:-1] + b"?",
    ],
    ids=lambda data: data[4:8].decode(),
)
def test_other_chunks_change_nothing(between, capfd):
    whole = png(PICTURE)
    np.testing.assert_array_equal(decode_rgb(whole[:33] + between + whole[33:]), PICTURE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_both_decoders_give_the_same(bits, channels):
    values = np.random.default_rng(0).integers(0, 2**bits, (24, 32, channels)).astype(f"u{bits // 8}")
    for level in (0, 1, 9):
        data = cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()
        np.testing.assert_array_equal(decode_rgb(data), decode_rgb(data, quiet=False))


@pytest.mark.parametrize(("color_type", "samples"), [(0, 1), (4, 2), (2, 3), (6, 4)])
@pytest.mark.parametrize("bits", [8, 16])
def test_both_decoders_know_every_kind_of_colour(color_type, samples, bits):
    row = np.random.default_rng(0).integers(0, 256, 20 * samples * bits // 8, np.uint8).tobytes()
    data = png_of_chunks(20, 5, bits, color_type, (b"\0" + row) * 5)
    np.testing.assert_array_equal(decode_rgb(data), decode_rgb(data, quiet=False))

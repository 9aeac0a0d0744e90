# SPDX-License-Identifier: Apache-2.0
import struct
import zlib

import cv2
import numpy as np
import pytest

from mtl_perception.core.compressed_depth import MILLIMETRES, decode_compressed_depth, encode_compressed_depth
from mtl_perception.core.image_messages import ConversionError

PIXELS = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def test_millimetres_come_back() -> None:
    depth_m = np.array([[0.0, np.nan, 0.4124], [1.5, 65.5, 70.0]], np.float32)
    found = decode_compressed_depth(MILLIMETRES, encode_compressed_depth(depth_m))
    np.testing.assert_allclose(found, [[0, 0, 0.412], [1.5, 65.5, 0]], atol=1e-6)


def test_quantised_inverse_depth_comes_back() -> None:
    depth_m = np.linspace(0.5, 10, 48 * 64, dtype=np.float32).reshape(48, 64)
    a, b = 100.0 * 101.0, 1.0 - 100.0 * 101.0 / 15.0  # as compressed_depth_image_transport makes them of 100 and 15 m
    values = (a / depth_m + b).astype(np.uint16)
    values[0] = 0
    data = struct.pack("<iff", 0, a, b) + cv2.imencode(".png", values)[1].tobytes()
    found = decode_compressed_depth("32FC1; compressedDepth png", data)
    np.testing.assert_allclose(found[1:], depth_m[1:], rtol=0.01)
    assert (found[0] == 0).all() and found.dtype == np.float32


def header_of(side: int) -> bytes:
    """A grey PNG of 16 bits that ends behind its header."""
    chunk = struct.pack(">4sIIBBBBB", b"IHDR", side, side, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize(
    ("format_", "data", "said"),
    [
        ("rgb8; jpeg", b"", "has the format 'rgb8; jpeg', expected 16UC1 or 32FC1"),
        ("16UC1; compressedDepth rvl", bytes(40), "holds no PNG behind its 12 bytes"),
        ("16UC1; compressedDepth", bytes(12) + b"\x89PNG", "holds no PNG behind"),
        ("16UC1; compressedDepth", bytes(12) + header_of(60000), "60000x60000"),
        ("16UC1; compressedDepth", bytes(12) + header_of(6), "can't be decoded"),
        ("16UC1; compressedDepth", bytes(12) + cv2.imencode(".png", PIXELS)[1].tobytes(), "expected a grey PNG"),
    ],
)
def test_what_is_no_compressed_depth_is_named(format_: str, data: bytes, said: str) -> None:
    with pytest.raises(ConversionError, match=said):
        decode_compressed_depth(format_, data)

# SPDX-License-Identifier: Apache-2.0
"""A camera of ten or twelve bits fills a small part of sixteen; its picture is not to be black."""

import numpy as np
import pytest

from mtl_perception.core.image_files import to_8_bit

RAMP = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize("order", ["<", ">"])
def test_white_becomes_255_in_either_byte_order(order):
    expected = np.rint(RAMP / 257).astype(np.uint8)
    np.testing.assert_array_equal(to_8_bit(RAMP.astype(f"{order}u2"), 65535), expected)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_range_that_is_given_is_kept(bits):
    white = 2**bits - 1
    values = np.array([[0, white // 2, white, white + 1, 65535]], np.uint16)
    assert to_8_bit(values, white).tolist() == [[0, 127, 255, 255, 255]]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_the_range_is_found(bits):
    values = np.random.default_rng(0).integers(0, 2**bits, (240, 320)).astype(np.uint16)
    found = to_8_bit(values)
    assert found.max() == 255
    assert abs(float(found.mean()) - 127.5) < 3


def test_a_lamp_does_not_darken_the_rest():
    values = np.random.default_rng(0).integers(0, 1024, (240, 320)).astype(np.uint16)
    values[100:105, 100:105] = 65535
    assert to_8_bit(values).mean() > 100


def test_noise_in_the_dark_stays_dark():
    values = np.random.default_rng(0).integers(0, 20, (240, 320)).astype(np.uint16)
    assert to_8_bit(values).max() < 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 2), (5, 5), (6, 6)])
@pytest.mark.parametrize("value", [0, 1, 300, 65535])
def test_every_size_and_value(shape, value):
    assert to_8_bit(np.full(shape, value, np.uint16)).tolist() == np.full(shape, min(value, 255)).tolist()

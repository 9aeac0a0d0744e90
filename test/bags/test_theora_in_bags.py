# SPDX-License-Identifier: Apache-2.0
"""Cameras that were recorded as Theora."""

import pytest

pytest.importorskip("av", reason="decodes video: pip install av")

from small_bags import START_NS
from video_bags import THEORA_PACKET, write_video
from videos import GOP, HEIGHT, WIDTH, brightness, shade, theora

from mtl_perception.bags import Bag

HEADERS, FILM = theora()
BEGUN = [(data, 0) for data in HEADERS]


def frames(path):
    with Bag(path) as bag:
        image = bag.find_image()
        assert (image.name, image.type) == ("/camera/image_raw/theora", THEORA_PACKET)
        return list(bag.frames(image, bag.find_camera_info(image)))


def numbers(found):
    return [round((frame.stamp_ns - START_NS) / 1e8) for frame in found]


def assert_right(found):
    for number, frame in zip(numbers(found), found):
        assert abs(brightness(frame.image_rgb) - shade(number)) < 4 and frame.problem == "", number


def test_every_packet_behind_the_headers_is_a_frame(tmp_path):
    found = frames(write_video(tmp_path / "drive", THEORA_PACKET, "theora", [*BEGUN, *FILM]))
    assert numbers(found) == list(range(30))
    assert_right(found)
    assert found[0].image_rgb.shape == (HEIGHT, WIDTH, 3) and found[0].intrinsics.width == WIDTH


def test_a_lost_packet_is_named(tmp_path):
    found = frames(write_video(tmp_path / "drive", THEORA_PACKET, "theora", [*BEGUN, *FILM[:5], *FILM[6:]]))
    assert all(frame.image_rgb is None and "packets of video got lost" in frame.problem for frame in found[5 : GOP - 1])
    assert_right([*found[:5], *found[GOP - 1 :]])


def test_a_recording_without_headers_is_named(tmp_path):
    found = frames(write_video(tmp_path / "drive", THEORA_PACKET, "theora", FILM))
    assert numbers(found) == list(range(30))
    assert all(frame.image_rgb is None and "the headers of theora are missing" in frame.problem for frame in found)

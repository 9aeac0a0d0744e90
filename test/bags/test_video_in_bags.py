# SPDX-License-Identifier: Apache-2.0
"""Cameras that were recorded as video: every picture under its own stamp, and what has none is named."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="decodes video: pip install av")

from small_bags import START_NS, SmallBag
from video_bags import COMPRESSED_VIDEO, FFMPEG_PACKET, TOPICS, write_video
from videos import GOP, HEIGHT, WIDTH, brightness, has_encoder, packets, shade

from mtl_perception.bags import Bag, BagError, BagFrame
from mtl_perception.core.image_messages import InputSettings
from mtl_perception.data.importers.rosbag2 import Settings, read
from mtl_perception.prediction.sources import open_source

pytestmark = pytest.mark.skipif(not has_encoder("h264"), reason="no encoder of H.264")
JOINED, LOST = "begins in the middle: nothing is shown until the first key frame", "packets of video got lost: nothing is shown"


@pytest.fixture(scope="module")
def film() -> list[tuple[bytes, int]]:
    return packets("h264")


def frames(path: Path, **options) -> list[BagFrame]:
    with Bag(path) as bag:
        image = bag.find_image()
        return list(bag.frames(image, bag.find_camera_info(image), **options))


def numbers(found: list[BagFrame]) -> list[int]:
    return [round((frame.stamp_ns - START_NS) / 1e8) for frame in found]


def assert_right(found: list[BagFrame]) -> None:
    for number, frame in zip(numbers(found), found):
        assert abs(brightness(frame.image_rgb) - shade(number)) < 4, number
        assert frame.problem == "" and frame.message.header.frame_id == "camera_color_optical_frame"


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
@pytest.mark.parametrize("kind", [FFMPEG_PACKET, COMPRESSED_VIDEO])
def test_every_packet_is_a_frame_with_its_own_stamp(tmp_path: Path, film, kind: str, storage: str) -> None:
    write_video(tmp_path / "drive", kind, "h264", film, storage)
    with Bag(tmp_path / "drive") as bag:
        image = bag.find_image()
        assert (image.name, image.type, image.count) == (TOPICS[kind], kind, 30)
        assert bag.find_camera_info(image).name == "/camera/camera_info"
    found = frames(tmp_path / "drive")
    assert numbers(found) == list(range(30))
    assert_right(found)
    assert {frame.intrinsics.width for frame in found} == {WIDTH} and found[3].image_rgb.shape == (HEIGHT, WIDTH, 3)
    assert [frame.time_ns for frame in found] == [frame.stamp_ns for frame in found]


@pytest.mark.skipif(not has_encoder("vp9"), reason="no encoder of VP9")
def test_other_codecs_are_read_too(tmp_path: Path) -> None:
    write_video(tmp_path / "drive", COMPRESSED_VIDEO, "vp9", packets("vp9", 12))
    found = frames(tmp_path / "drive")
    assert numbers(found) == list(range(12))
    assert_right(found)


def test_reordered_pictures_are_all_there(tmp_path: Path) -> None:
    write_video(tmp_path / "drive", FFMPEG_PACKET, "h264", packets("h264", b_frames=3))
    found = frames(tmp_path / "drive")
    assert numbers(found) == list(range(30)), "those that the decoder held back too"
    assert_right(found)


@pytest.mark.parametrize("kind", [FFMPEG_PACKET, COMPRESSED_VIDEO])
def test_a_video_that_begins_in_the_middle_shows_nothing_before_its_first_key_frame(tmp_path: Path, film, kind: str) -> None:
    found = frames(write_video(tmp_path / "drive", kind, "h264", film[3:]))
    assert numbers(found) == list(range(3, 30))
    assert all(frame.image_rgb is None and JOINED in frame.problem for frame in found[: GOP - 3])
    assert_right(found[GOP - 3 :])


def test_after_a_lost_packet_nothing_is_shown_before_the_next_key_frame(tmp_path: Path, film) -> None:
    found = frames(write_video(tmp_path / "drive", FFMPEG_PACKET, "h264", [*film[:5], *film[6:]]))
    assert numbers(found) == [*range(5), *range(6, 30)]
    assert all(frame.image_rgb is None and LOST in frame.problem for frame in found[5 : GOP - 1])
    assert_right([*found[:5], *found[GOP - 1 :]])


def test_a_damaged_packet_and_one_that_is_too_large_are_named(tmp_path: Path, film) -> None:
    (large, _), *_ = packets("h264", 1, (640, 480))
    write_video(tmp_path / "drive", FFMPEG_PACKET, "h264", [*film[:5], (large, 5), *film[6:20]])
    found = frames(tmp_path / "drive", settings=InputSettings(max_pixels=WIDTH * HEIGHT))
    assert numbers(found) == list(range(20))
    assert "video is of 640x480 = 307200 pixels, expected at most 76800" in found[5].problem
    assert all(LOST in frame.problem for frame in found[6:GOP])
    assert_right([*found[:5], *found[GOP:]])


def test_pictures_go_before_video_and_other_codecs_are_no_camera(tmp_path: Path, film) -> None:
    write_video(tmp_path / "other", COMPRESSED_VIDEO, "mjpeg", film[:1])
    words = "foxglove is video that is not read .video has the codec 'mjpeg', expected one of h264"
    with Bag(tmp_path / "other") as bag, pytest.raises(BagError, match=words):
        bag.find_image()
    with SmallBag(tmp_path / "wrong") as bag:
        bag.write_camera_info(0)
    words = "CompressedImage, .*FFMPEGPacket, foxglove_msgs/msg/CompressedVideo or theora"
    with Bag(tmp_path / "wrong") as bag, pytest.raises(BagError, match=words):
        bag.find_image("/camera/camera_info")


def test_without_pyav_it_is_said_what_to_install(tmp_path: Path, film, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "drive", FFMPEG_PACKET, "h264", film[:2])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BagError, match="image_raw/ffmpeg is ffmpeg_image_transport_msgs/msg/FFMPEGPacket, and video is decoded by PyAV"):
        frames(tmp_path / "drive")


@pytest.mark.parametrize("kind", [FFMPEG_PACKET, COMPRESSED_VIDEO])
def test_predict_takes_such_a_bag(tmp_path: Path, film, kind: str) -> None:
    source = open_source(str(write_video(tmp_path / "drive", kind, "h264", film[3:])))
    found = list(source.pictures)
    assert source.count == 27 and len(found) == 20 and [JOINED in text for text in source.skipped] == [True]
    assert found[0].name == "drive_000007" and abs(brightness(found[0].image_rgb) - shade(GOP)) < 4
    assert found[0].intrinsics is not None


@pytest.mark.parametrize("kind", [FFMPEG_PACKET, COMPRESSED_VIDEO])
def test_import_takes_pictures_out_of_such_a_bag(tmp_path: Path, film, kind: str) -> None:
    """Those that are wanted; the others are decoded for them all the same."""
    write_video(tmp_path / "drive", kind, "h264", film[3:])
    labelled = read(tmp_path / "drive", Settings(every=0.5))
    found = list(labelled.pictures)
    assert [round((one.extra["stamp_ns"] - START_NS) / 1e8) for one in found] == [10, 15, 20, 25]
    for number, one in zip((10, 15, 20, 25), found):
        pixels = one.image.read()
        assert isinstance(pixels, np.ndarray) and abs(brightness(pixels) - shade(number)) < 4
        assert one.camera is not None and one.camera.width == WIDTH
    assert any("packets of video without a picture" in note for note in labelled.notes.lines())

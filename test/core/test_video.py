# SPDX-License-Identifier: Apache-2.0
"""Video packets to pictures: each with its own tag, none that would be wrong, whatever is lost or damaged."""

import random
import sys

import pytest

pytest.importorskip("av", reason="decodes video: pip install av")

from videos import ENCODERS, GOP, HEIGHT, WIDTH, brightness, has_encoder, packets, shade

from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.video import AwaitedKeyFrame, MissingPyAV, VideoDecoder, codec_of

CODECS = [pytest.param(codec, marks=pytest.mark.skipif(not has_encoder(codec), reason="no encoder for it")) for codec in ENCODERS]


def shown(decoder: VideoDecoder, codec: str, film, with_pts: bool = False) -> list[tuple[int, float]]:
    """(tag, brightness) of every picture that comes."""
    found = []
    for data, number in film:
        try:
            pictures = decoder.decode(codec, data, number, number if with_pts else None)
        except AwaitedKeyFrame:
            continue
        found += [(picture.tag, brightness(picture.to_rgb())) for picture in pictures]
    return found


def assert_right(found: list[tuple[int, float]], numbers) -> None:
    assert [tag for tag, _ in found] == list(numbers)
    assert all(abs(light - shade(tag)) < 4 for tag, light in found), found


@pytest.mark.parametrize("codec", CODECS)
def test_every_packet_gives_its_picture_at_once(codec: str) -> None:
    decoder = VideoDecoder()
    assert decoder.awaits_key_frame
    for data, number in packets(codec):
        (picture,) = decoder.decode(codec, data, number, number)
        image = picture.to_rgb()
        assert picture.tag == number and image.shape == (HEIGHT, WIDTH, 3) and abs(brightness(image) - shade(number)) < 4
        assert image[20, 20 + number, 0] > 180 > 80 > image[20, 20 + number, 1], "red is red"


@pytest.mark.parametrize("codec", CODECS)
def test_a_stream_that_is_joined_shows_nothing_before_the_next_key_frame(codec: str) -> None:
    decoder = VideoDecoder()
    assert shown(decoder, codec, packets(codec)[3:GOP]) == [] and decoder.awaits_key_frame
    assert_right(shown(decoder, codec, packets(codec)[GOP:]), range(GOP, 30))
    assert not decoder.awaits_key_frame


@pytest.mark.slow(4)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("by", ["pts", "the middleware"])
def test_after_a_lost_packet_nothing_is_shown_before_the_next_key_frame(codec: str, by: str) -> None:
    decoder, film = VideoDecoder(), packets(codec)
    assert_right(shown(decoder, codec, film[:5], with_pts=by == "pts"), range(5))
    if by == "the middleware":
        decoder.lose()
    assert_right(shown(decoder, codec, film[6:], with_pts=by == "pts"), range(GOP, 30))


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec.values[0] in ("h264", "hevc")])
def test_reordered_pictures_come_in_their_order_with_their_own_tags(codec: str) -> None:
    film = packets(codec, b_frames=3)
    assert [number for _, number in film] != list(range(30))
    found = shown(VideoDecoder(), codec, film, with_pts=True)
    assert_right(found, range(len(found)))
    assert len(found) >= 26


@pytest.mark.parametrize("codec", CODECS)
def test_damaged_packets_are_refused_and_the_stream_goes_on(codec: str) -> None:
    draw = random.Random(7)
    decoder, film = VideoDecoder(max_pixels=WIDTH * HEIGHT), packets(codec)
    refused = 0
    for _ in range(400):
        data = bytearray(draw.choice(film)[0])
        kind = draw.randrange(3)
        if kind == 0:
            data = bytearray(draw.randbytes(draw.choice((0, 1, 4, 100, 3000))))
        elif kind == 1:
            del data[draw.randrange(len(data)) :]
        else:
            for _ in range(draw.randint(1, 20)):
                data[draw.randrange(min(len(data), 100))] = draw.randrange(256)
        try:
            for picture in decoder.decode(codec, bytes(data), None, draw.getrandbits(64)):
                assert picture.to_rgb().size <= 3 * WIDTH * HEIGHT
        except ConversionError:
            refused += 1
    assert refused > 0
    decoder.lose()
    assert_right(shown(decoder, codec, film), range(30))


@pytest.mark.parametrize("codec", CODECS)
def test_pictures_that_are_too_large_are_named_and_smaller_ones_come_again(codec: str) -> None:
    decoder = VideoDecoder(max_pixels=WIDTH * HEIGHT)
    with pytest.raises(ConversionError, match="expected at most 76800|no key frame"):
        decoder.decode(codec, packets(codec, 1, (640, 480))[0][0], 0)
    assert_right(shown(decoder, codec, packets(codec)), range(30))


def test_the_size_of_h264_that_is_too_large_is_told() -> None:
    if not has_encoder("h264"):
        pytest.skip("no encoder for it")
    with pytest.raises(ConversionError, match="video is of 640x480 = 307200 pixels, expected at most 1000; raise input.max_pixels"):
        VideoDecoder(max_pixels=1000).decode("h264", packets("h264", 1, (640, 480))[0][0], 0)


@pytest.mark.slow(4)
def test_a_stream_may_change_its_codec_and_its_size() -> None:
    known = [codec for codec in ENCODERS if has_encoder(codec)]
    decoder = VideoDecoder()
    for codec in [*known, *known]:
        for size in ((320, 240), (160, 120)):
            assert_right(shown(decoder, codec, packets(codec, 4, size)), range(4))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("h264", "h264"),
        ("libx264", "h264"),
        ("h264_nvenc", "h264"),
        ("h265", "hevc"),
        ("hevc_vaapi", "hevc"),
        ("libsvtav1", "av1"),
        ("vp9", "vp9"),
    ],
)
def test_codecs_go_by_many_names(name: str, codec: str) -> None:
    assert codec_of(name) == codec


def test_other_codecs_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConversionError, match="codec 'mjpeg', expected one of h264, hevc, av1, vp9, theora"):
        codec_of("mjpeg")


def test_without_pyav_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingPyAV, match="pip install 'mtl-perception"):
        VideoDecoder()

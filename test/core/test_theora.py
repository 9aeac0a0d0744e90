# SPDX-License-Identifier: Apache-2.0
"""Theora needs three headers before its packets; otherwise it is video as any other."""

import pytest

pytest.importorskip("av", reason="decodes video: pip install av")

from videos import GOP, HEIGHT, WIDTH, brightness, shade, theora

from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.video import AwaitedKeyFrame, VideoDecoder, codec_of

HEADERS, FILM = theora()
FIRST = len(HEADERS)
"""Number of the first packet behind the headers, as libogg counts."""


def shown(decoder, film):
    """(number, brightness) of every picture that comes."""
    found = []
    for data, number in film:
        try:
            found += [(one.tag, brightness(one.to_rgb())) for one in decoder.decode("theora", data, number, FIRST + number)]
        except AwaitedKeyFrame:
            continue
    return found


def assert_right(found, numbers):
    assert [number for number, _ in found] == list(numbers)
    assert all(abs(light - shade(number)) < 4 for number, light in found), found


def begun():
    decoder = VideoDecoder()
    for number, data in enumerate(HEADERS):
        assert decoder.awaits_headers or number == 0
        assert decoder.decode("theora", data, None, number) == []
    assert not decoder.awaits_headers and decoder.awaits_key_frame
    return decoder


def test_every_packet_behind_the_headers_gives_its_picture():
    assert codec_of("theora") == "theora" and FIRST == 3 and len(FILM) == 30
    decoder = begun()
    (picture,) = decoder.decode("theora", FILM[0][0], 0, FIRST)
    image = picture.to_rgb()
    assert image.shape == (HEIGHT, WIDTH, 3) and image[20, 20, 0] > 180 > 80 > image[20, 20, 1], "red is red"
    assert_right(shown(decoder, FILM[1:]), range(1, 30))


def test_without_headers_nothing_is_shown_and_the_reason_is_told():
    decoder = VideoDecoder()
    with pytest.raises(AwaitedKeyFrame, match="headers of the stream of theora have not come"):
        decoder.decode("theora", FILM[0][0], 0, FIRST)
    decoder.decode("theora", HEADERS[0], None, 0)
    assert shown(decoder, FILM[1:5]) == [] and decoder.awaits_headers
    for data in HEADERS[1:]:
        decoder.decode("theora", data, None, 0)
    assert_right(shown(decoder, FILM[5:]), range(GOP, 30))


def test_after_a_lost_packet_nothing_is_shown_before_the_next_key_frame():
    decoder = begun()
    assert_right(shown(decoder, FILM[:5]), range(5))
    assert_right(shown(decoder, FILM[6:]), range(GOP, 30))


def test_headers_that_come_again_do_no_harm_and_losses_are_still_found():
    decoder = begun()
    assert_right(shown(decoder, FILM[:5]), range(5))
    for number, data in enumerate(HEADERS):  # for another that joins
        decoder.decode("theora", data, None, number)
    assert_right(shown(decoder, FILM[5:15]), range(5, 15))
    assert_right(shown(decoder, FILM[16:]), range(2 * GOP, 30))


def test_damaged_headers_are_refused_and_good_ones_mend_it():
    decoder = begun()
    decoder.decode("theora", HEADERS[2][:40], None, 2)
    with pytest.raises(ConversionError):
        decoder.decode("theora", FILM[0][0], 0, FIRST)
    decoder.decode("theora", HEADERS[2], None, 2)
    assert_right(shown(decoder, FILM), range(30))


def test_pictures_that_are_too_large_are_refused():
    decoder = VideoDecoder(max_pixels=1000)
    for data in HEADERS:
        decoder.decode("theora", data, None, 0)
    with pytest.raises(ConversionError):
        decoder.decode("theora", FILM[0][0], 0, FIRST)

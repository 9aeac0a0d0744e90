# SPDX-License-Identifier: Apache-2.0
"""Cameras that were recorded as video: the packets of a topic to pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mtl_perception.bags.types import FFMPEG_PACKET, THEORA_PACKET
from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.video import KEPT, THEORA, AwaitedKeyFrame, PacketHeader, Picture, VideoDecoder, VideoPacket, codec_of, is_header

_LOST = "packets of video got lost: nothing is shown until the next key frame"
_JOINED = "the video begins in the middle: nothing is shown until the first key frame"
_HEADERLESS = "the headers of theora are missing, which its publisher sends once, at its start: nothing is shown; record from before that"


def packet_of(message: Any, kind: str) -> VideoPacket:
    """The packet in a deserialised message of one of ``VIDEO``."""
    if kind == FFMPEG_PACKET:
        return VideoPacket(message.header, message.encoding.partition(";")[0], message.pts, bytes(message.data))
    if kind == THEORA_PACKET:
        return VideoPacket(message.header, THEORA, message.packetno, bytes(message.data))
    return VideoPacket(PacketHeader(message.timestamp, message.frame_id), message.format, None, bytes(message.data))


@dataclass(frozen=True)
class VideoFrame:
    """One packet, and the picture that it became.

    Attributes:
        time_ns: when it was recorded.
        picture: None where there is none.
        problem: why; empty if nothing is wrong.
    """

    time_ns: int
    packet: VideoPacket
    picture: Picture | None
    problem: str = ""


class VideoStream:
    """The packets of one topic, in the order of recording.

    Raises:
        MissingPyAV: video can't be decoded here.
    """

    def __init__(self, max_pixels: int) -> None:
        self._decoder = VideoDecoder(max_pixels)
        self._count = 0
        self._open: dict[int, tuple[int, VideoPacket]] = {}  # packets whose picture may still come
        self._is_joined = False

    def frames(self, time_ns: int, packet: VideoPacket) -> Iterator[VideoFrame]:
        """Frames that are known with this packet: its own, or of those before it, where an encoder reorders pictures or one got lost.

        Each packet is told of once, with its picture or with why it has none; headers are not.
        """
        self._count += 1
        self._open[self._count] = (time_ns, packet)
        try:
            codec = codec_of(packet.codec)
            pictures = self._decoder.decode(codec, packet.data, (self._count, time_ns, packet), packet.pts)
            if is_header(codec, packet.data):
                del self._open[self._count]
        except AwaitedKeyFrame:
            pictures = []
        except ConversionError as error:
            del self._open[self._count]
            yield VideoFrame(time_ns, packet, None, str(error))
            return
        yield from self._shown(pictures)
        if len(self._open) > KEPT:
            yield from self._without_picture(self._count - KEPT + 1)

    def rest(self) -> Iterator[VideoFrame]:
        """Frames that are left to be told of at the end."""
        yield from self._shown(self._decoder.rest())
        yield from self._without_picture(self._count + 1)

    def _shown(self, pictures: list[Picture]) -> Iterator[VideoFrame]:
        for picture in pictures:
            number, time_ns, packet = picture.tag
            if picture.is_key:  # nothing that was sent before it comes after it
                yield from self._without_picture(number)
            self._is_joined = True
            if self._open.pop(number, None) is not None:
                yield VideoFrame(time_ns, packet, picture)

    def _without_picture(self, before: int) -> Iterator[VideoFrame]:
        for number in [number for number in self._open if number < before]:
            problem = _HEADERLESS if self._decoder.awaits_headers else _LOST if self._is_joined else _JOINED
            yield VideoFrame(*self._open.pop(number), None, problem)

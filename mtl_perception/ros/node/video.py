# SPDX-License-Identifier: Apache-2.0
"""Video topics: packets to frames for the worker.

Other transports' messages wait undecoded, and the newest replaces those before it. A packet of video is needed by those behind it, so each is
decoded where it arrives; pictures are brought to RGB by the worker, and only those that it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.video import AwaitedKeyFrame, Picture, VideoDecoder, VideoPacket, codec_of, is_header, require_pyav
from mtl_perception.ros.cdr import Stamp, read_compressed_video, read_ffmpeg_packet, read_theora_packet
from mtl_perception.ros.node.frames import Frame, FrameCounts

VIDEO_DEPTH = 30
"""Packets that may queue: one that is left out costs the pictures up to the next key frame."""
_LARGEST_PACKET = 64_000_000  # bytes


@dataclass(frozen=True)
class VideoTransport:
    """
    Attributes:
        package, message: of the messages.
        read: takes one that is serialised.
    """

    package: str
    message: str
    read: Callable[[bytes], VideoPacket]

    @property
    def type_name(self) -> str:
        return f"{self.package}/msg/{self.message}"

    @property
    def message_type(self) -> type:
        return getattr(import_module(f"{self.package}.msg"), self.message)


VIDEO_TRANSPORTS: Mapping[str, VideoTransport] = {
    "ffmpeg": VideoTransport("ffmpeg_image_transport_msgs", "FFMPEGPacket", read_ffmpeg_packet),
    "foxglove": VideoTransport("foxglove_msgs", "CompressedVideo", read_compressed_video),
    "theora": VideoTransport("theora_image_transport", "Packet", read_theora_packet),
}
"""By the name that image_transport has for them, which is also the last element of their topics."""


def transport_of(type_name: str) -> str | None:
    """Returns the name of the transport of video whose messages are of this type; None where it is no video."""
    return next((name for name, transport in VIDEO_TRANSPORTS.items() if transport.type_name == type_name), None)


def require_transport(name: str) -> None:
    """Raise ValueError, which says what to install, if the transport ``name`` is one of video and cannot be read here."""
    if name not in VIDEO_TRANSPORTS:
        return
    package = VIDEO_TRANSPORTS[name].package
    try:
        import_module(f"{package}.msg")
    except ImportError:
        raise ValueError(f"transport is {name}, which needs {package}: apt install ros-$ROS_DISTRO-{package.replace('_', '-')}") from None
    require_pyav()


@dataclass(frozen=True)
class PictureView:
    """A frame of video, decoded but not yet RGB."""

    stamp: Stamp
    frame_id: str
    picture: Picture


class VideoInput:
    """Decodes the packets of one camera.

    Args:
        counts: ``undecodable`` goes up with packets from which nothing can be made.
    """

    def __init__(self, transport: str, max_pixels: int, counts: FrameCounts) -> None:
        self._read = VIDEO_TRANSPORTS[transport].read
        self._decoder = VideoDecoder(max_pixels)
        self._counts = counts

    def frames(self, serialised: bytes, now_s: float) -> list[Frame]:
        """Returns what the worker is to have: pictures, or the error of a packet that is no video."""
        try:
            packet = self._read(serialised)
            if len(packet.data) > _LARGEST_PACKET:
                raise ConversionError(f"a video packet has {len(packet.data)} bytes, expected at most {_LARGEST_PACKET}")
            tag = (packet.header.stamp, packet.header.frame_id)
            codec, data = codec_of(packet.codec), bytes(packet.data)
            pictures = self._decoder.decode(codec, data, tag, packet.pts)
        except AwaitedKeyFrame:
            self._counts.undecodable += 1
            return []
        except ConversionError as error:
            return [Frame(b"", now_s, error)]
        if not pictures and self._decoder.awaits_key_frame and not is_header(codec, data):
            self._counts.undecodable += 1
        return [Frame(b"", now_s, picture) for picture in pictures]

    def lose(self) -> None:
        """The middleware tells of a lost packet."""
        self._decoder.lose()

    @staticmethod
    def view(frame: Frame) -> PictureView:
        """Raises ConversionError if the packet was no video."""
        if isinstance(frame.picture, ConversionError):
            raise frame.picture
        return PictureView(*frame.picture.tag, frame.picture)

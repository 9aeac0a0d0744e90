# SPDX-License-Identifier: Apache-2.0
"""Video topics: from packets to frames for the worker.

Messages of other transports wait undecoded, and newer ones replace them. Video packets depend on earlier ones, so each is
decoded on arrival; the worker converts to RGB only the images that it takes.
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
"""Packets that may queue: losing one loses all images up to the next key frame."""
_LARGEST_PACKET = 64_000_000  # bytes


@dataclass(frozen=True)
class VideoTransport:
    """
    Attributes:
        package, message: of the message type.
        read: parses a serialised message.
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
"""By their names in image_transport, which are also the last element of their topics."""


def transport_of(type_name: str) -> str | None:
    """The name of the video transport with messages of this type; None if there is none."""
    return next((name for name, transport in VIDEO_TRANSPORTS.items() if transport.type_name == type_name), None)


def require_transport(name: str) -> None:
    """Raise ValueError, with what to install, if ``name`` is a video transport that can't be read here."""
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
        counts: ``undecodable`` is incremented for packets that depend on a lost one.
    """

    def __init__(self, transport: str, max_pixels: int, counts: FrameCounts) -> None:
        self._read = VIDEO_TRANSPORTS[transport].read
        self._decoder = VideoDecoder(max_pixels)
        self._counts = counts

    def frames(self, serialised: bytes, now_s: float) -> list[Frame]:
        """Frames for the worker: decoded images, or the error of a packet that can't be decoded."""
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
        """Note that the middleware reported a lost packet."""
        self._decoder.lose()

    @staticmethod
    def view(frame: Frame) -> PictureView:
        """The decoded image of a frame. Raises ConversionError if its packet could not be decoded."""
        if isinstance(frame.picture, ConversionError):
            raise frame.picture
        return PictureView(*frame.picture.tag, frame.picture)

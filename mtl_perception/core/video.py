# SPDX-License-Identifier: Apache-2.0
"""Video that comes packet by packet, as H.264, H.265, AV1, VP9 or Theora, to pictures.

FFmpeg decodes it, by PyAV, which the extra ``predict`` installs. A packet tells only what is new since the ones before it. So each is decoded
as it comes, and after a lost one nothing is believed until the next key frame, which needs none before it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_files import MAX_PIXELS
from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.theora import TheoraHeaders, is_theora_header

THEORA = "theora"
_DECODERS = {"h264": ("h264",), "hevc": ("hevc",), "av1": ("libdav1d", "libaom-av1"), "vp9": ("vp9",), THEORA: ("theora",)}
"""Codec → FFmpeg's decoders that run without special hardware, the preferred one first."""
_CODEC_OF = {"264": "h264", "avc": "h264", "265": "hevc", "hevc": "hevc", "av1": "av1", "vp9": "vp9", "theora": THEORA}
"""Part of a name that encoders and formats go by, such as libx264, h264_nvenc or h265 → codec."""
KEPT = 64
"""Packets whose picture may still come: encoders put some behind later ones."""
_UNIFORM = 3
"""Equal steps of pts in a row after which another step is a gap."""


class MissingPyAV(ValueError):
    """Video cannot be decoded here."""


@dataclass(frozen=True)
class PacketHeader:
    """The fields of ``std_msgs/Header``."""

    stamp: Any
    frame_id: str


@dataclass(frozen=True)
class VideoPacket:
    """One packet of a stream, whatever message it came in.

    Attributes:
        header: stamp and frame_id, as a ``PacketHeader`` or a message has them.
        codec: as the sender names it.
        pts: rises evenly with every packet; None where there is no such number.
        data: a view into the serialised message where that lives long enough.
    """

    header: Any
    codec: str
    pts: int | None
    data: bytes | memoryview


@dataclass(frozen=True)
class Picture:
    """A decoded picture, still in the colours of its codec.

    Attributes:
        tag: of the packet that it was in.
    """

    tag: Any
    frame: Any

    @property
    def is_key(self) -> bool:
        """It needs none before it."""
        return bool(self.frame.key_frame)

    def to_rgb(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        return self.frame.to_ndarray(format="rgb24")


def require_pyav() -> None:
    """Raise MissingPyAV, which says what to install, where PyAV is missing."""
    try:
        import av  # noqa: F401
    except ImportError:
        raise MissingPyAV(
            "video is decoded by PyAV, which is not installed: pip install 'mtl-perception[predict]', or pip install av"
        ) from None


def codec_of(name: str) -> str:
    """The codec that a name of an encoder or a format means. Raises ConversionError for one that is not known."""
    lower = name.lower()
    for part, codec in _CODEC_OF.items():
        if part in lower:
            return codec
    raise ConversionError(f"video has the codec {cut(name)!r}, expected one of {', '.join(_DECODERS)}")


def is_header(codec: str, data: bytes) -> bool:
    """Whether a packet has no picture, but what those behind it need."""
    return codec == THEORA and is_theora_header(data)


class VideoDecoder:
    """Decodes the packets of one stream in the order in which they come. Not thread-safe.

    Attributes:
        awaits_key_frame: nothing can be shown before the next key frame: the stream was joined, or packets got lost.
    """

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        require_pyav()
        self._max_pixels = max_pixels
        self._codec = ""
        self._context: Any = None  # until the first packet, and after a lost one: decoders remember what was damaged
        self._tags: OrderedDict[int, Any] = OrderedDict()
        self._count = 0
        self._pts = _Steps()
        self._headers = TheoraHeaders()
        self.awaits_key_frame = True

    def decode(self, codec: str, data: bytes, tag: Any, pts: int | None = None) -> list[Picture]:
        """Returns the pictures that are ready with this packet: mostly one, its own; none while a key frame is awaited.

        Args:
            codec: one that ``codec_of`` returns; another than before starts a new stream.
            data: of Theora its headers too, as often as they come: they have no picture.
            tag: comes back with the packet's picture.
            pts: a number that rises evenly from packet to packet, by which a lost one is found.

        Raises:
            ConversionError: the packet is damaged, or its picture has more pixels than are allowed; a key frame is awaited from here on.
        """
        import av

        if codec != self._codec:
            self._codec, self._pts, self._headers = codec, _Steps(), TheoraHeaders()
            self.lose()
        if is_header(codec, data):
            self._pts = _Steps()  # a publisher that starts anew counts from the beginning
            if self._headers.add(data):
                self.lose()
            return []
        if pts is not None and self._pts.is_gap(pts):
            self.lose()
        if self._context is None:
            self._context = self._opened(codec)
        self._count += 1
        self._tags[self._count] = tag
        while len(self._tags) > KEPT:
            self._tags.popitem(last=False)
        packet = av.Packet(data)
        packet.pts = packet.dts = self._count
        try:
            frames = self._context.decode(packet) if data else []
        except (av.FFmpegError, MemoryError, ValueError, OverflowError) as error:
            raise self._refused(error) from None
        return [picture for frame in frames if (picture := self._shown(frame)) is not None]

    def rest(self) -> list[Picture]:
        """The pictures that were held back for ones behind them. Afterwards a key frame is awaited."""
        import av

        try:
            frames = [] if self._context is None else self._context.decode(None)
        except (av.FFmpegError, MemoryError, ValueError, OverflowError):  # of a stream that is damaged at its end
            frames = []
        pictures = [picture for frame in frames if (picture := self._shown(frame)) is not None]
        self.lose()
        return pictures

    @property
    def awaits_headers(self) -> bool:
        """Whether nothing can be shown before the headers of a stream of Theora."""
        return self._codec == THEORA and self._headers.extradata is None

    def lose(self) -> None:
        """A packet got lost: pictures until the next key frame would be wrong."""
        self.awaits_key_frame = True
        self._context = None
        self._tags.clear()

    def _opened(self, codec: str) -> Any:
        import av

        for name in _DECODERS[codec]:
            try:
                context = av.CodecContext.create(name, "r")
                break
            except av.codec.codec.UnknownCodecError:
                continue
        else:
            raise ConversionError(
                f"this PyAV has no decoder for {codec}, expected one of {', '.join(_DECODERS[codec])}: update it, or send h264"
            )
        if codec == THEORA:
            context.extradata = self._extradata()
        context.thread_count = 1  # several would each hold a picture back
        context.flags |= av.codec.context.Flags.low_delay
        context.options = {"max_pixels": str(self._max_pixels)}
        return context

    def _extradata(self) -> bytes:
        extradata = self._headers.extradata
        if extradata is None:
            raise AwaitedKeyFrame("the headers of the stream of theora have not come")
        return extradata

    def _refused(self, error: Exception) -> ConversionError:
        width, height = self._context.width, self._context.height
        is_first, codec = self.awaits_key_frame, self._codec
        self.lose()
        if width * height > self._max_pixels:
            return ConversionError(
                f"video is of {width}x{height} = {width * height} pixels, expected at most {self._max_pixels}; raise input.max_pixels if the "
                "camera has so many"
            )
        if is_first:
            return AwaitedKeyFrame(f"a packet of {codec} is no key frame, and the stream was joined in the middle or packets got lost")
        return ConversionError(f"a packet of {codec} can't be decoded: {cut(error, 100)}")

    def _shown(self, frame: Any) -> Picture | None:
        if self.awaits_key_frame and not frame.key_frame:
            return None
        self.awaits_key_frame = False
        if frame.is_corrupt:
            self.lose()
            return None
        if frame.width * frame.height > self._max_pixels or frame.pts not in self._tags:
            return None
        return Picture(self._tags.pop(frame.pts), frame)


class AwaitedKeyFrame(ConversionError):
    """Nothing is wrong with the packet but that what it refers to was not seen."""


class _Steps:
    """Finds gaps in numbers that rise evenly. Those of streams with reordered packets don't: there none are found."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._step, self._equal = 0, 0
        self._is_reordered = False

    def is_gap(self, number: int) -> bool:
        step = 0 if self._last is None else number - self._last
        self._last = number
        self._is_reordered |= step < 0
        if step == self._step and step > 0:
            self._equal += 1
            return False
        found = not self._is_reordered and self._equal >= _UNIFORM and step > self._step
        if not found:
            self._step, self._equal = step, 1
        return found

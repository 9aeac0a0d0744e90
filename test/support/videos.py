# SPDX-License-Identifier: Apache-2.0
"""Short films, encoded packet by packet as encoders on robots do."""

from __future__ import annotations

import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

ENCODERS = {
    "h264": ("libx264", {"tune": "zerolatency", "preset": "ultrafast"}),
    "hevc": ("libx265", {"tune": "zerolatency", "preset": "ultrafast", "x265-params": "log-level=none"}),
    "av1": ("libsvtav1", {"preset": "10", "crf": "10", "svtav1-params": "pred-struct=1"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "10", "b": "4M"}),
}
GOP = 10
WIDTH, HEIGHT = 320, 240


def has_encoder(codec: str) -> bool:
    try:
        av.codec.Codec(ENCODERS[codec][0], "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def shade(number: int) -> int:
    """Brightness of picture ``number``: by it they are told apart."""
    return 20 + 7 * (number % 30)


def brightness(image_rgb: np.ndarray) -> float:
    return float(np.median(image_rgb))


def packets(codec: str, count: int = 30, size: tuple[int, int] = (WIDTH, HEIGHT), b_frames: int = 0) -> list[tuple[bytes, int]]:
    """Data and number of the picture, in the order in which they are sent; every tenth is a key frame.

    An encoder runs in a process that ends with it: opened by root, SVT-AV1 gives its caller the real-time priority 99, and every thread
    and process that the caller starts from then on has it too. Tests that ran so once let nothing else run on the machine.
    """
    command = [sys.executable, __file__, codec, *map(str, (count, *size, b_frames))]
    return pickle.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def theora() -> tuple[list[bytes], list[tuple[bytes, int]]]:
    """The three headers of a Theora stream, and its packets as ``packets`` has them.

    PyAV has no encoder for it: film.ogv is the film of ``encoded``, 320x240, by FFmpeg's libtheora at -q:v 7 -g 10.
    """
    with av.open(str(Path(__file__).with_name("film.ogv"))) as container:
        stream = container.streams.video[0]
        rest, headers = bytes(stream.codec_context.extradata), []
        while rest:
            size = int.from_bytes(rest[:2], "big")
            headers.append(rest[2 : 2 + size])
            rest = rest[2 + size :]
        return headers, [(bytes(packet), number) for number, packet in enumerate(container.demux(stream)) if packet.size]


def encoded(codec: str, count: int = 30, size: tuple[int, int] = (WIDTH, HEIGHT), b_frames: int = 0) -> list[tuple[bytes, int]]:
    """``packets``, made by this process."""
    name, options = ENCODERS[codec]
    context = av.CodecContext.create(name, "w")
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 30), 30
    context.gop_size, context.max_b_frames = GOP, b_frames
    context.options = {"preset": "medium"} if b_frames else options
    found = []
    for number in range(count):
        pixels = np.full((size[1], size[0], 3), shade(number), np.uint8)
        pixels[8:40, 8 + number : 40 + number] = (250, 20, 20)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = number
        found += context.encode(frame)
    return [(bytes(packet), packet.pts) for packet in [*found, *context.encode(None)] if packet.size]


if __name__ == "__main__":
    codec, (count, width, height, b_frames) = sys.argv[1], map(int, sys.argv[2:])
    sys.stdout.buffer.write(pickle.dumps(encoded(codec, count, (width, height), b_frames)))

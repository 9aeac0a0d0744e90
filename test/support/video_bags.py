# SPDX-License-Identifier: Apache-2.0
"""Bags of a camera that sends video."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rosbags.typesys import get_types_from_msg
from small_bags import SmallBag
from videos import HEIGHT, WIDTH

FFMPEG_PACKET, COMPRESSED_VIDEO = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket", "foxglove_msgs/msg/CompressedVideo"
THEORA_PACKET = "theora_image_transport/msg/Packet"
TOPICS = {
    FFMPEG_PACKET: "/camera/image_raw/ffmpeg",
    COMPRESSED_VIDEO: "/camera/image_raw/foxglove",
    THEORA_PACKET: "/camera/image_raw/theora",
}


def packet_number(data: bytes, frame: int) -> int:
    """As libogg counts: three headers, then one of each picture."""
    return data[0] - 0x80 if data[0] & 0x80 else 3 + frame


def write_video(path: Path, kind: str, codec: str, film: Iterable[tuple[bytes, int]], storage: str = "MCAP") -> Path:
    """A camera with calibration; picture ``number`` of the film has the stamp of frame ``number``, in 10 Hz."""
    with SmallBag(path, storage) as bag:
        for name in TOPICS:
            text = (Path(__file__).parents[2] / "overlay" / f"{name}.msg").read_text()
            bag.store.register(get_types_from_msg(text, name))
        bag.write_camera_info(0, width=WIDTH, height=HEIGHT)
        for number, (data, frame) in enumerate(film):
            header, octets = bag.header(frame), np.frombuffer(data, np.uint8)
            if kind == FFMPEG_PACKET:
                fields = {"header": header, "width": WIDTH, "height": HEIGHT, "encoding": f"{codec};yuv420p;bgr8;bgr8", "pts": frame}
                fields |= {"flags": 0, "is_bigendian": False}
            elif kind == THEORA_PACKET:
                fields = {"header": header, "b_o_s": int(number == 0), "e_o_s": 0, "granulepos": 0, "packetno": packet_number(data, frame)}
            else:
                fields = {"timestamp": header.stamp, "frame_id": header.frame_id, "format": codec}
            delay_ns = bag.stamp_ns(number) - bag.stamp_ns(frame)  # recorded in the order in which it was sent
            bag.write(TOPICS[kind], frame, bag.make(kind, data=octets, **fields), delay_ns)
    return path

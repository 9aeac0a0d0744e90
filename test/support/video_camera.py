# SPDX-License-Identifier: Apache-2.0
"""A camera on the DDS network that sends video."""

from __future__ import annotations

from functools import cache

from builtin_interfaces.msg import Time
from ffmpeg_image_transport_msgs.msg import FFMPEGPacket
from foxglove_msgs.msg import CompressedVideo
from peer import FRAME_ID, RELIABLE
from std_msgs.msg import Header
from theora_image_transport.msg import Packet as TheoraPacket
from video_bags import packet_number
from videos import HEIGHT, WIDTH, packets, theora
from vision_msgs.msg import Detection2DArray


@cache
def film(codec: str) -> list[tuple[bytes, int]]:
    return theora()[1] if codec == "theora" else packets(codec, 30)


class VideoCamera:
    """Sends a film over and over, one packet each time; the seconds of the stamp are the number of the packet, from 1000."""

    def __init__(self, peer, node, transport: str, codec: str, start: int = 0) -> None:
        self.peer, self.topic, self.transport, self.codec = peer, f"{node.name}/image/{transport}", transport, codec
        self.next = start
        self.found = peer.subscribe(f"{node.name}/detections", Detection2DArray, RELIABLE)
        self.lost: set[int] = set()
        self.sends_headers = True  # of theora, whenever the film begins

    def send(self) -> None:
        number, self.next = self.next, self.next + 1
        if number not in self.lost:
            pictures = film(self.codec)
            if self.transport == "theora" and self.sends_headers and number % len(pictures) == 0:
                for header in theora()[0]:
                    self.peer.publish(self.topic, self.message(header, number))
            self.peer.publish(self.topic, self.message(pictures[number % len(pictures)][0], number))

    def message(self, data: bytes, number: int):
        stamp = Time(sec=1000 + number)
        if self.transport == "ffmpeg":
            message = FFMPEGPacket(header=Header(stamp=stamp, frame_id=FRAME_ID), width=WIDTH, height=HEIGHT, pts=number)
            message.encoding = f"{self.codec};yuv420p;bgr8;bgr8"
        elif self.transport == "theora":
            message = TheoraPacket(header=Header(stamp=stamp, frame_id=FRAME_ID), packetno=packet_number(data, number))
        else:
            message = CompressedVideo(timestamp=stamp, frame_id=FRAME_ID, format={"hevc": "h265"}.get(self.codec, self.codec))
        message.data.frombytes(data)
        return message

    def shown(self) -> dict[int, float]:
        """Number of the packet → left edge of the red box in its picture."""
        return {one.header.stamp.sec - 1000: _left(one) for one in self.found if one.detections}


def _left(found: Detection2DArray) -> float:
    box = found.detections[0].bbox
    return box.center.position.x - box.size_x / 2

# SPDX-License-Identifier: Apache-2.0
"""rosbag2 recordings, MCAP or SQLite, read and written on a machine with or without ROS."""

from mtl_perception.bags.bag import GROUND_TRUTH, Bag, BagFrame, BagMessage, Topic, stamp_ns
from mtl_perception.bags.error import BagError
from mtl_perception.bags.files import is_bag
from mtl_perception.bags.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    COMPRESSED_VIDEO,
    FFMPEG_PACKET,
    IMAGE,
    THEORA_PACKET,
    TRANSFORMS,
    VIDEO,
)
from mtl_perception.bags.video import VideoFrame, packet_of

__all__ = [
    "CAMERA_INFO",
    "COMPRESSED_IMAGE",
    "COMPRESSED_VIDEO",
    "FFMPEG_PACKET",
    "GROUND_TRUTH",
    "IMAGE",
    "THEORA_PACKET",
    "TRANSFORMS",
    "VIDEO",
    "Bag",
    "BagError",
    "BagFrame",
    "BagMessage",
    "Topic",
    "VideoFrame",
    "is_bag",
    "packet_of",
    "stamp_ns",
]

# SPDX-License-Identifier: Apache-2.0
"""Bytes that are no messages, and messages that make no sense, on everything the node hears: it goes on, and says so."""

import random
import time

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from peer import BEST_EFFORT, LATCHED, camera_info, compressed, image, stamped
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan
from tf2_msgs.msg import TFMessage

av = pytest.importorskip("av", reason="decodes video: pip install av")
ffmpeg_msgs = pytest.importorskip("ffmpeg_image_transport_msgs.msg", reason="make setup builds it where ROS comes from PyPI")
foxglove_msgs = pytest.importorskip("foxglove_msgs.msg", reason="make setup builds it where ROS comes from PyPI")
from videos import packets

pytestmark = pytest.mark.slow

COUNT = 5000
PIXELS = np.full((48, 64, 3), 80, np.uint8)
DEPTH_MM = np.full((48, 64), 2000, np.uint16)
PNG = cv2.imencode(".png", PIXELS)[1].tobytes()


def transforms() -> TFMessage:
    one = stamped(TransformStamped(child_frame_id="base_link"))
    one.transform.rotation.w = 1.0
    return TFMessage(transforms=[one, one])


def scan() -> LaserScan:
    return stamped(LaserScan(angle_min=-1.0, angle_max=1.0, angle_increment=0.01, range_max=10.0, ranges=[2.0] * 200))


def ffmpeg_packet():
    message = stamped(ffmpeg_msgs.FFMPEGPacket(width=64, height=48, encoding="vp9"))
    message.data.frombytes(packets("vp9", 1, (64, 48))[0][0])
    return message


def compressed_video():
    message = foxglove_msgs.CompressedVideo(format="vp9", frame_id="camera")
    message.data.frombytes(packets("vp9", 1, (64, 48))[0][0])
    return message


SUBSCRIPTIONS = {  # type, a good message, QoS, which part of the diagnostics names a bad one, and how
    "image": (Image, lambda: image(PIXELS), BEST_EFFORT, "camera", "images rejected"),
    "image/compressed": (CompressedImage, lambda: compressed(PNG), BEST_EFFORT, "camera", "images rejected"),
    "image/ffmpeg": (ffmpeg_msgs.FFMPEGPacket, ffmpeg_packet, BEST_EFFORT, "camera", "images rejected"),
    "image/foxglove": (foxglove_msgs.CompressedVideo, compressed_video, BEST_EFFORT, "camera", "images rejected"),
    "camera_info": (CameraInfo, lambda: camera_info(64, 48), BEST_EFFORT, "calibration", "bad camera_info on"),
    "camera_info latched": (CameraInfo, lambda: camera_info(64, 48), LATCHED, "calibration", "bad camera_info on"),
    "depth/image": (Image, lambda: image(DEPTH_MM, "16UC1"), BEST_EFFORT, "node", "depth/image: message ends after"),
    "scan": (LaserScan, scan, BEST_EFFORT, "node", "scan: message ends after"),
    "/tf": (TFMessage, transforms, BEST_EFFORT, "node", "/tf: message ends after"),
    "/tf_static": (TFMessage, transforms, LATCHED, "node", "/tf_static: message ends after"),
    "/clock": (Clock, lambda: Clock(clock=Time(sec=-5)), BEST_EFFORT, "node", "/clock: "),
}


def bad_bytes(good: bytes, random_: random.Random) -> bytes:
    """Of one of four kinds: noise, noise behind a right beginning, a message cut short, a message with some bytes changed."""
    kind = random_.randrange(4)
    if kind < 2:
        return b"\0\1\0\0"[: 4 * kind] + random_.randbytes(random_.choice((0, 1, 4, 8, 12, 40, 400)))
    if kind == 2:
        return good[: random_.randrange(len(good))]
    changed = bytearray(good)
    for _ in range(random_.randint(1, 6)):
        changed[random_.randrange(min(len(good), 400))] = random_.choice((0, 1, 127, 128, 255, random_.randrange(256)))
    return bytes(changed)


@pytest.mark.parametrize("subscription", SUBSCRIPTIONS)
def test_five_thousand_bad_messages_are_named_and_a_good_frame_is_answered(peer, start_node, subscription):
    message_type, make, qos, part, words = SUBSCRIPTIONS[subscription]
    transport = subscription.partition("image/")[2] if subscription.startswith("image/") else "raw"
    more = ["-p", f"transport:={transport}"]
    more += ["-p", "use_sim_time:=true"] if subscription == "/clock" else []
    more += ["-p", "depth.source:=fused"] if subscription == "depth/image" else []
    more += ["-p", "depth.scale:=scan"] if subscription == "scan" else []
    node = start_node(*more)
    name = subscription.split()[0]
    topic = name if name.startswith("/") else f"{node.name}/{name}"
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    publisher = peer.node.create_publisher(message_type, topic, qos)
    readers = 2 if subscription == "camera_info latched" else 1
    peer.until(lambda: publisher.get_subscription_count() == readers, "the node listening")

    random_, good = random.Random(subscription), serialize_message(make())
    longest = len(good) if message_type is Clock else None  # of such a message the middleware sends no more
    for number in range(COUNT):
        publisher.publish(bad_bytes(good, random_)[:longest])
        if number % 20 == 0:  # or all but the newest would be overwritten before they are looked at
            time.sleep(0.002)

    bad = good if message_type is Clock else b"\0\1\0\0"
    peer.until(lambda: peer.says(node.name, part, words), words, every=lambda: publisher.publish(bad))
    peer.node.destroy_publisher(publisher)
    masks.clear()

    def send():
        if subscription.startswith("image/"):
            peer.publish(topic, make())
        else:
            peer.publish(f"{node.name}/image", image(PIXELS))

    peer.until(lambda: len(masks) >= 3, "a good frame answered", every=send)
    assert node.process.poll() is None

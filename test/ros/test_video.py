# SPDX-License-Identifier: Apache-2.0
"""Cameras that send video, over DDS: every picture under its own stamp, none that would be wrong, and what is lost is named."""

from pathlib import Path

import pytest

pytest.importorskip("av", reason="decodes video: pip install av")
pytest.importorskip("ffmpeg_image_transport_msgs.msg", reason="make setup builds it where ROS comes from PyPI")
pytest.importorskip("foxglove_msgs.msg", reason="make setup builds it where ROS comes from PyPI")
pytest.importorskip("theora_image_transport.msg", reason="make setup builds it where ROS comes from PyPI")

import red_engine
from peer import FRAME_ID
from video_camera import VideoCamera
from videos import GOP, has_encoder, packets

pytestmark = pytest.mark.slow

RED = (str(Path(red_engine.__file__)),)
CODECS = [codec for codec in ("h264", "hevc", "av1", "vp9") if has_encoder(codec)]


@pytest.mark.parametrize(
    ("transport", "codec"),
    [(transport, codec) for transport in ("ffmpeg", "foxglove") for codec in CODECS if (transport, codec) != ("ffmpeg", "vp9")],
)
def test_pictures_of_video_are_answered_under_their_own_stamps(peer, start_node, transport: str, codec: str) -> None:
    node = start_node("-p", f"transport:={transport}", "-p", "input.reliability:=reliable", model="'0'", program=RED)
    camera = VideoCamera(peer, node, transport, codec, start=3)  # in the middle of a film
    peer.until(lambda: len(camera.shown()) >= 2 * GOP, "pictures", every=camera.send)
    shown = camera.shown()
    assert min(shown) >= GOP, "nothing before the first key frame"  # which of the later ones depends on the machine
    # The red box moves by a pixel a packet; the codec may move its edge by a few.
    assert all(abs(left - (8 + number % 30)) < 5 for number, left in shown.items()), shown
    assert camera.found[-1].header.frame_id == FRAME_ID


def test_pictures_of_theora_are_answered_once_its_headers_have_come(peer, start_node) -> None:
    node = start_node("-p", "transport:=theora", "-p", "input.reliability:=reliable", model="'0'", program=RED)
    camera = VideoCamera(peer, node, "theora", "theora")
    camera.sends_headers = False
    words = "of theora whose headers were missed"
    peer.until(lambda: peer.says(node.name, "camera", words), words, every=camera.send)
    assert camera.shown() == {}
    before, camera.sends_headers = camera.next, True
    peer.until(lambda: len(camera.shown()) >= GOP, "pictures", every=camera.send)
    shown = camera.shown()
    assert min(shown) >= before and all(abs(left - (8 + number % 30)) < 5 for number, left in shown.items()), shown


def test_a_lost_packet_is_named_and_nothing_is_shown_before_the_next_key_frame(peer, start_node) -> None:
    if "h264" not in CODECS:
        pytest.skip("no encoder for it")
    node = start_node("-p", "transport:=ffmpeg", "-p", "input.reliability:=reliable", model="'0'", program=RED)
    camera = VideoCamera(peer, node, "ffmpeg", "h264")
    peer.until(lambda: len(camera.shown()) >= GOP, "pictures", every=camera.send)
    first_lost = (camera.next // GOP + 1) * GOP + 4
    camera.lost = {first_lost}
    next_key = first_lost - 4 + GOP
    words = "show nothing: the stream was joined in the middle or packets got lost"
    peer.until(lambda: camera.next > next_key and peer.says(node.name, "camera", words), "the loss", every=camera.send)
    peer.until(lambda: max(camera.shown()) > next_key + 2, "pictures again", every=camera.send)
    shown = camera.shown()
    assert not set(range(first_lost, next_key)) & set(shown)
    assert first_lost - 1 in shown or first_lost - 2 in shown, "up to the loss all is well"


@pytest.mark.parametrize("frame_id", ["", "a", "ab", "abc", "camera_färbe"])
def test_reads_the_packet_of_theora_that_ros_wrote(frame_id: str) -> None:
    from rclpy.serialization import serialize_message
    from theora_image_transport.msg import Packet

    from mtl_perception.ros.cdr import read_theora_packet

    message = Packet(data=[1, 2, 3], b_o_s=1, granulepos=7, packetno=2**40)
    message.header.frame_id, message.header.stamp.sec = frame_id, -7
    packet = read_theora_packet(serialize_message(message))
    assert (packet.header.stamp.sec, packet.header.frame_id) == (-7, frame_id)
    assert (packet.codec, packet.pts, bytes(packet.data)) == ("theora", 2**40, b"\1\2\3")


def test_what_is_no_video_is_named_and_the_stream_goes_on(peer, start_node) -> None:
    if "h264" not in CODECS:
        pytest.skip("no encoder for it")
    node = start_node("-p", "transport:=foxglove", "-p", "input.max_pixels:=76800", model="'0'", program=RED)
    camera = VideoCamera(peer, node, "foxglove", "h264")
    other = camera.message(b"abc", 0)
    other.format = "mjpeg"
    large = camera.message(packets("h264", 1, (640, 480))[0][0], 0)
    for message, words in (
        (other, "codec 'mjpeg', expected one of h264"),
        (large, "video is of 640x480 = 307200 pixels, expected at most 76800"),
    ):
        peer.until(lambda words=words: peer.says(node.name, "camera", words), words, every=lambda m=message: peer.publish(camera.topic, m))
    peer.until(lambda: len(camera.shown()) >= 3, "pictures", every=camera.send)


def test_a_transport_whose_messages_are_missing_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from mtl_perception.ros.node.video import require_transport

    require_transport("raw")
    require_transport("ffmpeg")
    monkeypatch.setitem(sys.modules, "foxglove_msgs.msg", None)
    with pytest.raises(ValueError, match=r"transport is foxglove, which needs foxglove_msgs: apt install ros-\$ROS_DISTRO-foxglove-msgs"):
        require_transport("foxglove")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match="video is decoded by PyAV, which is not installed"):
        require_transport("ffmpeg")

# SPDX-License-Identifier: Apache-2.0
"""/tf over DDS, and what a frame's place is with and without it."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from peer import BEST_EFFORT, FRAME_ID, LATCHED, RELIABLE, image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray

from mtl_perception.core.transforms import TransformBuffer, TransformError
from mtl_perception.msg import TrackArray
from mtl_perception.ros.transforms import Place, TransformListener

CAMERA = "camera_optical_frame"
OPTICAL_XYZW = (-0.5, 0.5, -0.5, 0.5)  # REP 103: looks along x of its parent
STAMP_S = 1_700_000_000
NS = 1_000_000_000


def transform(parent: str, child: str, translation=(0.0, 0.0, 0.0), rotation=(0.0, 0.0, 0.0, 1.0), stamp_s=STAMP_S) -> TFMessage:
    one = TransformStamped(child_frame_id=child, header=Header(frame_id=parent, stamp=Time(sec=stamp_s)))
    one.transform.translation.x, one.transform.translation.y, one.transform.translation.z = translation
    rotate = one.transform.rotation
    rotate.x, rotate.y, rotate.z, rotate.w = rotation
    return TFMessage(transforms=[one])


@pytest.fixture
def listener(peer):
    """In the peer's process: published on its domain, heard over DDS."""
    listener = TransformListener(peer.node, lambda topic, error: None)
    yield listener
    listener.close()


@pytest.mark.parametrize("qos", [RELIABLE, BEST_EFFORT])
def test_moving_and_latched_transforms_are_heard(peer, listener, qos):
    """The static one was published once, before anybody listened."""
    peer.publish("/tf_static", transform("base_link", CAMERA, (0.1, 0.0, 0.5), OPTICAL_XYZW), LATCHED)

    def known():
        try:
            return listener.buffer.lookup("odom", CAMERA, STAMP_S * NS)
        except TransformError:
            return None

    tell = lambda: peer.publish("/tf", transform("odom", "base_link", (2.0, 0.0, 0.0)), qos)  # noqa: E731
    pose = peer.until(lambda: (value := known()) is not None and [value], "the transform", every=tell)[0]
    np.testing.assert_allclose(pose[:3, 3], (2.1, 0, 0.5))
    peer.silence("/tf")


def test_what_is_no_transform_costs_only_itself(peer, listener):
    peer.publish("/tf_static", transform("base_link", CAMERA, (0.1, 0.0, 0.5), OPTICAL_XYZW), LATCHED)

    def tell():
        both = transform("odom", "base_link", rotation=(0.0, 0.0, 0.0, 0.0))
        both.transforms += transform("odom", "arm").transforms
        peer.publish("/tf", both)

    def known():
        try:
            listener.buffer.lookup("base_link", CAMERA, STAMP_S * NS)
            return listener.buffer.lookup("odom", "arm", STAMP_S * NS) is not None
        except TransformError:
            return False

    peer.until(known, "the good one", every=tell)
    with pytest.raises(TransformError, match="not connected"):
        listener.buffer.lookup("odom", CAMERA, STAMP_S * NS)
    peer.silence("/tf")


def test_tracks_come_in_the_output_frame_or_not_at_all(peer, start_node):
    """The transform has the image's stamp; without it nothing is published and diagnostics say why."""
    node = start_node("-p", "tracking.enabled:=true", "-p", "output_frame:=robot", "-p", "fixed_frame:=world")
    tracks = peer.subscribe(f"{node.name}/tracks", TrackArray)
    detections = peer.subscribe(f"{node.name}/detections", Detection2DArray)
    words = "nobody has published a transform of the frame 'robot'"
    peer.until(
        lambda: detections and peer.says(node.name, "outputs", words),
        "the missing transform named",
        every=lambda: peer.publish(f"{node.name}/image", image(np.zeros((48, 64, 3), np.uint8))),
    )
    assert peer.told(node.name, "outputs").level == DiagnosticStatus.ERROR
    assert tracks == []

    def show():
        seen = image(np.zeros((48, 64, 3), np.uint8))
        moving = transform("robot", FRAME_ID)
        moving.transforms[0].header.stamp = seen.header.stamp
        peer.publish("/tf", moving)
        peer.publish(f"{node.name}/image", seen)

    peer.until(lambda: tracks and peer.says(node.name, "outputs", "published as read"), "tracks", every=show)
    assert {message.header.frame_id for message in tracks} == {"robot"}
    peer.silence("/tf")
    late = lambda: peer.publish(f"{node.name}/image", image(np.zeros((48, 64, 3), np.uint8)))  # noqa: E731
    peer.until(lambda: peer.says(node.name, "outputs", "before the image was taken"), "extrapolation named", every=late)


PARAMETERS = {"output_frame": "base_link", "fixed_frame": "odom", "transform_timeout": 0.0, "depth.ground_frame": "base_link"}


def place(stamp_s: float = STAMP_S, frame_id: str = CAMERA, with_odometry: bool = True, **parameters: object) -> Place:
    """Of a level camera half a metre above a robot that stands one metre along x."""
    buffer = TransformBuffer()
    buffer.put("base_link", CAMERA, 0, (0.1, 0.0, 0.5), OPTICAL_XYZW, is_static=True)
    if with_odometry:
        buffer.put("odom", "base_link", STAMP_S * NS, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    sec, nanosec = divmod(round(stamp_s * 1e9), NS)
    header = Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)
    return Place(header, {**PARAMETERS, **parameters}, buffer)


def test_a_place_knows_where_objects_go_and_where_up_is():
    here = place()
    two_metres_ahead = np.array([0.0, 0.0, 2.0, 1.0])
    np.testing.assert_allclose(here.to_output @ two_metres_ahead, (2.1, 0, 0.5, 1), atol=1e-12)
    np.testing.assert_allclose(here.camera_pose @ two_metres_ahead, (3.1, 0, 0.5, 1), atol=1e-12)
    np.testing.assert_allclose(here.up, (0, -1, 0), atol=1e-12)
    assert here.ground_pose[2, 3] == 0.5
    np.testing.assert_allclose(here.from_frame("base_link"), np.linalg.inv(here.ground_pose), atol=1e-12)
    assert here.output_header == Header(stamp=Time(sec=STAMP_S), frame_id="base_link")
    assert here.unpublished == here.unplaced == ""


def test_without_names_everything_stays_in_the_cameras_frame():
    """Nothing is looked up: it works on a machine without any /tf."""
    here = place(output_frame="", fixed_frame="", with_odometry=False)
    np.testing.assert_array_equal(here.to_output, np.eye(4))
    assert here.output_header.frame_id == CAMERA
    assert here.camera_pose is None and here.up is None
    assert here.unpublished == here.unplaced == ""


def test_nobody_asks_nothing_is_missing():
    assert place(output_frame="nowhere", fixed_frame="nowhere").unpublished == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"with_odometry": False}, "nobody has published a transform of the frame 'odom'"),
        ({"stamp_s": STAMP_S + 0.5}, "from 'base_link' to 'odom' ends 0.500 s before the image was taken"),
        ({"stamp_s": STAMP_S - 0.5}, "begins 0.500 s after the image was taken"),
        ({"stamp_s": 0}, "the images have no stamp"),
        ({"frame_id": ""}, "the images have an empty frame_id"),
        ({"frame_id": "other_frame"}, "nobody has published a transform of the frame 'other_frame'"),
    ],
)
def test_without_the_transform_at_the_stamp_there_is_none(changes, words):
    here = place(output_frame="odom", **changes)
    assert here.to_output is None and here.camera_pose is None and here.up is None
    assert words in here.unpublished and words in here.unplaced


def test_only_what_is_on_its_way_is_waited_for():
    """A link that ended long ago does not hold up the cameras, here for an hour."""
    here = place(stamp_s=STAMP_S + 0.5, transform_timeout=3600.0)
    here._buffer._links["base_link"].heard_s -= 10.0
    assert here.camera_pose is None

# SPDX-License-Identifier: Apache-2.0
"""What is wrong around the node is named: QoS on either side, names, clocks, transforms."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from nodes import NodeProcess
from peer import BEST_EFFORT, FRAME_ID, LATCHED, camera_info, image, stamped
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray

PIXELS = np.full((48, 64, 3), 80, np.uint8)


def send(peer, node, frame_id: str = FRAME_ID, **options) -> None:
    message = image(PIXELS, **options)
    message.header.frame_id = frame_id
    peer.publish(f"{node.name}/image", message)


def test_a_camera_info_published_once_before_the_node_is_heard(peer, start_node):
    topic = "/eyes/camera_info"
    peer.publish(topic, camera_info(64, 48, 50.0), LATCHED)
    node = start_node("-r", f"~/camera_info:={topic}")
    infos = peer.subscribe(f"{node.name}/depth/camera_info", CameraInfo)
    peer.until(lambda: infos, "the calibration", every=lambda: send(peer, node))
    assert infos[-1].k[0] == 50.0
    peer.until(lambda: peer.says(node.name, "calibration", "calibrated"), "diagnostics")
    peer.silence(topic)


def test_a_latched_camera_info_that_comes_later_is_heard_and_so_is_one_with_every_image(peer, start_node):
    node = start_node()
    topic = f"{node.name}/camera_info"
    infos = peer.subscribe(f"{node.name}/depth/camera_info", CameraInfo)
    peer.until(lambda: peer.says(node.name, "calibration", f"no camera_info on {topic}: publish it"), "none yet")
    peer.publish(topic, camera_info(64, 48, 50.0), LATCHED)
    peer.until(lambda: infos and infos[-1].k[0] == 50.0, "the latched one", every=lambda: send(peer, node))

    def both():
        peer.publish(topic, camera_info(64, 48, 60.0), BEST_EFFORT)
        send(peer, node)

    peer.until(lambda: infos[-1].k[0] == 60.0, "the newer one", every=both)


def test_a_camera_info_that_nobody_repeats_is_missed_and_named(peer, start_node):
    node = start_node("-p", "input.reliability:=reliable")
    topic = f"{node.name}/camera_info"
    peer.node.create_publisher(CameraInfo, topic, QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE))
    words = f"no camera_info on {topic} yet, though /peer is there: publish it with every image, or transient local"
    peer.until(lambda: peer.says(node.name, "calibration", words), words)


def test_a_camera_info_whose_qos_does_not_fit_is_named(peer, start_node):
    node = start_node("-p", "input.reliability:=reliable")
    show = lambda: peer.publish(f"{node.name}/camera_info", camera_info(64, 48), BEST_EFFORT)  # noqa: E731
    words = "/peer offers best_effort and this node asks for reliable: set input.reliability to best_effort"
    peer.until(lambda: peer.says(node.name, "calibration", words), words, every=show)
    assert peer.told(node.name, "calibration").level == DiagnosticStatus.WARN


def test_a_camera_info_of_another_type_and_one_of_another_name_are_named(peer, start_node):
    node = start_node()
    peer.publish("/eyes_of_mine/camera_info", camera_info(64, 48), BEST_EFFORT)
    words = "it is published on /eyes_of_mine/camera_info"
    peer.until(lambda: peer.says(node.name, "calibration", words), words)
    show = lambda: peer.publish(f"{node.name}/camera_info", image(PIXELS))  # noqa: E731
    words = "/peer publishes sensor_msgs/msg/Image, expected sensor_msgs/msg/CameraInfo: remap"
    peer.until(lambda: peer.says(node.name, "calibration", words), words, every=show)
    peer.silence("/eyes_of_mine/camera_info")


@pytest.mark.parametrize(
    ("arguments", "asked", "words"),
    [
        (
            ("-p", "output.reliability:=best_effort"),
            QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE),
            "set output.reliability to reliable",
        ),
        (
            (),
            QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL),
            "let it ask for durability volatile",
        ),
    ],
)
def test_a_reader_that_asks_for_more_than_is_offered_is_named(peer, start_node, arguments, asked, words):
    node = start_node(*arguments)
    heard = peer.subscribe(f"{node.name}/detections", Detection2DArray, BEST_EFFORT)
    peer.until(lambda: heard, "detections", every=lambda: send(peer, node))
    assert peer.told(node.name, "outputs").level == DiagnosticStatus.OK
    peer.subscribe(f"{node.name}/segmentation/mask", Image, asked)
    peer.until(
        lambda: (
            peer.says(node.name, "outputs", f"/peer cannot hear {node.name}/segmentation/mask") and peer.says(node.name, "outputs", words)
        ),
        words,
    )


def test_two_nodes_of_one_name_are_named(peer, start_node):
    node = start_node()
    peer.until(lambda: peer.says(node.name, "node", "no problem"), "one node alone")
    other = NodeProcess(node.name[1:])
    words = f"2 nodes are named {node.name}, so their topics and parameters are mixed up"
    peer.until(lambda: peer.says(node.name, "node", words), words)
    assert other.stop() == 0
    peer.until(lambda: peer.says(node.name, "node", "no problem"), "one node alone again")


def test_simulated_time_without_a_clock_is_named(peer, start_node):
    node = start_node("-p", "use_sim_time:=true", "-r", "/clock:=/robot/clock")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    words = "use_sim_time is true and nobody publishes /robot/clock"
    peer.until(lambda: masks and peer.says(node.name, "node", words), words, every=lambda: send(peer, node))
    tick = lambda: peer.publish("/robot/clock", Clock(clock=Time(sec=5)), BEST_EFFORT)  # noqa: E731
    peer.until(lambda: peer.says(node.name, "node", "no problem"), "the clock seen", every=tick)
    peer.silence("/robot/clock")


def test_a_frame_with_a_leading_slash_is_named(peer, start_node):
    node = start_node()
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    words = "the images have the frame_id '/eye_optical_frame': names of TF frames have no leading slash"
    named = lambda: masks and peer.says(node.name, "camera", words)  # noqa: E731
    peer.until(named, words, every=lambda: send(peer, node, "/eye_optical_frame"))


def link(parent: str, child: str) -> TransformStamped:
    one = stamped(TransformStamped(child_frame_id=child))
    one.header.frame_id, one.transform.rotation.w = parent, 1.0
    return one


def test_a_circle_of_transforms_is_named(peer, start_node):
    node = start_node("-p", "output_frame:=base_link")
    clouds = peer.subscribe(f"{node.name}/points", PointCloud2)

    def show():
        peer.publish("/tf", TFMessage(transforms=[link("base_link", "head"), link("head", "neck"), link("neck", "base_link")]))
        peer.publish(f"{node.name}/camera_info", camera_info(64, 48))
        send(peer, node, "head")

    words = "the transforms go round in a circle: 'base_link' in 'neck' in 'head' in 'base_link'"
    peer.until(lambda: peer.says(node.name, "outputs", words), words, every=show)
    assert clouds == []


def test_a_chain_of_twenty_thousand_frames_is_named_and_holds_up_nothing(peer, start_node):
    node = start_node("-p", "output_frame:=frame_0")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.subscribe(f"{node.name}/points", PointCloud2)
    links = [link(f"frame_{number}", f"frame_{number + 1}") for number in range(20_000)]
    latched = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = peer.node.create_publisher(TFMessage, "/tf_static", latched)
    for start in range(0, len(links), 500):
        publisher.publish(TFMessage(transforms=links[start : start + 500]))
    peer.until(lambda: peer.says(node.name, "node", "beside 10000 others, expected fewer"), "too many frames")

    def show():
        peer.publish(f"{node.name}/camera_info", camera_info(64, 48))
        send(peer, node, "frame_9000")

    words = "more than 200 frames lie between 'frame_0' and 'frame_9000'"
    peer.until(lambda: peer.says(node.name, "outputs", words), words, every=show)
    masks.clear()
    peer.until(lambda: len(masks) >= 20, "masks", every=show)
    peer.node.destroy_publisher(publisher)


def test_two_parents_in_turns_and_clocks_that_differ_are_named(peer, start_node):
    node = start_node()

    def publish(parent: str, late_s: float = 0.0):
        one = link(parent, "arm")
        one.header.stamp.sec -= int(late_s)
        peer.publish("/tf", TFMessage(transforms=[one]))

    def two_parents():
        publish("base_link")
        publish("shoulder")

    def two_clocks():
        publish("base_link")
        publish("base_link", late_s=5.0)

    peer.until(lambda: peer.says(node.name, "node", "has two parents in turns"), "two parents", every=two_parents)
    peer.until(lambda: peer.says(node.name, "node", "time went back by 5"), "two clocks", every=two_clocks)
    peer.silence("/tf")

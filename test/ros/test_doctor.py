# SPDX-License-Identifier: Apache-2.0
"""The doctor beside real nodes over DDS: a good one, one that breaks the rules, none."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from nodes import REAL
from peer import Peer, camera_info, image
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rich.console import Console
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo, VisionClass

from mtl_perception.bags import Bag
from mtl_perception.core.resources import resource
from mtl_perception.ros.doctor.doctor import findings_table
from mtl_perception.ros.doctor.verdicts import Heard, judge
from mtl_perception.ros.outputs.topics import TOPICS

COMMAND = [sys.executable, "-c", "from mtl_perception.cli.app import app; app()", "doctor"]
PIXELS = np.random.default_rng(2).integers(0, 256, (48, 64, 3), np.uint8)


def consult(peer: Peer, *arguments: str, every) -> tuple[int, str]:
    """The doctor's exit status and what it printed, while ``every`` happens twenty times a second."""
    wide = os.environ | {"COLUMNS": "400"}  # so that no sentence is wrapped
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=wide)
    try:
        peer.until(lambda: process.poll() is not None, "the doctor", every=every)
    finally:
        process.kill()
        text = process.communicate()[0]
    return process.returncode, " ".join(text.split())


@pytest.mark.slow
def test_a_running_node_is_well(peer, start_node):
    node = start_node("-p", "stride:=2", "-p", "tracking.enabled:=true", "-p", "depth.source:=fused")

    def show():
        peer.publish(f"{node.name}/camera_info", camera_info(64, 48))
        peer.publish(f"{node.name}/image", image(PIXELS))

    # Once the node answers, so that a slow start is not taken for silence.
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(lambda: masks, "a mask", every=show)
    status, text = consult(peer, "--node", node.name, "--seconds", "60", every=show)
    assert status == 0, text
    assert "broken" not in text and all(topic in text for topic in TOPICS)


@pytest.mark.slow
def test_the_shipped_model_is_well_on_the_demo_drive(peer, start_node):
    node = start_node(model="lite", program=REAL)
    with Bag(resource("bags/demo")) as bag:
        topic = bag.find_image()
        frame = next(frame for frame in bag.frames(topic, bag.find_camera_info(topic)) if frame.image_rgb is not None)
    pixels, camera = frame.image_rgb[::2, ::2], frame.intrinsics.scaled(320, 240)
    info = camera_info(320, 240)
    info.k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]

    def show():
        peer.publish(f"{node.name}/camera_info", replace_stamp(info))
        peer.publish(f"{node.name}/image", image(np.ascontiguousarray(pixels)))

    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(lambda: masks, "a mask", every=show)
    status, text = consult(peer, "--node", node.name, "--seconds", "90", every=show)
    assert status == 0, text


def replace_stamp(info: CameraInfo) -> CameraInfo:
    fresh = camera_info(info.width, info.height)
    fresh.k = info.k
    return fresh


@pytest.mark.slow
def test_a_node_that_breaks_the_rules(peer):
    """One of each kind: a wrong type, labels that nobody gets late, zeros in the depth, a detection without results."""
    volatile = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)

    def show():
        header = image(PIXELS).header
        peer.publish("/broken/segmentation/label_info", labels(header), qos=volatile)
        depth = Image(header=header, height=2, width=2, encoding="32FC1", step=8, data=[0] * 16)
        peer.publish("/broken/depth/image_rect", depth, qos=volatile)
        peer.publish("/broken/segmentation/mask", CameraInfo(header=header), qos=volatile)
        one = Detection2D(header=header)
        peer.publish("/broken/detections", Detection2DArray(header=header, detections=[one]), qos=volatile)

    status, text = consult(peer, "--node", "/broken", "--seconds", "8", every=show)
    assert status == 1
    for words in (
        "late readers never get it",
        "its type is sensor_msgs/msg/CameraInfo",
        "depth holds 0.0 m",
        "a detection has no results",
        "nothing of /broken",
        "nobody publishes it",
    ):
        assert words in text, (words, text)


@pytest.mark.slow
def test_nobody_there(peer):
    status, text = consult(peer, "--node", "/nobody", "--seconds", "2", every=lambda: None)
    assert status == 1 and "nobody publishes below /nobody" in text
    status, text = consult(peer, "--node", "perception", every=lambda: None)
    assert status == 1 and "expected its full name" in text


def labels(header: Header) -> LabelInfo:
    return LabelInfo(header=header, class_map=[VisionClass(class_id=0, class_name="box")])


def heard(**changed) -> Heard:
    """Three frames of a well node that has detections and nothing else."""
    headers = [Header(frame_id="camera_optical_frame") for _ in range(3)]
    for number, header in enumerate(headers):
        header.stamp.sec = number
    reliable = SimpleNamespace(reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
    latched = SimpleNamespace(reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    tasks = KeyValue(key="tasks", value="segmentation, detection")
    status = DiagnosticStatus(name="perception: model", level=DiagnosticStatus.OK, values=[tasks])
    result = Heard(diagnostics=[DiagnosticArray(status=[status])])
    for topic, known in TOPICS.items():
        if "depth" not in known.tasks and not known.missing_when:
            qos = latched if topic.endswith("label_info") else reliable
            result.publishers[topic] = [SimpleNamespace(topic_type=known.type_name, qos_profile=qos)]
    result.messages["segmentation/label_info"] = [labels(headers[0])]
    for topic in ("segmentation/mask", "segmentation/confidence"):
        result.messages[topic] = [Image(header=h, height=1, width=1, encoding="mono8", step=1, data=[0]) for h in headers]
    result.messages["overlay"] = [Image(header=h, height=1, width=1, encoding="rgb8", step=3, data=[0] * 3) for h in headers]
    result.messages["detections"] = [Detection2DArray(header=header) for header in headers]
    result.messages["status"] = [TOPICS["status"].message_type(header=header) for header in headers]
    result.messages |= changed
    return result


def verdicts(of: Heard) -> dict[str, str]:
    return {finding.rule: finding.verdict for finding in judge(of, "/perception")}


def test_topics_of_tasks_that_the_model_lacks_are_left_out():
    found = verdicts(heard())
    assert found["points"] == found["depth/image_rect"] == found["detections_3d"] == "left out"
    assert found["tracks"] == "left out" and "broken" not in found.values()
    findings_table("/perception", judge(heard(), "/perception"))


def test_stamps_that_agree_with_no_other_topic():
    own = heard().messages["detections"]
    for number, message in enumerate(own):
        message.header.stamp.nanosec = 5 + number
    assert verdicts(heard(detections=own))["stamps"] == "broken"
    assert verdicts(heard())["stamps"] == "fine"


def test_so_many_lost_frames_that_none_was_heard_whole_are_no_breach():
    messages = heard().messages
    some = {topic: messages[topic] for topic in ("segmentation/mask", "overlay", "detections")}
    for place, topic in enumerate(some):  # each frame lacks another of them
        del some[topic][place]
    assert verdicts(heard(**some))["stamps"] == "notice"


def test_a_frame_that_got_lost_is_no_breach():
    own = heard().messages["detections"]
    assert verdicts(heard(detections=[own[0], own[2]]))["stamps"] == "notice"


def test_empty_arrays_that_are_not_published():
    full = heard().messages["detections"][1]
    full.detections = [Detection2D(header=full.header)]
    assert verdicts(heard(detections=[full]))["detections: empty arrays"] == "broken"
    full.detections = []
    assert "detections: empty arrays" not in verdicts(heard(detections=[full]))


@pytest.mark.parametrize(
    ("frame_id", "verdict"),
    [("camera_link", "notice"), ("", "broken"), ("camera_optical_frame", "fine"), ("/camera_optical_frame", "broken")],
)
def test_frames_of_the_camera(frame_id, verdict):
    messages = heard().messages
    for topic in ("detections", "overlay", "segmentation/mask", "segmentation/confidence"):
        for message in messages[topic]:
            message.header.frame_id = frame_id
    assert verdicts(heard(**messages))["camera frame"] == verdict


def test_a_second_frame_among_the_outputs():
    masks = heard().messages["segmentation/mask"]
    masks[1].header.frame_id = "other_optical_frame"
    assert verdicts(heard(**{"segmentation/mask": masks}))["camera frame"] == "broken"


def test_trouble_in_the_diagnostics_is_told_and_their_absence_a_breach():
    worried = heard()
    worried.diagnostics[0].status[0].level = DiagnosticStatus.WARN
    assert verdicts(worried)["/diagnostics: model"] == "notice"
    worried.diagnostics.clear()
    assert verdicts(worried)["/diagnostics"] == "broken"


def test_of_several_cameras_the_diagnostics_of_the_one_in_question_are_told():
    of = heard()
    for camera in ("front", "rear"):
        of.diagnostics[0].status.append(DiagnosticStatus(name=f"perception/{camera}: camera", level=DiagnosticStatus.ERROR, message=camera))
    found = {finding.rule: finding.text for finding in judge(of, "/perception", "front")}
    assert found["/diagnostics: camera"] == "front" and "/diagnostics: model" in found


def test_what_others_write_is_shown_as_it_is_and_cut():
    hostile = heard()
    status = hostile.diagnostics[0].status[0]
    status.name, status.message, status.level = "perception: [/b]" + "x" * 5000, "[red" + "y" * 5_000_000, DiagnosticStatus.ERROR
    for message in hostile.messages["overlay"]:
        message.encoding, message.header.frame_id = "[/]" + "z" * 5_000_000, "[/i]" + "w" * 5_000_000
    console = Console(file=io.StringIO(), width=200)
    console.print(findings_table("/perception", judge(hostile, "/perception")))
    text = console.file.getvalue()
    assert all(given in text for given in ("[/b]xx", "[redyy", "[/]zz", "[/i]ww")) and len(text) < 20_000

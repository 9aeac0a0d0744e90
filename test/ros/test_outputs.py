# SPDX-License-Identifier: Apache-2.0
"""What the node publishes, read by another process over DDS."""

import time

import cv2
import numpy as np
import pytest
from peer import BEST_EFFORT, LATCHED, RELIABLE, camera_info, compressed, image, since
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import SetBool
from vision_msgs.msg import Detection2DArray, LabelInfo

from mtl_perception.msg import PerceptionStatus
from mtl_perception.ros.constant_engine import LABELS

WIDTH, HEIGHT = 160, 120
PIXELS = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
OUTPUTS = {
    "detections": Detection2DArray,
    "segmentation/mask": Image,
    "segmentation/confidence": Image,
    "depth/image_rect": Image,
    "depth/camera_info": CameraInfo,
    "overlay": Image,
    "status": PerceptionStatus,
}


def show(peer, node, pixels=PIXELS):
    """What the camera does twenty times a second."""
    peer.publish(f"{node.name}/camera_info", camera_info(pixels.shape[1], pixels.shape[0]))
    peer.publish(f"{node.name}/image", image(pixels))


@pytest.fixture(scope="module")
def outputs(peer, start_shared_node):
    """One node, everything subscribed, twenty frames: {topic: messages}."""
    node = start_shared_node()
    arrived = {topic: peer.subscribe(f"{node.name}/{topic}", of) for topic, of in OUTPUTS.items()}
    arrived["label_info"] = peer.subscribe(f"{node.name}/segmentation/label_info", LabelInfo, LATCHED)
    sent = []

    def send():
        peer.publish(f"{node.name}/camera_info", camera_info(WIDTH, HEIGHT))
        sent.append(image(PIXELS))
        peer.publish(f"{node.name}/image", sent[-1])

    peer.until(
        lambda: all(len(arrived[topic]) >= 20 for topic in OUTPUTS) and arrived["label_info"],
        "outputs",
        every=send,
    )
    arrived["sent"] = sent
    return arrived


def test_every_header_is_the_images(outputs):
    """To the nanosecond, so that exact time synchronisers work."""
    sent = {(m.header.stamp.sec, m.header.stamp.nanosec, m.header.frame_id) for m in outputs["sent"]}
    for topic in OUTPUTS:
        for message in outputs[topic]:
            assert (
                message.header.stamp.sec,
                message.header.stamp.nanosec,
                message.header.frame_id,
            ) in sent, topic
    for message in outputs["detections"]:
        assert all(one.header == message.header for one in message.detections)


def test_detections(outputs):
    first, *_, last = outputs["detections"][-1].detections
    assert len(outputs["detections"][-1].detections) == 50
    assert (
        first.bbox.center.position.x,
        first.bbox.center.position.y,
        first.bbox.size_x,
        first.bbox.size_y,
    ) == (32, 24, 64, 48)
    assert first.results[0].hypothesis.class_id == LABELS[2]
    assert first.results[0].hypothesis.score == pytest.approx(0.99)
    assert last.results[0].hypothesis.score == pytest.approx(0.5)
    assert first.results[0].pose.pose.orientation.w == 1.0


def test_segmentation(outputs):
    mask, confidence = outputs["segmentation/mask"][-1], outputs["segmentation/confidence"][-1]
    for message in (mask, confidence):
        assert (message.width, message.height, message.step, message.encoding) == (
            WIDTH,
            HEIGHT,
            WIDTH,
            "mono8",
        )
    ids = np.frombuffer(mask.data, np.uint8).reshape(HEIGHT, WIDTH)
    assert (ids[0] == 255).all()
    np.testing.assert_array_equal(ids[1], np.arange(WIDTH) // 64)
    assert set(confidence.data) == {200}


def test_label_info_names_every_id_but_unlabelled(outputs):
    (info,) = outputs["label_info"]
    assert {one.class_id: one.class_name for one in info.class_map} == dict(enumerate(LABELS))


def test_depth_is_in_metres_and_unknown_is_nan(outputs):
    depth = outputs["depth/image_rect"][-1]
    assert (depth.width, depth.height, depth.step, depth.encoding, depth.is_bigendian) == (
        WIDTH,
        HEIGHT,
        4 * WIDTH,
        "32FC1",
        0,
    )
    depth_m = np.frombuffer(depth.data, "<f4").reshape(HEIGHT, WIDTH)
    assert np.isnan(depth_m[0]).all()
    np.testing.assert_array_equal(depth_m[1], np.linspace(0.5, 5.0, WIDTH, dtype=np.float32))


def test_depth_has_its_camera_info(outputs):
    info = outputs["depth/camera_info"][-1]
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(info.k, [500, 0, WIDTH / 2, 0, 500, HEIGHT / 2, 0, 0, 1])
    np.testing.assert_array_equal(info.p, [500, 0, WIDTH / 2, 0, 0, 500, HEIGHT / 2, 0, 0, 0, 1, 0])


def test_overlay_is_a_picture(outputs):
    overlay = outputs["overlay"][-1]
    assert (overlay.width, overlay.height, overlay.step, overlay.encoding) == (
        WIDTH,
        HEIGHT,
        3 * WIDTH,
        "rgb8",
    )
    assert np.frombuffer(overlay.data, np.uint8).std() > 5


def test_status_counts_and_times(outputs):
    status = outputs["status"][-1]
    assert (status.model, status.device, status.precision) == ("free", "cpu", "float32")
    assert status.tasks == ["detection", "segmentation", "depth"]
    assert [stage.name for stage in status.stages] == [
        "wait",
        "decode",
        "preprocess",
        "network",
        "postprocess",
        "fill",
        "publish",
    ]
    assert 0 < sum(stage.duration_s for stage in status.stages) <= status.frame_age_s
    assert status.frames_received >= status.frames_processed + status.frames_dropped >= 20
    assert (status.frames_rejected, status.frames_expired) == (0, 0)


def test_reliable_and_best_effort_readers_both_receive(peer, start_node):
    node = start_node()
    readers = {
        (topic, name): peer.subscribe(f"{node.name}/{topic}", of, qos)
        for topic, of in OUTPUTS.items()
        for name, qos in {"reliable": RELIABLE, "best effort": BEST_EFFORT}.items()
    }
    peer.until(
        lambda: all(len(arrived) >= 3 for arrived in readers.values()),
        "every reader",
        every=lambda: show(peer, node),
    )


def test_compressed_images(peer, start_node):
    node = start_node("-p", "transport:=compressed")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    overlays = peer.subscribe(f"{node.name}/overlay", Image)
    jpeg = cv2.imencode(".jpg", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))[1].tobytes()
    peer.until(
        lambda: masks and overlays,
        "outputs",
        every=lambda: peer.publish(f"{node.name}/image/compressed", compressed(jpeg)),
    )
    assert (masks[-1].width, masks[-1].height) == (WIDTH, HEIGHT)


def test_depth_in_millimetres(peer, start_node):
    node = start_node("-p", "depth.encoding:=16UC1")
    depths = peer.subscribe(f"{node.name}/depth/image_rect", Image)
    peer.until(lambda: depths, "depth", every=lambda: show(peer, node))
    depth = depths[-1]
    assert (depth.encoding, depth.step) == ("16UC1", 2 * WIDTH)
    depth_mm = np.frombuffer(depth.data, "<u2").reshape(HEIGHT, WIDTH)
    assert (depth_mm[0] == 0).all()
    assert (depth_mm[1, 0], depth_mm[1, -1]) == (500, 5000)


def test_images_may_change_their_size(peer, start_node):
    node = start_node()
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    for width, height in ((160, 120), (64, 48), (320, 200)):
        pixels = np.zeros((height, width, 3), np.uint8)
        peer.until(
            lambda: masks and (masks[-1].width, masks[-1].height) == (width, height),
            "a mask of the new size",
            every=lambda: show(peer, node, pixels),
        )


def test_nothing_is_computed_for_nobody(peer, start_node):
    """Status is sent for every frame and says which heads ran."""
    node = start_node()
    statuses = peer.subscribe(f"{node.name}/status", PerceptionStatus)
    peer.until(lambda: len(statuses) >= 5, "status", every=lambda: show(peer, node))
    assert all(status.tasks == [] and status.frames_processed == 0 for status in statuses)
    assert [stage.name for stage in statuses[-1].stages] == ["wait"]

    for topic, task in (
        ("depth/image_rect", "depth"),
        ("segmentation/confidence", "segmentation"),
        ("detections", "detection"),
    ):
        peer.subscribe(f"{node.name}/{topic}", OUTPUTS[topic])
        peer.until(lambda: task in statuses[-1].tasks, f"the head of {topic}", every=lambda: show(peer, node))
    assert statuses[-1].tasks == ["detection", "segmentation", "depth"]


def test_parameters_take_effect_while_the_node_runs(peer, start_node):
    node = start_node()
    found = peer.subscribe(f"{node.name}/detections", Detection2DArray)
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(lambda: found and masks, "outputs", every=lambda: show(peer, node))

    def change(name, **value):
        parameters = [Parameter(name=name, value=ParameterValue(**value))]
        return peer.call(f"{node.name}/set_parameters", SetParameters, SetParameters.Request(parameters=parameters)).results[0]

    assert change("score_threshold", type=ParameterType.PARAMETER_DOUBLE, double_value=0.905).successful
    peer.until(lambda: len(found[-1].detections) == 9, "fewer detections", every=lambda: show(peer, node))
    assert all(one.results[0].hypothesis.score > 0.9 for one in found[-1].detections)

    # Each box overlaps the next, of another class, by 0.62, and the one after by 0.39.
    assert change("agnostic_nms_iou", type=ParameterType.PARAMETER_DOUBLE, double_value=0.6).successful
    peer.until(lambda: len(found[-1].detections) == 5, "one box in two", every=lambda: show(peer, node))

    assert change("tasks", type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=["detection"]).successful
    changed_s = time.time()
    peer.until(lambda: len(since(changed_s, found)) >= 5, "detections", every=lambda: show(peer, node))
    assert since(changed_s, masks) == []

    refused = change("tasks", type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=["lanes"])
    assert not refused.successful and "'lanes'" in refused.reason


def test_enable_pauses_and_resumes(peer, start_node):
    node = start_node()
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(lambda: masks, "a mask", every=lambda: show(peer, node))
    assert peer.call(f"{node.name}/enable", SetBool, SetBool.Request(data=False)).success
    paused_s = time.time()
    peer.until(lambda: peer.says(node.name, "model", "paused"), "diagnostics", every=lambda: show(peer, node))
    assert since(paused_s, masks) == []
    resumed_s = time.time()
    assert peer.call(f"{node.name}/enable", SetBool, SetBool.Request(data=True)).success
    peer.until(lambda: since(resumed_s, masks), "a mask after the pause", every=lambda: show(peer, node))

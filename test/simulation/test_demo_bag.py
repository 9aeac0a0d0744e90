# SPDX-License-Identifier: Apache-2.0
"""The bag that is shipped, as it lies in the repository."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from mtl_perception.bags.types import jazzy_with_vision_msgs
from mtl_perception.simulation.demo_bag import CAMERA_FRAME, TRUTH_EVERY
from mtl_perception.simulation.drive import RATE_HZ
from mtl_perception.simulation.labels import DETECTION_LABELS, SEGMENTATION_LABELS

BAG = Path(__file__).parents[2] / "bags" / "demo"


@pytest.fixture(scope="module")
def topics():
    """Every message of the bag by topic."""
    messages = {}
    with AnyReader([BAG]) as reader:
        for connection, _, data in reader.messages():
            messages.setdefault(connection.topic, []).append(reader.deserialize(data, connection.msgtype))
    return messages


def stamps_ns(messages):
    return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]


def decode(message):
    return cv2.imdecode(message.data, cv2.IMREAD_UNCHANGED)


def test_size():
    assert sum(path.stat().st_size for path in BAG.iterdir()) <= 15e6


def test_rates_and_stamps(topics):
    images = stamps_ns(topics["/camera/image_raw/compressed"])
    assert 20 * RATE_HZ <= len(images) <= 30 * RATE_HZ
    assert set(np.diff(images)) == {round(1e9 / RATE_HZ)}
    assert stamps_ns(topics["/camera/camera_info"]) == images
    assert [stamps_ns(m.transforms)[0] for m in topics["/tf"]] == images
    for name in ("detections", "segmentation", "depth"):
        assert stamps_ns(topics[f"/ground_truth/{name}"]) == images[::TRUTH_EVERY]


def test_camera(topics):
    info = topics["/camera/camera_info"][0]
    assert info.header.frame_id == CAMERA_FRAME
    assert decode(topics["/camera/image_raw/compressed"][0]).shape == (info.height, info.width, 3) == (480, 640, 3)
    assert info.k[0] == pytest.approx(320 / np.tan(np.radians(35)))
    assert np.array_equal(info.p.reshape(3, 4)[:, :3], info.k.reshape(3, 3))


def test_frames_lead_from_odom_to_the_camera(topics):
    (static,) = topics["/tf_static"][0].transforms
    moving = topics["/tf"][0].transforms[0]
    assert (moving.header.frame_id, moving.child_frame_id) == ("odom", "base_link")
    assert (static.header.frame_id, static.child_frame_id) == ("base_link", CAMERA_FRAME)
    q = static.transform.rotation
    x, y, z, w = q.x, q.y, q.z, q.w
    optical_axis = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    assert optical_axis[0] > 0.9  # ahead
    assert optical_axis[1] == pytest.approx(0, abs=1e-9)
    assert -0.4 < optical_axis[2] < 0  # a little down


@pytest.mark.slow
def test_truth_is_consistent(topics):
    labels = {c.class_id: c.class_name for c in topics["/ground_truth/label_info"][0].class_map}
    assert labels == dict(enumerate(SEGMENTATION_LABELS))
    ids = {name: i for i, name in labels.items()}
    seen = set()
    truths = (topics[f"/ground_truth/{name}"] for name in ("detections", "segmentation", "depth"))
    for detections, segmentation, depth in zip(*truths, strict=True):
        mask, depth_mm = decode(segmentation), decode(depth)
        assert mask.shape == depth_mm.shape == (480, 640)
        assert (mask.dtype, depth_mm.dtype) == (np.uint8, np.uint16)
        assert set(np.unique(mask)) <= {*labels, 255}
        assert 300 < depth_mm.min() <= depth_mm.max() < 12000
        assert len(detections.detections) > 0
        for detection in detections.detections:
            hypothesis = detection.results[0].hypothesis
            centre, w, h = detection.bbox.center.position, detection.bbox.size_x, detection.bbox.size_y
            x, y = round(centre.x - w / 2), round(centre.y - h / 2)
            inside = mask[y : y + round(h), x : x + round(w)] == ids[hypothesis.class_id]
            assert hypothesis.score == 1
            assert inside.sum() >= 25
            for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                assert edge.any()
            seen.add(hypothesis.class_id)
    assert seen == set(DETECTION_LABELS)


def test_types_are_those_of_vision_msgs():
    """The hashes that a build of vision_msgs 4.1 prints."""
    store = jazzy_with_vision_msgs()
    assert store.hash_rihs01("vision_msgs/msg/Detection2DArray") == (
        "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"
    )
    assert store.hash_rihs01("vision_msgs/msg/LabelInfo") == ("RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783")

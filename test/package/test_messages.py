# SPDX-License-Identifier: Apache-2.0
"""The messages as this machine has built or installed them."""

import json
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS: run with scripts/run")

from ament_index_python import get_package_share_directory
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import BoundingBox2D, Detection2D, Detection2DArray, ObjectHypothesis, ObjectHypothesisWithPose

from mtl_perception.msg import PerceptionStatus, StageTime

# Printed by builds of vision_msgs 4.1 and tf2_msgs 0.36. A node with another hash is not heard by RViz, Nav2 or Foxglove.
HASHES = {
    "tf2_msgs/msg/TFMessage": "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087",
    "vision_msgs/msg/Detection2DArray": "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
    "vision_msgs/msg/Detection3DArray": "RIHS01_793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018",
    "vision_msgs/msg/LabelInfo": "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
    "vision_msgs/msg/VisionInfo": "RIHS01_95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284",
}


@pytest.mark.parametrize("name", HASHES)
def test_messages_of_others_are_those_that_others_speak(name: str) -> None:
    package, _, message = name.partition("/msg/")
    description = Path(get_package_share_directory(package)) / "msg" / f"{message}.json"
    hashes = {entry["type_name"]: entry["hash_string"] for entry in json.loads(description.read_text())["type_hashes"]}
    assert hashes[name] == HASHES[name]


@pytest.mark.parametrize(("package", "count"), [("vision_msgs", 14), ("tf2_msgs", 1)])
def test_the_overlay_holds_every_message_that_the_node_may_meet(package: str, count: int) -> None:
    overlay = Path(__file__).parents[2] / "overlay" / package
    listed = {path.stem for path in (overlay / "msg").glob("*.msg")}
    assert len(listed) == count
    cmake = (overlay / "CMakeLists.txt").read_text()
    assert all(f'"msg/{name}.msg"' in cmake for name in listed)


def test_status_comes_back_from_the_wire_as_it_went() -> None:
    status = PerceptionStatus(
        header=Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_color_optical_frame"),
        model="lite",
        device="cuda:0",
        precision="float16",
        tasks=["detection", "depth"],
        frames_received=2**40,
        frames_processed=5,
        frames_dropped=3,
        frames_rejected=2,
        frames_expired=1,
        frame_age_s=0.0425,
        stages=[StageTime(name="network", duration_s=0.0125), StageTime(name="publish", duration_s=1e-4)],
    )
    assert deserialize_message(serialize_message(status), PerceptionStatus) == status


def test_detections_come_back_from_the_wire_as_they_went() -> None:
    box = BoundingBox2D(size_x=30.0, size_y=20.0)
    box.center.position.x, box.center.position.y = 320.5, 240.5
    hypothesis = ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id="cup", score=0.75))
    detections = Detection2DArray(detections=[Detection2D(results=[hypothesis], bbox=box, id="7")])
    assert deserialize_message(serialize_message(detections), Detection2DArray) == detections

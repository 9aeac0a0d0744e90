# SPDX-License-Identifier: Apache-2.0
"""Parameters are declared with their range, documented in config/robot.yaml, and refused with a reason."""

from pathlib import Path

import pytest
import rclpy
import yaml
from node_process import load_engine
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from mtl_perception.ros.node.node import PerceptionNode
from mtl_perception.ros.node.specs import SPECS
from mtl_perception.ros.replay.replay import _flat

ROBOT_YAML = Path(__file__).parents[2] / "config" / "robot.yaml"
AT_RUN_TIME = {
    "tasks",
    "score_threshold",
    "agnostic_nms_iou",
    "classes",
    "class_score_thresholds",
    "max_detections",
    "min_box_side",
    "region",
    "max_frame_age",
    "tracking.low_score",
    "tracking.begin_score",
    "tracking.appearance",
}


@pytest.fixture(scope="module", autouse=True)
def ros():
    rclpy.init()
    yield
    rclpy.shutdown()


def make_node(**overrides) -> PerceptionNode:
    return PerceptionNode(
        load_engine,
        parameter_overrides=[Parameter(name.replace("__", "."), value=value) for name, value in overrides.items()],
    )


@pytest.fixture(scope="module")
def node():
    """Configured, so that the model's tasks are known."""
    node = make_node(model="free")
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    yield node
    node.trigger_shutdown()
    node.destroy_node()


def test_robot_yaml_has_every_parameter_at_its_default():
    written = yaml.safe_load(ROBOT_YAML.read_text())["/**"]["ros__parameters"]
    assert written == {spec.name: spec.default for spec in SPECS}


def test_robot_yaml_says_which_can_change_at_run_time():
    comment, marked = "", set()
    for line in ROBOT_YAML.read_text().split("ros__parameters:")[1].splitlines():
        if line.strip().startswith("#"):
            comment += line
        elif line.strip():
            marked |= {line.partition(":")[0].strip()} if "Run time." in comment else set()
            comment = ""
    assert marked == {spec.name for spec in SPECS if spec.at_run_time} == AT_RUN_TIME


def test_the_file_for_four_cameras_is_understood_in_every_word():
    """A parameter that nobody declares would be ignored without a word."""
    file = ROBOT_YAML.with_name("four_cameras.yaml")
    node = PerceptionNode(load_engine, cli_args=["--ros-args", "--params-file", str(file)])
    said = dict(_flat(yaml.safe_load(file.read_text())["/**"]["ros__parameters"]))
    assert {name: node.get_parameter(name).value for name in said} == said
    assert [node.parameters.of(camera)["transport"] for camera in said["cameras"]] == ["raw"] * 3 + ["compressed"]
    node.destroy_node()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_descriptors_say_meaning_and_range(node, spec):
    descriptor: ParameterDescriptor = node.describe_parameter(spec.name)
    assert descriptor.description
    assert descriptor.read_only == (spec.name not in AT_RUN_TIME)
    ranges = len(descriptor.floating_point_range) + len(descriptor.integer_range)
    assert ranges == (type(spec.default) in (int, float))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("score_threshold", 1.5, "score_threshold"),
        ("score_threshold", float("nan"), "score_threshold"),
        ("score_threshold", "high", "Wrong parameter type, expected"),
        ("agnostic_nms_iou", 1.5, "agnostic_nms_iou"),
        ("max_frame_age", -1.0, "max_frame_age"),
        (
            "tasks",
            ["detection", "depht"],
            "tasks has 'depht', expected 'all' or names out of detection, segmentation, depth",
        ),
        ("tasks", Parameter("tasks", Parameter.Type.STRING_ARRAY, []), "tasks is empty"),
        ("device", "cpu", "read-only"),
        ("transport", "compressed", "read-only"),
    ],
)
def test_bad_changes_are_refused_with_a_reason(node, name, value, words):
    before = node.get_parameter(name).value
    parameter = value if isinstance(value, Parameter) else Parameter(name, value=value)
    (result,) = node.set_parameters([parameter])
    assert not result.successful
    assert words in result.reason
    assert node.get_parameter(name).value == before


def test_good_changes_are_taken(node):
    results = node.set_parameters(
        [
            Parameter("score_threshold", value=0.7),
            Parameter("tasks", value=["depth"]),
            Parameter("max_frame_age", value=0.5),
        ]
    )
    assert all(result.successful for result in results), results
    assert node.parameters.tasks == ("depth",)
    assert node.set_parameters([Parameter("tasks", value=["all"])])[0].successful
    assert node.parameters.tasks == ("detection", "segmentation", "depth")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"transport": "zip"}, "transport is 'zip', expected one of raw, compressed"),
        ({"precision": "int3"}, "precision is 'int3', expected one of auto, float32"),
        ({"depth__encoding": "64FC1"}, "depth.encoding is '64FC1', expected one of 32FC1, 16UC1"),
        (
            {"output__reliability": "maybe"},
            "output.reliability is 'maybe', expected one of best_effort, reliable",
        ),
        ({"input__depth": 0}, "input.depth"),
        ({"input__max_pixels": 0}, "input.max_pixels"),
        ({"input__corrupt_jpeg": "mend"}, "input.corrupt_jpeg is 'mend', expected one of reject, accept"),
        ({"input__mono16_max": "12bit"}, "input.mono16_max is '12bit', expected auto, or 1 to 65535"),
        ({"input__mono16_max": 0}, "input.mono16_max is 0, expected auto, or 1 to 65535"),
        ({"input__mono16_max": 65536}, "input.mono16_max is 65536, expected auto"),
        ({"input__mono16_max": True}, "input.mono16_max is True, expected auto"),
        ({"input__mono16_max": 4095.0}, "input.mono16_max is 4095.0, expected auto"),
        ({"input__encoding_8uc1": "rgb8"}, "input.encoding_8uc1 is 'rgb8', expected one of mono8, bayer_rggb8"),
        ({"input__encoding_8uc3": "mono8"}, "input.encoding_8uc3 is 'mono8', expected one of bgr8, rgb8"),
        ({"score_threshold": 1}, "score_threshold"),
        ({"rectified": "yes"}, "rectified"),
        ({"cameras": ["front", "le ft"]}, "cameras has 'le ft', expected names that can stand in a topic"),
        ({"cameras": ["front/left"]}, "cameras has 'front/left'"),
        ({"cameras": ["front__left"]}, "cameras has 'front__left'"),
        ({"cameras": ["0"]}, "cameras has '0'"),
        ({"cameras": [""]}, "cameras has '', .* for one camera on ~/image leave cameras empty"),
        ({"cameras": ["front", "left", "front"]}, "cameras has 'front' twice"),
        ({"cameras": ["colour", "depth"]}, "cameras has 'depth', but depth.transport is a parameter of the node"),
        ({"cameras": ["front"], "front__transport": "zip"}, "front.transport is 'zip', expected one of raw"),
        ({"cameras": "front"}, "cameras"),
    ],
)
def test_bad_initial_values_are_refused(overrides, words):
    with pytest.raises(ParameterException, match=words):
        make_node(**overrides)


def test_a_camera_may_have_values_of_its_own():
    node = make_node(cameras=["front", "left"], rectified=True, left__transport="compressed", left__rectified=False)
    front, left = node.parameters.of("front"), node.parameters.of("left")
    assert (front["transport"], front["rectified"], front["input.depth"]) == ("raw", True, 1)
    assert (left["transport"], left["rectified"], left["input.depth"]) == ("compressed", False, 1)
    assert left["output.depth"] == 1
    node.destroy_node()


def test_what_each_camera_has_of_its_own_changes_there():
    """The value for all would change nothing any more."""
    node = make_node(cameras=["front", "left"], region="0,0 9,0 9,9")
    refused, taken = node.set_parameters([Parameter("region", value=""), Parameter("left.region", value="")])
    assert not refused.successful and "set front.region or left.region" in refused.reason
    assert taken.successful
    assert (node.parameters.of("front")["region"], node.parameters.of("left")["region"]) == ("0,0 9,0 9,9", "")
    assert node.set_parameters([Parameter("region", value="0,0 9,0 9,9")])[0].successful  # as a file that was dumped has it
    node.destroy_node()


@pytest.mark.parametrize("value", ["auto", 1023, 65535])
def test_what_is_white_is_a_word_or_a_number(value):
    node = PerceptionNode(load_engine, cli_args=["--ros-args", "-p", f"input.mono16_max:={value}"])
    assert node.parameters.of("")["input.mono16_max"] == value
    node.destroy_node()


def test_each_camera_may_have_its_own_white():
    node = make_node(cameras=["colour", "thermal"], thermal__input__mono16_max=16383)
    assert node.parameters.of("thermal")["input.mono16_max"] == 16383
    assert node.parameters.of("colour")["input.mono16_max"] == "auto"
    node.destroy_node()


def test_no_names_mean_one_camera():
    """An empty list in a file or on the command line has no type."""
    node = PerceptionNode(load_engine, cli_args=["--ros-args", "-p", "cameras:=[]"])
    assert node.parameters["cameras"] == []
    node.destroy_node()


def test_a_task_that_the_model_lacks_fails_configure():
    node = make_node(model="free", tasks=["lanes"])
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "tasks has 'lanes', expected 'all' or names out of detection" in node.configure_error
    node.destroy_node()


def test_configure_that_fails_leaves_no_topic_behind():
    node = make_node(model="free", points__remove_classes=["sofa"])
    before = [publisher.topic_name for publisher in node.publishers]
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "points.remove_classes has 'sofa'" in node.configure_error
    assert [publisher.topic_name for publisher in node.publishers] == before
    node.destroy_node()

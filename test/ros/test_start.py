# SPDX-License-Identifier: Apache-2.0
"""A start that goes wrong ends with status 1 and one sentence of what was given and what is expected."""

import re

import pytest

from mtl_perception.core.yaml_file import ConfigError
from mtl_perception.ros.node.start import ParameterFiles, check_names

FILES = {
    "missing": (None, "missing.yaml does not exist"),
    "tabs": ("/**:\n  ros__parameters:\n\ttasks: [all]\n", "YAML takes no tabs"),
    "another_node": ("percepton:\n  ros__parameters:\n    model: lite\n", "has parameters for /percepton and none for /"),
    "empty_tasks": ("/**:\n  ros__parameters:\n    tasks: []\n", "tasks is empty, expected ['all'] or names of tasks"),
    "type": (
        "/**:\n  ros__parameters:\n    score_threshold: high\n",
        "'score_threshold' to 'high' of type 'STRING', expecting type 'DOUBLE'",
    ),
    "integer": ("/**:\n  ros__parameters:\n    score_threshold: 1\n", "write it with a point, such as 1.0"),
    "alias": ("/**:\n  ros__parameters: &a\n    model: lite\n/*:\n  ros__parameters: *a\n", "Will not support aliasing"),
}

LAYOUTS = {
    "no_level": ("/**:\n  tasks: [all]\n", "expected ros__parameters below it"),
    "text": ("tasks\n", "holds str, expected names of nodes"),
    "list": ("- tasks\n", "holds list, expected names of nodes"),
    "nothing": ("/**:\n  ros__parameters:\n    tasks:\n", "tasks has no value; an empty list is []"),
    "parameters": ("/**:\n  ros__parameters: 3\n", "ros__parameters of /** holds '3', expected names and values"),
    "mixed": ("/**:\n  ros__parameters:\n    cameras: [front, 3]\n", "cameras is ['front', 3], expected values of one type"),
}

ARGUMENTS = {
    "__ns:=robot1": "namespace is 'robot1', expected letters, digits, _ and / with a / in front",
    "__ns:=/robot1/": "namespace is '/robot1/', expected",
    "__node:=a/b": "name of the node is 'a/b', expected letters, digits and _",
    "image": "-r image is not understood, expected FROM:=TO",
    "~/image:=/a//b": "-r ~/image:=/a//b is not understood, expected FROM:=TO",
}

PARAMETERS = {
    "tasks": "-p tasks is not understood, expected NAME:=VALUE",
    "tasks:=[": "-p tasks:=[ is not understood, expected NAME:=VALUE",
    "score_threshold:=2.0": "score_threshold out of range",
    "use_sim_time:=maybe": "'use_sim_time' to 'maybe' of type 'STRING', expecting type 'BOOL'",
    "output_frame:=/base_link": "output_frame is '/base_link', expected 'base_link': names of TF frames have no leading slash",
    "fixed_frame:=/odom": "fixed_frame is '/odom', expected 'odom'",
}


def ends_in_a_sentence(node, words: str) -> None:
    assert node.process.wait(timeout=300) == 1
    node.stop()
    (fatal,) = (line for line in node.log.splitlines() if "[FATAL]" in line)
    assert words in fatal and len(fatal) < 500
    assert "Traceback" not in node.log


@pytest.mark.parametrize("name", FILES)
def test_a_parameter_file_that_cannot_be_used(start_node, tmp_path, name):
    text, words = FILES[name]
    path = tmp_path / f"{name}.yaml"
    if text is not None:
        path.write_text(text)
    ends_in_a_sentence(start_node("--params-file", str(path)), words)


@pytest.mark.parametrize("rule", ARGUMENTS)
def test_a_name_that_cannot_be(start_node, rule):
    ends_in_a_sentence(start_node("-r", rule), ARGUMENTS[rule])


@pytest.mark.parametrize("rule", PARAMETERS)
def test_a_parameter_that_cannot_be(start_node, rule):
    ends_in_a_sentence(start_node("-p", rule), PARAMETERS[rule])


def test_an_argument_that_ros_does_not_know(start_node):
    ends_in_a_sentence(start_node("--unknown"), "arguments that ROS does not know: ['--unknown']")


def test_a_parameter_that_the_node_does_not_have_is_named_and_ignored(peer, start_node, tmp_path):
    """A file may be for several nodes."""
    path = tmp_path / "several.yaml"
    path.write_text("/**:\n  ros__parameters:\n    score_treshold: 0.5\n    laser: {rate: 3}\n    detections_3d: {flat_classes: []}\n")
    node = start_node("--params-file", str(path))
    peer.until(lambda: peer.says(node.name, "model", "active"), "the node active")
    node.stop()
    assert "ignored, for this node has no such parameter: laser.rate, score_treshold (did you mean score_threshold?)" in node.log


def sections(tmp_path, text: str) -> ParameterFiles:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    return ParameterFiles(["perception", "--ros-args", "--params-file", str(path), "--", "--params-file", "not_a_ros_argument"])


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_that_is_not_laid_out_as_ros_wants_it(tmp_path, name):
    text, words = LAYOUTS[name]
    with pytest.raises(ConfigError, match=re.escape(words)):
        sections(tmp_path, text)


@pytest.mark.parametrize(
    "name",
    ["/**", "/*/perception", "/robot1/perception", "robot1/perception", "/robot1/**", "/**/perception", "/robot1/*", "/*/*"],
)
def test_sections_that_are_for_the_node(tmp_path, name):
    sections(tmp_path, f"{name}:\n  ros__parameters: {{model: lite}}\nother:\n  ros__parameters: {{a: 1}}\n").require_for(
        "/robot1/perception"
    )


@pytest.mark.parametrize("name", ["perception", "/perception", "/robot2/perception", "/*", "/robot1", "/robot1/perception/x", "/*/*/*"])
def test_sections_that_are_not(tmp_path, name):
    with pytest.raises(ConfigError, match="none for /robot1/perception"):
        sections(tmp_path, f"{name}:\n  ros__parameters: {{model: lite}}\n").require_for("/robot1/perception")


def test_nested_namespaces_and_an_empty_file(tmp_path):
    sections(tmp_path, "robot1:\n  perception:\n    ros__parameters: {model: lite}\n").require_for("/robot1/perception")
    sections(tmp_path, "").require_for("/perception")


@pytest.mark.parametrize("argument", ["__ns:=/", "__ns:=/robot1/arm", "__node:=eyes", "perception:__node:=eyes", "~/image:=/a", "x"])
def test_names_that_can_be(argument):
    check_names(["perception", "--ros-args", "-r", argument])

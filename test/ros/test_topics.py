# SPDX-License-Identifier: Apache-2.0
"""Whatever shows the node's topics names those of the one table, with their types."""

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import yaml

from mtl_perception.ros.outputs.topics import TOPICS
from mtl_perception.ros.outputs.writer import Writer

ROOT = Path(__file__).parents[2]
KNOWN = {*TOPICS, "people"}
"""Also where people_msgs is not installed."""


def shown_in_rviz() -> set[str]:
    """What launch/robot.launch.py leads to RViz."""
    for node in ast.parse((ROOT / "launch" / "robot.launch.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "SHOWN_IN_RVIZ":
            return set(ast.literal_eval(node.value))
    raise AssertionError("launch/robot.launch.py has no SHOWN_IN_RVIZ")


def own(text: str) -> set[str]:
    return set(re.findall(r"/perception/([a-z0-9_/]+)", text)) - {"image"}


def policy(direction: str) -> set[str]:
    """What config/security/policy.xml lets the node publish, subscribe to or answer, below its own name."""
    found = ElementTree.parse(ROOT / "config" / "security" / "policy.xml").getroot().iter()
    allowed = [entry.text or "" for group in found if group.get(direction) == "ALLOW" for entry in group]
    return {name.removeprefix("~/") for name in allowed if name.startswith("~/")}


def test_every_topic_of_a_writer_is_in_the_table() -> None:
    def writers(kind: type[Writer]) -> set[type[Writer]]:
        return {kind}.union(*(writers(below) for below in kind.__subclasses__()))

    own = {one.topic.name for one in writers(Writer) if "topic" in vars(one) and one.__module__.startswith("mtl_perception.")}
    assert len(own) > 12
    assert own <= KNOWN


def test_the_readme_lists_all_of_them_with_their_types() -> None:
    rows = [line.split("|")[1:3] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `~/")]
    said = {name: kinds for names, kinds in rows for name in re.findall(r"`~/([\w/]+)`", names)}
    assert set(said) == KNOWN
    assert {name: kinds for name, kinds in said.items() if name in TOPICS and TOPICS[name].message_type.__name__ not in kinds} == {}


def test_documents_name_no_topic_that_there_is_none_of() -> None:
    known = KNOWN | policy("subscribe") | policy("reply")
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        named = set(re.findall(r"`~/(?:front/)?([\w/]*\w)`", path.read_text()))  # front: the camera of the examples
        assert named - known == set(), path


def test_a_secured_node_may_publish_all_of_them() -> None:
    assert policy("publish") - {"transition_event"} == KNOWN


def test_nav2_and_moveit_are_given_topics_of_the_table() -> None:
    texts = [path.read_text() for path in (ROOT / "mtl_perception" / "ros" / "consumers").glob("*.py")]
    named = {name for text in texts for name in re.findall(r"\{topics\}/([\w/]+)", text)}
    assert named
    assert named <= KNOWN


def test_rviz_and_foxglove_show_topics_of_the_table() -> None:
    assert shown_in_rviz() <= KNOWN
    assert own((ROOT / "config" / "robot.rviz").read_text()) <= shown_in_rviz()
    assert own((ROOT / "config" / "foxglove_layout.json").read_text()) <= KNOWN


def test_rviz_has_a_display_of_the_right_kind() -> None:
    displays = yaml.safe_load((ROOT / "config" / "robot.rviz").read_text())["Visualization Manager"]["Displays"]
    found = {display["Topic"]["Value"].removeprefix("/perception/"): display["Class"] for display in displays if "Topic" in display}
    checked = [name for name, kind in found.items() if name in TOPICS and kind.endswith(TOPICS[name].message_type.__name__)]
    assert {"overlay", "points", "markers"} <= set(checked)

# SPDX-License-Identifier: Apache-2.0
"""Names that no node and no camera can have are refused by every command that makes topics of them, and before it begins."""

import pytest
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.ros.doctor.verdicts import Heard, judge

COMMANDS = (["nav2", "lite"], ["moveit"], ["doctor", "--seconds", "1"], ["foxglove", "--port", "0"])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("option", "value"),
    [("--node", "perception"), ("--node", "/per ception"), ("--node", "/perception/"), ("--camera", "le ft"), ("--camera", "front/image")],
)
def test_a_name_that_can_not_stand_in_a_topic_is_refused(command: list[str], option: str, value: str) -> None:
    done = CliRunner().invoke(app, [*command, option, value])
    assert done.exit_code == 1 and not done.stdout, done.output
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert repr(value) in done.stderr and "expected" in done.stderr


def test_one_camera_named_twice_is_refused() -> None:
    done = CliRunner().invoke(app, ["nav2", "lite", "--camera", "front", "--camera", "front"])
    assert done.exit_code == 1 and not done.stdout
    assert "'front' twice" in done.stderr


def test_who_asks_for_a_node_and_means_one_of_its_cameras_is_told() -> None:
    (found,) = judge(Heard(), "/perception")
    assert found.text == "nobody publishes below /perception" and "--camera" in found.remedy
    (found,) = judge(Heard(), "/perception", "front")
    assert found.text == "nobody publishes below /perception/front"

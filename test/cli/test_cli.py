# SPDX-License-Identifier: Apache-2.0
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from model import tiny_card, tiny_network
from shapes import write_shapes
from small_bags import SmallBag, write_drive
from typer.testing import CliRunner

from mtl_perception.bags import Bag
from mtl_perception.cli.app import app
from mtl_perception.model.checkpoint import save_checkpoint

COMMANDS = (
    "run",
    "replay",
    "demo",
    "render",
    "demo-bag",
    "depth-bag",
    "train",
    "import",
    "export",
    "export-model",
    "evaluate",
    "compare",
    "results",
    "card",
    "info",
    "nav2",
    "moveit",
    "doctor",
    "foxglove",
    "benchmark",
    "benchmark-page",
)


def call(*arguments):
    """(exit code, stdout, stderr) of the command in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    card = tiny_card()
    save_checkpoint(path, tiny_network(card), card)
    return path


def test_help_names_every_command():
    code, text, _ = call("--help")
    assert code == 0 and all(f" {command} " in text for command in COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command):
    code, text, _ = call(command, "--help")
    assert code == 0 and "Usage" in text


@pytest.mark.slow
def test_help_loads_nothing_heavy():
    code = (
        "import sys; from mtl_perception.cli.app import app\n"
        "try: app(['replay', '--help'])\n"
        "except SystemExit: pass\n"
        "print('LOADED', [m for m in ('torch', 'cv2', 'numpy', 'rclpy', 'rosbags') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("mode", [[], ["--offline"]])
def test_replay_of_a_bag_that_cannot_be_used_is_one_line(tmp_path, checkpoint, mode):
    with SmallBag(tmp_path / "blind") as bag:
        bag.write_camera_info(0)
    cut = write_drive(tmp_path / "cut", 2) / "cut.mcap"
    cut.write_bytes(cut.read_bytes()[:500])
    write_drive(tmp_path / "good", 1)
    (tmp_path / "taken").mkdir()
    for bag, options, message in (
        ("missing", [], "does not exist"),
        ("blind", [], "holds no camera images"),
        ("cut", [], "cut.mcap is truncated"),
        ("good", ["--image", "/front"], "no topic /front"),
        ("good", ["--camera-info", "/front"], "no topic /front"),
        ("good", ["--model", "nosuch"], "no model 'nosuch'"),
        ("good", ["--out", tmp_path / "taken"], "exists already"),
    ):
        arguments = [
            "replay",
            tmp_path / bag,
            "--out",
            tmp_path / "out",
            "--model",
            checkpoint,
            *mode,
            *options,
        ]
        code, _, errors = call(*arguments)
        assert code == 1 and message in errors and errors.startswith("error: "), (bag, errors)
        assert "Traceback" not in errors and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_offline_replay_writes_a_bag_and_a_table(tmp_path, checkpoint):
    drive = write_drive(tmp_path / "drive", 3)
    code, text, errors = call("replay", drive, "--out", tmp_path / "out", "--offline", "--model", checkpoint)
    assert code == 0, errors
    assert "tiny on cpu" in text and "3 frames in, 3 processed" in text
    with Bag(tmp_path / "out") as bag:
        assert bag.topics["/perception/detections"].count == 3


def test_info_prints_the_card(checkpoint, tmp_path):
    code, text, _ = call("info", checkpoint)
    assert code == 0 and json.loads(text)["name"] == "tiny"
    (tmp_path / "old.pth").write_bytes(b"")
    code, _, errors = call("info", tmp_path / "old.pth")
    assert code == 1 and errors.startswith("error: ") and "pickle" in errors


@pytest.mark.slow
def test_evaluate_scores_a_folder_and_a_bag(checkpoint, tmp_path, monkeypatch):
    write_shapes(tmp_path / "shapes", 5)
    monkeypatch.chdir(tmp_path)
    code, text, errors = call("evaluate", checkpoint, "shapes", "--json", "scores.json", "--limit", 3)
    assert code == 0, errors
    scores = json.loads((tmp_path / "scores.json").read_text())["sets"]["shapes"]["scores"]
    assert {task: values["frames"] for task, values in scores.items()} == {
        "detection": 3,
        "segmentation": 3,
        "depth": 3,
    }
    assert f"{scores['segmentation']['mIoU']:.3f}" in text
    assert (tmp_path / "out/evaluate/tiny/index.html").is_file()
    write_drive(tmp_path / "drive", 2)
    code, text, errors = call("evaluate", checkpoint, tmp_path / "drive")
    assert code == 0 and "not scored: cup" in text, errors
    write_drive(tmp_path / "plain", 1, truth=False)
    code, _, errors = call("evaluate", checkpoint, tmp_path / "plain")
    assert code == 1 and "no ground truth" in errors


def test_train_names_what_is_wrong_with_its_configuration(tmp_path):
    (tmp_path / "wrong.yaml").write_text("name: x\n")
    code, _, errors = call("train", tmp_path / "wrong.yaml")
    assert code == 1 and errors.startswith("error: ") and "variant" in errors


@pytest.mark.slow
def test_run_starts_the_node_with_its_arguments(tmp_path):
    """The node itself refuses the value, and so has read both the shipped file and our argument."""
    command = [sys.executable, "-m", "mtl_perception.cli", "run", "--ros-args", "-p", "precision:=float7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"precision is 'float7', expected one of auto, float32", done.stdout + done.stderr)

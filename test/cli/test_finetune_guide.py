# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/finetune.md, typed one after the other: from foreign files and a bag to a model that runs in the node."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from sources import SOURCES
from typer.testing import CliRunner

from mtl_perception.bags import Bag
from mtl_perception.cli.app import app
from mtl_perception.core.resources import find_model
from mtl_perception.model.checkpoint import read_card

DOCUMENT = (Path(__file__).parents[2] / "docs" / "finetune.md").read_text()
COMMANDS = re.findall(r"^    mtl-perception (.*)$", DOCUMENT, re.MULTILINE)
SMALL = "--steps 4 --batch-size 2 --width 64 --height 64 --workers 0 --threads 1 --device cpu"


def typed(command: str) -> str:
    """What a command says."""
    words = shlex.split(command)
    if words[0] == "finetune":
        words += shlex.split(SMALL)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{command}\n{done.output}"
    return done.output


@pytest.mark.slow(20)
def test_foreign_files_and_a_bag_become_a_model_that_runs_in_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("coco", "yolo", "drive"):
        SOURCES[name](tmp_path / name)
    said = {command.split()[0]: typed(command) for command in COMMANDS}
    assert list(said) == ["import", "check", "finetune", "predict", "evaluate", "replay"]

    before, after = read_card(find_model("lite")), read_card(tmp_path / "models/kitchen.safetensors")
    new = after.detection_labels[len(before.detection_labels) :]
    assert after.detection_labels == [*before.detection_labels, *new]
    assert {"dining table", "mug"} <= set(new) and "cup" not in new
    assert after.segmentation_labels == before.segmentation_labels
    assert [source["name"] for source in after.training["sources"]] == ["train", "bench", "drive"]

    assert len(list((tmp_path / "out/kitchen/overlay").glob("*.jpg"))) == 2
    with Bag(tmp_path / "out/drive") as bag:
        assert bag.topics["/perception/detections"].count > 0

# SPDX-License-Identifier: Apache-2.0
"""The site of the documentation can be built without a warning, and names what the code has."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="make docs installs it")
pytest.importorskip("rclpy", reason="needs ROS: run with scripts/run")

from mtl_perception.ros.node.specs import SPECS
from mtl_perception.training import TrainingConfig

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_parameter_topic_and_key_has_its_place(site: Path) -> None:
    parameters = (site / "reference" / "parameters.html").read_text()
    assert [spec.name for spec in SPECS if f"<code>{spec.name}</code>" not in parameters] == []
    topics = (site / "reference" / "topics.html").read_text()
    assert all(f"<code>~/{topic}</code>" in topics for topic in ("detections", "depth/image_rect", "tracks", "segmentation/label_info"))
    keys = (site / "reference" / "training.html").read_text()
    assert [name for name in TrainingConfig.model_fields if f"<code>{name}</code>" not in keys] == []


def test_the_search_finds_a_parameter_on_its_page(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    assert any("agnostic_nms_iou" in entry["text"] and entry["location"].startswith("reference/parameters.html") for entry in index)


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    """It can be read on a robot without a network."""
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert not [host for host in ("fonts.googleapis", "unpkg.com", "cdn.") if host in text], page

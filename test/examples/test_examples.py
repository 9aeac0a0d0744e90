# SPDX-License-Identifier: Apache-2.0
"""Each program in examples/ does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PIXELS = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)

pytestmark = pytest.mark.slow


def run(name: str, *arguments: str | Path) -> str:
    """Returns what the example prints."""
    command = [sys.executable, EXAMPLES / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_example_is_tested() -> None:
    tested = set(re.findall(r'"(\w+\.py)"', Path(__file__).read_text()))
    assert {path.name for path in EXAMPLES.glob("*.py")} <= {*tested, "nearest_object.py"}  # in test_subscriber.py


def test_the_engine_answers_for_a_picture(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), PIXELS)
    assert re.search(r"mask \(96, 128\) depth in metres \(96, 128\) nearest \d", run("engine.py", tmp_path / "picture.png"))


def test_a_folder_of_ones_own_is_trained_on(tmp_path: Path) -> None:
    from mtl_perception.inference import Engine

    for folder in ("images", "semantic"):
        (tmp_path / folder).mkdir()
    for number in range(4):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), PIXELS)
        cv2.imwrite(str(tmp_path / "semantic" / f"{number}.png"), np.full((96, 128), number % 3, np.uint8))
    run("own_data.py", tmp_path, "2")
    engine = Engine.load(tmp_path / "model.safetensors", device="cpu", backend="torch")
    assert engine.card.segmentation_labels == ["floor", "wall", "cup"]
    assert engine(PIXELS).segmentation.mask.shape == (96, 128)

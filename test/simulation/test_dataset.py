# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtl_perception.simulation.dataset import DatasetSettings, render_dataset
from mtl_perception.simulation.labels import DETECTION_LABELS, SECOND_LABELS, SEGMENTATION_LABELS

SETTINGS = DatasetSettings(rooms=3, views=2, seed=148, width=160, height=120)
FIRST_TWO = DatasetSettings(rooms=2, views=2, seed=148, width=160, height=120)


@pytest.fixture(scope="module")
def folder(vulkan, tmp_path_factory):
    """Three rooms by two processes one after the other."""
    out = tmp_path_factory.mktemp("rooms")
    render_dataset(out, SETTINGS, workers=1, progress=False, rooms_per_process=2)
    return out


def labels_of(folder: Path, rooms: int) -> dict[str, bytes]:
    found = [path for index in range(rooms) for path in folder.glob(f"[sdr]*/room{index:05d}*")]
    paths = [path for path in found if path.suffix in (".png", ".json")]  # not what a kill left half written
    assert len(paths) == 5 * rooms
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_folder_is_complete_and_consistent(folder):
    description = json.loads((folder / "dataset.json").read_text())
    assert description["format_version"] == 2
    assert description["segmentation_labels"] == list(SEGMENTATION_LABELS)
    assert description["detection_labels"] == list(DETECTION_LABELS)
    assert description["settings"]["seed"] == 148
    cameras = json.loads((folder / "cameras.json").read_text())["cameras"]
    coco = json.loads((folder / "annotations.json").read_text())
    assert [category["name"] for category in coco["categories"]] == list(DETECTION_LABELS)
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert [image["group"] for image in coco["images"]] == [f"room{i:05d}" for i in (0, 0, 1, 1, 2, 2)]
    for image in coco["images"]:
        stem = image["file_name"].removesuffix(".jpg")
        rgb = cv2.imread(str(folder / "images" / image["file_name"]))
        semantic = cv2.imread(str(folder / "semantic" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
        depth_mm = cv2.imread(str(folder / "depth" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
        assert rgb.shape == (120, 160, 3)
        assert semantic.shape == depth_mm.shape == (120, 160)
        assert (semantic.dtype, depth_mm.dtype) == (np.uint8, np.uint16)
        assert set(np.unique(semantic)) <= {*range(len(SEGMENTATION_LABELS)), 255}
        assert 100 < np.median(depth_mm) < 15000
        assert 50 <= 2 * np.degrees(np.arctan(80 / cameras[image["camera"]]["fx"])) <= 100
        for obj in (a for a in coco["annotations"] if a["image_id"] == image["id"]):
            x, y, width, height = obj["bbox"]
            inside = semantic[y : y + height, x : x + width] == SEGMENTATION_LABELS.index(names[obj["category_id"]])
            assert inside.shape == (height, width)
            assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
            assert inside.sum() >= obj["area"] >= 25
            assert obj["segmentation"]["size"] == [120, 160]
            assert 0 < obj["box_3d"]["center_m"][2] < 20


def test_the_second_content_lists_and_labels_its_classes(vulkan, tmp_path):
    """Through a photographic camera; boxes of parts lie in those of what they belong to."""
    settings = DatasetSettings(rooms=2, views=3, seed=2, width=192, height=144, content=2, camera="photographic")
    render_dataset(tmp_path, settings, workers=1, progress=False)
    description = json.loads((tmp_path / "dataset.json").read_text())
    assert description["segmentation_labels"] == list(SECOND_LABELS.segmentation)
    assert description["detection_labels"] == list(SECOND_LABELS.detection)
    assert (description["settings"]["content"], description["settings"]["camera"]) == (2, "photographic")
    coco = json.loads((tmp_path / "annotations.json").read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert list(names.values()) == list(SECOND_LABELS.detection)
    boxes = {}
    for obj in coco["annotations"]:
        x, y, width, height = obj["bbox"]
        boxes.setdefault((obj["image_id"], names[obj["category_id"]]), []).append((x, y, x + width, y + height))
    fronts = [(image, box) for (image, label), found in boxes.items() if label == "cabinet door" for box in found]
    assert fronts
    for image, (x1, y1, x2, y2) in fronts:
        owners = boxes.get((image, "cabinet"), []) + boxes.get((image, "table"), [])
        assert any(a <= x1 and b <= y1 and x2 <= c and y2 <= d for a, b, c, d in owners)


def test_a_folder_from_before_there_were_contents_goes_on(folder, tmp_path):
    """Its settings name neither content nor camera: it holds the first of both."""
    kept = json.loads((folder / "rooms" / "settings.json").read_text())
    assert set(kept) == {"views", "seed", "width", "height", "renderer", "textures"}
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "settings.json").write_text(json.dumps(kept))
    with pytest.raises(ValueError, match=r"other settings \(content None\); choose another folder"):
        render_dataset(tmp_path, replace(FIRST_TWO, content=2), workers=1, progress=False)


def test_a_run_that_was_killed_goes_on(folder, tmp_path):
    """To the same labels, to the bit."""
    command = "render --rooms 2 --views 2 --seed 148 --width 160 --height 120 --workers 1 --out".split()
    run = subprocess.Popen(
        [sys.executable, "-m", "mtl_perception.cli", *command, str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    started = time.monotonic()
    while not list(tmp_path.glob("images/room00001*")) and run.poll() is None:
        assert time.monotonic() - started < 300, "nothing was rendered"
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    kept = tmp_path / "images" / "room00000_view00.jpg"
    written = kept.stat().st_mtime_ns
    render_dataset(tmp_path, FIRST_TWO, workers=1, progress=False)
    assert kept.stat().st_mtime_ns == written
    assert labels_of(tmp_path, 2) == labels_of(folder, 2)
    again, first = (cv2.imread(str(out / "images" / "room00001_view01.jpg")).astype(int) for out in (tmp_path, folder))
    assert np.abs(again - first).mean() < 3  # dithering, then JPEG


def test_a_file_that_cannot_be_written_leaves_the_finished_rooms(folder, tmp_path):
    in_the_way = tmp_path / "depth" / "room00001_view01.png"
    in_the_way.mkdir(parents=True)
    with pytest.raises(OSError, match="room00001_view01.png"):
        render_dataset(tmp_path, FIRST_TWO, workers=1, progress=False)
    images = json.loads((tmp_path / "annotations.json").read_text())["images"]
    assert {image["group"] for image in images} == {"room00000"}
    in_the_way.rmdir()
    render_dataset(tmp_path, FIRST_TWO, workers=1, progress=False)
    assert labels_of(tmp_path, 2) == labels_of(folder, 2)


def test_other_settings_are_refused(folder):
    with pytest.raises(ValueError, match=r"other settings \(seed 148\); choose another folder"):
        render_dataset(folder, DatasetSettings(rooms=2, views=2, seed=32, width=160, height=120))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"views": 0}, "views is 0"),
        ({"textures": "odd"}, "'odd', expected one of: train, varied, unseen"),
        ({"content": 4}, "content is '4', expected one of: 1, 2, 3"),
        ({"camera": "pinhole"}, "'pinhole', expected one of: mild, photographic"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        DatasetSettings(rooms=1, **settings)


def test_a_missing_mujoco_names_the_extra():
    """As on a robot, where the extra is not installed."""
    code = "import sys; sys.modules['mujoco'] = None; import mtl_perception.simulation"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "pip install 'mtl_perception[simulation]'" in run.stderr

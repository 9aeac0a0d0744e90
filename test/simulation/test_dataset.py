# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from mtl_perception.simulation.dataset import DatasetSettings, depth_to_millimetres, render_dataset
from mtl_perception.simulation.labels import DETECTION_LABELS, SEGMENTATION_LABELS

SETTINGS = DatasetSettings(rooms=2, views=2, seed=31, width=160, height=120)


@pytest.fixture(scope="module")
def folder(vulkan, tmp_path_factory):
    out = tmp_path_factory.mktemp("rooms")
    render_dataset(out, SETTINGS, workers=1, progress=False)
    return out


def test_the_folder_is_complete_and_consistent(folder):
    description = json.loads((folder / "dataset.json").read_text())
    assert description["segmentation_labels"] == list(SEGMENTATION_LABELS)
    assert description["detection_labels"] == list(DETECTION_LABELS)
    coco = json.loads((folder / "annotations.json").read_text())
    assert [category["name"] for category in coco["categories"]] == list(DETECTION_LABELS)
    assert len(coco["images"]) == 4
    assert {image["room"] for image in coco["images"]} == {0, 1}
    for image in coco["images"]:
        stem = image["file_name"].removesuffix(".jpg")
        rgb = cv2.imread(str(folder / "images" / image["file_name"]))
        semantic = cv2.imread(str(folder / "semantic" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
        depth_mm = cv2.imread(str(folder / "depth" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
        assert rgb.shape == (120, 160, 3)
        assert semantic.shape == depth_mm.shape == (120, 160)
        assert semantic.dtype == np.uint8
        assert depth_mm.dtype == np.uint16
        assert set(np.unique(semantic)) <= {*range(len(SEGMENTATION_LABELS)), 255}
        assert 100 < np.median(depth_mm) < 9000
        hfov_deg = 2 * np.degrees(np.arctan(80 / image["camera"]["fx"]))
        assert 55 <= hfov_deg <= 95
    for box in coco["annotations"]:
        image = next(image for image in coco["images"] if image["id"] == box["image_id"])
        stem = image["file_name"].removesuffix(".jpg")
        semantic = cv2.imread(str(folder / "semantic" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
        x, y, width, height = box["bbox"]
        inside = semantic[y : y + height, x : x + width]
        label = SEGMENTATION_LABELS.index(DETECTION_LABELS[box["category_id"]])
        assert inside.shape == (height, width)
        for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
            assert (edge == label).any()
        assert (inside == label).sum() >= box["area"] >= 25


def test_a_run_goes_on_where_it_stopped(folder):
    """A room that is missing is rendered again, its labels to the bit; the other is left alone."""
    kept = folder / "images" / "room00000_view00.jpg"
    before = {path: path.read_bytes() for path in folder.glob("*/room00001*")}
    annotations = (folder / "annotations.json").read_text()
    assert len(before) == 7
    for path in before:
        path.unlink()
    written = kept.stat().st_mtime_ns
    render_dataset(folder, SETTINGS, workers=1, progress=False)
    assert kept.stat().st_mtime_ns == written
    for path, content in before.items():
        if path.suffix == ".jpg":
            again, first = (
                cv2.imread(str(path)),
                cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR),
            )
            assert np.abs(again.astype(int) - first).mean() < 2  # dithering, then JPEG
        else:
            assert path.read_bytes() == content
    assert (folder / "annotations.json").read_text() == annotations


def test_other_settings_are_refused(folder):
    with pytest.raises(ValueError, match="choose another folder"):
        render_dataset(folder, DatasetSettings(rooms=2, views=2, seed=32, width=160, height=120))


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="views is 0"):
        DatasetSettings(rooms=1, views=0)


def test_depth_that_does_not_fit_is_invalid():
    depth_m = np.array([[0.0004, 1.2344, 65.535, 65.6, np.inf, np.nan]], np.float32)
    assert depth_to_millimetres(depth_m).tolist() == [[0, 1234, 65535, 0, 0, 0]]


def test_a_missing_mujoco_names_the_extra():
    """As on a robot, where the extra is not installed."""
    code = "import sys; sys.modules['mujoco'] = None; import mtl_perception.simulation"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "pip install 'mtl_perception[simulation]'" in run.stderr

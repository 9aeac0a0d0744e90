# SPDX-License-Identifier: Apache-2.0
"""What is written is what is read, and a full disk leaves no half files."""

import json
import resource
from pathlib import Path

import numpy as np
import pytest
from instance_masks import instance_masks

from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.writer import Instance, LabelledImage, write_index, write_sample

LABELS = {"segmentation_labels": ["wall", "cup"], "detection_labels": ["cup"]}


def cup_on_a_wall(shift: int = 0) -> LabelledImage:
    rng = np.random.default_rng(shift)
    mask = np.zeros((48, 64), bool)
    mask[10:20, 5 + shift : 30 + shift] = True
    depth_m = np.full((48, 64), 3.21, np.float32)
    depth_m[mask] = 1.5
    image = rng.integers(0, 256, (48, 64, 3), np.uint8)
    camera = Intrinsics(64, 48, 50.123456, 50, 31.5, 23.5)
    return LabelledImage(
        image, camera, "kitchen", [Instance.of_mask("cup", mask)], {"segmentation": mask.astype(np.uint8), "depth": depth_m}
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = cup_on_a_wall()
    entry = write_sample(tmp_path, "a", written, jpeg_quality=None)
    write_index(tmp_path, {**LABELS, "generator": "test"}, [json.loads(json.dumps(entry))])
    folder = ImageFolder(tmp_path)
    read = folder[0]
    np.testing.assert_array_equal(read.image, written.image)
    np.testing.assert_array_equal(read.labels["segmentation"], written.maps["segmentation"])
    np.testing.assert_allclose(read.labels["depth"], written.maps["depth"], atol=5e-4)
    assert read.labels["detection"].boxes_xyxy.tolist() == [[5, 10, 30, 20]]
    np.testing.assert_array_equal(instance_masks(folder, 0)[0], written.instances[0].mask)
    assert read.intrinsics.fx == pytest.approx(50.123456, abs=1e-4)
    assert folder.entries[0].group == "kitchen"
    assert json.loads((tmp_path / "dataset.json").read_text())["generator"] == "test"


def test_the_index_is_the_same_in_whatever_order_images_are_made_and_keeps_its_names_when_it_grows(
    tmp_path: Path,
) -> None:
    entries = [write_sample(tmp_path, name, cup_on_a_wall(i)) for i, name in enumerate("cab")]
    write_index(tmp_path, LABELS, entries)
    first = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    write_index(tmp_path, LABELS, entries[::-1])
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == first
    write_index(tmp_path, LABELS, entries[:1])
    cameras = json.loads(first["cameras.json"])["cameras"]
    assert json.loads((tmp_path / "cameras.json").read_text())["cameras"].items() <= cameras.items()
    assert len(cameras) == 1


def test_depth_that_does_not_fit_is_unknown() -> None:
    depth_m = np.array([[0.0, -1.0, np.nan, np.inf, -np.inf, 65.535, 65.536, 0.0004, 0.0006, 2.0]], np.float32)
    assert depth_to_millimetres(depth_m).tolist() == [[0, 0, 0, 0, 0, 65535, 0, 0, 1, 2000]]


def test_a_full_disk_names_the_file_and_leaves_no_half_of_it(tmp_path: Path) -> None:
    entry = write_sample(tmp_path, "a", cup_on_a_wall())
    write_index(tmp_path, LABELS, [entry])
    index = (tmp_path / "annotations.json").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))  # no file may grow beyond: writing fails as on a full disk
    try:
        with pytest.raises(OSError, match=r"images/b.jpg"):
            write_sample(tmp_path, "b", cup_on_a_wall())
        with pytest.raises(OSError, match=r"annotations.json"):
            write_index(tmp_path, LABELS, [{**entry, "file_name": f"{name}.jpg"} for name in "abcdef"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "annotations.json").read_bytes() == index
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "a.jpg", "a.png", "annotations.json", "cameras.json", "dataset.json",
    }  # fmt: skip
    ImageFolder(tmp_path)[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": np.zeros((48, 64), np.uint8)}, "expected uint8 of shape"),
        ({"image": np.zeros((48, 60, 3), np.uint8)}, "intrinsics are of 64x48, the image is 60x48"),
        ({"maps": {"segmentation": np.zeros((48, 64), np.int64)}}, "segmentation holds int64"),
        ({"maps": {"boxes": np.zeros((48, 64), np.uint8)}}, "maps has 'boxes', expected some of segmentation, depth, lanes"),
        ({"maps": {"depth": np.zeros((24, 32))}}, r"depth has shape \(24, 32\)"),
        ({"instances": [Instance("cup", (0, 0, 1, 1), np.zeros((4, 4), bool))]}, "mask of a 'cup' has shape"),
        ({"intrinsics": None}, "depth needs the camera's intrinsics"),
        ({"instances": None, "maps": {}}, "without any label teaches nothing"),
    ],
)
def test_labels_that_do_not_fit_the_image_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LabelledImage(**{**vars(cup_on_a_wall()), **changes})


def test_names_and_classes_of_an_index_are_checked(tmp_path: Path) -> None:
    entry = write_sample(tmp_path, "a", cup_on_a_wall())
    with pytest.raises(ValueError, match="two entries are called a.jpg"):
        write_index(tmp_path, LABELS, [entry, entry])
    with pytest.raises(ValueError, match="a.jpg holds a 'cup', expected one of detection_labels: box"):
        write_index(tmp_path, {**LABELS, "detection_labels": ["box"]}, [entry])
    with pytest.raises(ValueError, match="the mask of an instance of 'cup' is empty"):
        Instance.of_mask("cup", np.zeros((4, 4), bool))

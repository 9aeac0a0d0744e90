# SPDX-License-Identifier: Apache-2.0
"""Every way in which a data folder can be broken: training names the file and stops, the check names all of them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console
from shapes import write_shapes
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.data.check_command import check
from mtl_perception.data.folder import DataError, ImageFolder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_shapes(tmp_path / "shapes", 4)


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def index(change: Callable[[Any], object]) -> Callable[[Path], None]:
    return lambda root: edit(root / "annotations.json", change)


def cameras(change: Callable[[Any], object]) -> Callable[[Path], None]:
    return lambda root: edit(root / "cameras.json", change)


def first_image(**values: object) -> Callable[[Path], None]:
    return index(lambda content: content["images"][0].update(values))


def first_box(**values: object) -> Callable[[Path], None]:
    return index(lambda content: content["annotations"][0].update(values))


def write(name: str, values: np.ndarray) -> Callable[[Path], object]:
    return lambda root: cv2.imwrite(str(root / name), values)


def cut(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:-60])


def hole(class_id: int) -> Callable[[Path], object]:
    mask = np.zeros((96, 128), np.uint8)
    mask[3, 5] = class_id
    return write("semantic/0001.png", mask)


FILES = {
    "missing image": (lambda root: (root / "images/0001.jpg").unlink(), "images/0001.jpg is missing"),
    "no image": (
        lambda root: (root / "images/0001.jpg").write_bytes(b"text"),
        "images/0001.jpg is not readable",
    ),
    "empty image": (
        lambda root: (root / "images/0001.jpg").write_bytes(b""),
        "images/0001.jpg is not readable",
    ),
    "cut image": (cut("images/0001.jpg"), "images/0001.jpg is not readable"),
    "resized image": (
        write("images/0001.jpg", np.zeros((48, 64, 3), np.uint8)),
        "images/0001.jpg is of 64x48, annotations.json says 128x96",
    ),
    "missing mask": (lambda root: (root / "semantic/0001.png").unlink(), "semantic/0001.png is missing"),
    "cut mask": (cut("semantic/0001.png"), "semantic/0001.png is not readable"),
    "resized mask": (
        write("semantic/0001.png", np.zeros((48, 64), np.uint8)),
        "semantic/0001.png is of 64x48, its image of 128x96",
    ),
    "colour mask": (
        write("semantic/0001.png", np.zeros((96, 128, 3), np.uint8)),
        "semantic/0001.png: it is a PNG of 8 bits, RGB, expected a grey or palette PNG of 8 bits or less",
    ),
    "unknown class in a mask": (
        hole(4),
        "semantic/0001.png holds class id 4, expected 0 to 3 (segmentation_labels of dataset.json) or 255",
    ),
    "missing depth": (lambda root: (root / "depth/0001.png").unlink(), "depth/0001.png is missing"),
    "cut depth": (cut("depth/0001.png"), "depth/0001.png is not readable"),
    "depth in 8 bits": (
        write("depth/0001.png", np.ones((96, 128), np.uint8)),
        "depth/0001.png: it is a PNG of 8 bits, grey, expected a grey PNG of 16 bits",
    ),
    "resized depth": (
        write("depth/0001.png", np.ones((48, 64), np.uint16)),
        "depth/0001.png is of 64x48, its image of 128x96",
    ),
    "no depth at all": (
        write("depth/0001.png", np.zeros((96, 128), np.uint16)),
        "depth/0001.png is 0 (unknown) everywhere",
    ),
}

INDEX = {
    "no image listed": (
        index(lambda c: c.update(images=[], annotations=[])),
        "annotations.json lists no image",
    ),
    "no label": (first_image(tasks=[]), "0000.jpg: tasks is empty"),
    "unknown task": (
        first_image(tasks=["segmentaion"]),
        "0000.jpg: tasks lists 'segmentaion', expected some of detection",
    ),
    "task without classes": (
        first_image(tasks=["lanes"]),
        "0000.jpg: tasks lists 'lanes', but lanes_labels of dataset.json is empty",
    ),
    "unknown class of an image": (
        first_image(classes=["kitchen"]),
        "0000.jpg: classes lists kitchen, which are not among the classification_labels",
    ),
    "same id": (first_image(id=2), "several images have the id 2"),
    "same file": (first_image(file_name="0001.png"), "several images would share the label files 0001.png"),
    "file elsewhere": (first_image(file_name="../0000.jpg"), "../0000.jpg: file_name leaves the folder"),
    "no such camera": (first_image(camera="front"), "0000.jpg: its camera 'front' is not in cameras.json"),
    "depth without camera": (
        first_image(camera=None),
        "0000.jpg: it is labelled for depth and has no camera",
    ),
    "camera of another size": (
        cameras(lambda c: next(iter(c["cameras"].values())).update(width=640, height=480)),
        "is of 640x480, the image of 128x96; a resized image needs intrinsics scaled alike",
    ),
    "unknown partial class": (
        first_image(detection_labels=["cat"]),
        "0000.jpg: detection_labels lists cat, which dataset.json does not",
    ),
    "no partial class": (first_image(detection_labels=[]), "0000.jpg: detection_labels is empty"),
    "unknown category": (
        index(lambda c: c["categories"].append({"id": 9, "name": "giraffe"})),
        "categories giraffe are not among the detection_labels",
    ),
    "box of an unlisted category": (
        first_box(category_id=7),
        "0000.jpg: annotation 1 is of category 7, which is not listed",
    ),
    "box of an unlisted image": (first_box(image_id=77), "annotation 1 is of image 77, which is not listed"),
    "box right of the image": (
        first_box(bbox=[100, 10, 40, 20]),
        "box [100.0, 10.0, 40.0, 20.0] (x, y, width, height) reaches beyond the image of 128x96",
    ),
    "box left of the image": (first_box(bbox=[-3, 10, 40, 20]), "reaches beyond the image"),
    "box below the image": (first_box(bbox=[10, 90, 40, 20]), "reaches beyond the image"),
    "empty box": (
        first_box(bbox=[10, 10, 0, 20]),
        "0000.jpg: annotation 1: box [10.0, 10.0, 0.0, 20.0] (x, y, width, height) is empty",
    ),
    "inverted box": (first_box(bbox=[10, 10, -4, 20]), "is empty"),
    "same annotation": (first_box(id=2), "several annotations have the id 2"),
    "label twice": (
        lambda root: edit(root / "dataset.json", lambda c: c["detection_labels"].append("can")),
        "detection_labels holds 'can' twice",
    ),
}

UNREADABLE = {
    "no index": (lambda root: (root / "annotations.json").unlink(), "annotations.json does not exist"),
    "no cameras": (lambda root: (root / "cameras.json").unlink(), "cameras.json does not exist"),
    "cut index": (lambda root: (root / "annotations.json").write_text('{"images": ['), "annotations.json is not valid JSON"),
    "NaN box": (first_box(bbox=[float("nan"), 1, 2, 3]), "annotations.0.bbox.0: Input should be a finite number"),
    "three numbers": (first_box(bbox=[1, 2, 3]), "annotations.0.bbox.3: Field required"),
    "no group": (index(lambda c: c["images"][2].pop("group")), "images.2.group: Field required"),
    "negative focal length": (cameras(lambda c: next(iter(c["cameras"].values())).update(fx=-3)), "fx: Input should be greater than 0"),
    "earlier format": (lambda root: edit(root / "dataset.json", lambda c: c.update(format_version=1)), "is of format_version 1, this version reads 2; render the data again"),
    "no labels": (lambda root: edit(root / "dataset.json", lambda c: c.pop("detection_labels")), "detection_labels: Field required"),
}  # fmt: skip


def read_all(root: Path) -> None:
    folder = ImageFolder(root)
    for i in range(len(folder)):
        folder[i]


def checked(root: Path) -> tuple[bool, str]:
    output = io.StringIO()
    return check(root, Console(file=output, width=400)), output.getvalue()


@pytest.mark.parametrize("name", [*FILES, *INDEX])
def test_broken_data_is_named_by_training_and_by_the_check(root: Path, name: str) -> None:
    damage, words = {**FILES, **INDEX}[name]
    damage(root)
    with pytest.raises(DataError) as error:
        read_all(root)
    assert words in str(error.value)
    fine, said = checked(root)
    assert not fine
    assert words in said


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_index_that_can_not_be_understood_says_where(root: Path, name: str) -> None:
    damage, words = UNREADABLE[name]
    damage(root)
    for attempt in (ImageFolder, checked):
        with pytest.raises(DataError) as error:
            attempt(root)
        assert words in str(error.value)


def test_the_check_goes_on_after_the_first_problem(root: Path) -> None:
    FILES["cut image"][0](root)
    FILES["no depth at all"][0](root)
    INDEX["empty box"][0](root)
    fine, said = checked(root)
    assert not fine
    assert "4 errors" in said
    for words in ("0001.jpg is not readable", "depth/0001.png is 0", "is empty", "its mask spans"):
        assert words in said


def test_good_data_has_no_problem_and_is_counted(root: Path) -> None:
    fine, said = checked(root)
    assert fine
    assert "0 errors, 0 remarks" in said
    assert "4 in 4 groups" in said
    folder = ImageFolder(root)
    cans = sum((folder[i].labels["detection"].class_ids == 1).sum() for i in range(4))
    assert any(line.split()[:2] == ["can", str(cans)] for line in said.splitlines())


def run_lengths(root: Path, **values: object) -> None:
    edit(root / "annotations.json", lambda c: c["annotations"][0]["segmentation"].update(values))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": [48, 64]}, "its mask is of size [48, 64], expected the image's [96, 128]"),
        ({"counts": "zz"}, "its mask's counts 'zz' are no run lengths of 12288 pixels"),
        ({"counts": 3}, "its mask's counts are 3, expected text or a list of numbers"),
        ({"counts": [96 * 128]}, "its mask is empty"),
        ({"counts": [0, 96 * 128]}, "its mask spans [0, 0, 128, 96]"),
    ],
)
def test_broken_instance_masks_are_named(root: Path, values: dict, words: str) -> None:
    run_lengths(root, **values)
    fine, said = checked(root)
    assert not fine
    assert words in said
    assert "0000.jpg: annotation 1" in said


def test_remarks_do_not_fail_the_check(root: Path) -> None:
    edit(root / "annotations.json", lambda c: [image.update(group="one") for image in c["images"]])
    edit(
        root / "cameras.json",
        lambda c: c["cameras"].update(old={"width": 128, "height": 96, "fx": 3, "fy": 9, "cx": -1, "cy": 2}),
    )
    first_image(tasks=["depth"])(root)
    (root / "images" / "left_over.jpg").write_bytes(b"")
    write("semantic/0001.png", np.full((96, 128), 255, np.uint8))(root)
    fine, said = checked(root)
    assert fine
    for words in (
        "all images are of the group 'one'",
        "'old' has a field of view of 175°",
        "are its pixels not square?",
        "principal point (-1, 2) outside",
        "no image is of old",
        "images: 1 file of no image that is labelled so: left_over.jpg",
        "semantic: 1 file of no image that is labelled so: 0000.png",
        "0001.jpg: annotation",
        "for 0% of its mask's pixels",
        "the image's tasks do not list 'detection'",
        "semantic/0001.png is 255 (unlabelled) everywhere",
    ):
        assert words in said
    read_all(root)


def test_a_picture_in_two_groups_is_remarked_upon(root: Path) -> None:
    (root / "images/0001.jpg").write_bytes((root / "images/0003.jpg").read_bytes())
    fine, said = checked(root)
    assert fine
    assert "0003.jpg of group 'room3' is the same picture as 0001.jpg of group 'room1'" in said


def test_boxes_that_reach_over_the_edge_by_rounding_are_clipped(root: Path) -> None:
    first_box(bbox=[-0.6, 10, 40, 86.9])(root)
    assert ImageFolder(root)[0].labels["detection"].boxes_xyxy[0].tolist() == pytest.approx([0, 10, 39.4, 96])


def test_many_problems_of_a_kind_are_cut_short_unless_asked_for(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", 12)
    for path in (root / "depth").iterdir():
        path.unlink()
    said = checked(root)[1]
    assert said.count("is missing") == 10
    assert "and 2 more (--all lists them)" in said
    output = io.StringIO()
    check(root, Console(file=output, width=400), show_all=True)
    assert output.getvalue().count("is missing") == 12
    with pytest.raises(DataError, match="depth/0000.png is missing"):
        read_all(root)


def test_the_command_ends_with_one_where_something_is_broken(root: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["check", str(root)]).exit_code == 0
    FILES["no depth at all"][0](root)
    result = runner.invoke(app, ["check", str(root)])
    assert result.exit_code == 1
    assert "1 error, 0 remarks" in result.output
    result = runner.invoke(app, ["check", str(root / "nowhere")])
    assert result.exit_code == 1
    assert "nowhere/dataset.json does not exist" in result.output

# SPDX-License-Identifier: Apache-2.0
"""Teachers, what several looks and several views agree on, and the data folder that comes out."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from model import tiny_card, tiny_network
from PIL import Image
from red_onnx import SCORE, write_red_detector
from shapes import write_shapes
from small_bags import SmallBag
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.yaml_file import ConfigError
from mtl_perception.data.errors import DataError
from mtl_perception.data.folder import ImageFolder
from mtl_perception.model.checkpoint import save_checkpoint
from mtl_perception.model.network import Architecture
from mtl_perception.prediction.autolabel.agreement import PosedView, views_that_agree
from mtl_perception.prediction.autolabel.answers import Answers
from mtl_perception.prediction.autolabel.looks import fused, looked_at
from mtl_perception.prediction.autolabel.run import AutolabelOptions, autolabel
from mtl_perception.prediction.autolabel.teachers import Answer, Boxes, open_teacher

LENS = Intrinsics(128, 96, 100.0, 100.0, 63.5, 47.5)


def boxes(*rows: tuple[float, float, float, float, float, int]) -> Boxes:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def red_picture(box: tuple[int, int, int, int] | None = (40, 20, 70, 60), width: int = 128, height: int = 96) -> np.ndarray:
    image = np.full((height, width, 3), 90, np.uint8)
    if box is not None:
        image[box[1] : box[3], box[0] : box[2]] = (220, 30, 30)
    return image


def test_an_onnx_detector_answers_in_pixels_of_the_picture(tmp_path: Path) -> None:
    for fit in ("letterbox", "stretch"):
        teacher = open_teacher(str(write_red_detector(tmp_path / fit, more=f"fit: {fit}\n")))
        found = teacher(red_picture(), None).boxes
        assert np.allclose(found.boxes_xyxy, [[40, 20, 70, 60]], atol=2)
        assert found.scores == pytest.approx([SCORE])
        assert not len(teacher(red_picture(None), None).boxes)


def test_classes_are_renamed_and_left_out(tmp_path: Path) -> None:
    renamed = open_teacher(str(write_red_detector(tmp_path / "a", labels="[tin, cup]", more="rename: {tin: can}\n")))
    assert renamed.labels == {"detection": ["can", "cup"]}
    left_out = open_teacher(str(write_red_detector(tmp_path / "b", labels="[tin, cup]", more="rename: {tin: null}\n")))
    assert left_out.labels == {"detection": ["cup"]} and not len(left_out(red_picture(), None).boxes)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("rename: {jar: can}\n", "'jar' is none of the labels"),
        ("outputs: [masks]\n", "has no output 'masks'; it has: boxes, scores, classes"),
        ("colour: rgb\n", "colour"),
    ],
)
def test_a_wrong_description_is_named(tmp_path: Path, more: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        open_teacher(str(write_red_detector(tmp_path, more=more)))


def test_a_description_without_its_network_is_named(tmp_path: Path) -> None:
    path = write_red_detector(tmp_path)
    (tmp_path / "red.onnx").write_bytes(b"no network")
    with pytest.raises(ConfigError, match="is no ONNX network"):
        open_teacher(str(path))
    (tmp_path / "red.onnx").unlink()
    with pytest.raises(ConfigError, match="does not exist"):
        open_teacher(str(path))


def test_looks_at_mirrored_enlarged_and_shrunk_pictures_find_the_same_object(tmp_path: Path) -> None:
    teacher = open_teacher(str(write_red_detector(tmp_path, 192, 192)))
    found = looked_at(teacher, red_picture(), None, flip=True, scales=[1.3, 0.7]).boxes
    assert len(found) == 1 and found.scores[0] > 0.85
    assert np.allclose(found.boxes_xyxy, [[40, 20, 70, 60]], atol=2)


def test_a_object_that_half_of_the_looks_see_has_half_the_score() -> None:
    found = fused([boxes((0, 0, 10, 10, 0.8, 0), (50, 50, 60, 60, 0.6, 1)), boxes((0, 0, 10, 12, 0.4, 0))])
    assert found.scores == pytest.approx([0.6, 0.3])
    assert found.boxes_xyxy[0] == pytest.approx([0, 0, 10, (10 * 0.8 + 12 * 0.4) / 1.2])
    assert found.class_ids.tolist() == [0, 1]


def test_pixels_that_the_looks_name_differently_have_no_class() -> None:
    class LeftIsFloor:
        name, labels = "left", {"segmentation": ["floor", "wall"]}

        def __call__(self, image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> Answer:
            mask = np.ones(image_rgb.shape[:2], np.uint8)
            mask[:, :10] = 0
            return Answer(mask=mask)

    mask = looked_at(LeftIsFloor(), red_picture(), None, flip=True, scales=[]).mask
    assert (mask[:, :10] == 255).all() and (mask[:, -10:] == 255).all() and (mask[:, 10:-10] == 1).all()


def view(x_m: float, seen: Boxes, wall_m: float = 2.0) -> PosedView:
    return PosedView(LENS, np.eye(3), np.array([x_m, 0.0, 0.0]), np.full((96, 128), wall_m, np.float32), seen)


def test_a_box_that_one_view_alone_sees_is_told_from_one_that_all_see() -> None:
    # An object 2 m ahead of the first camera is 10 pixels further left for each 0.2 m to the right.
    views = [view(0.2 * i, boxes((58.5 - 10 * i, 42.5, 68.5 - 10 * i, 52.5, 0.9, 0))) for i in range(3)]
    false = boxes((58.5, 42.5, 68.5, 52.5, 0.9, 0), (20, 10, 30, 20, 0.9, 0), (58.5, 42.5, 68.5, 52.5, 0.9, 1))
    (seen, could), *others = views_that_agree([view(0.0, false), *views[1:]])
    assert seen.tolist() == [3, 1, 1] and could.tolist() == [3, 3, 3]
    assert all(seen.tolist() == [3] for seen, _ in others)


def test_a_view_that_a_nearer_surface_blinds_could_not_see_the_object() -> None:
    obj = boxes((58.5, 42.5, 68.5, 52.5, 0.9, 0))
    (seen, could), _ = views_that_agree([view(0.0, obj), view(0.2, boxes(), wall_m=1.0)])
    assert (seen.tolist(), could.tolist()) == ([1], [1])


def relabelled(root: Path, labelled: list[str]) -> Path:
    index = json.loads((root / "annotations.json").read_text())
    index["images"] = [image | {"detection_labels": labelled} for image in index["images"]]
    names = {category["id"]: category["name"] for category in index["categories"]}
    index["annotations"] = [a for a in index["annotations"] if names[a["category_id"]] in labelled]
    (root / "annotations.json").write_text(json.dumps(index))
    return root


def test_what_people_labelled_stays_and_what_the_teacher_adds_has_a_score(tmp_path: Path) -> None:
    source = relabelled(write_shapes(tmp_path / "shapes", 4), ["can"])
    # Boxes are orange in these pictures, and their red exceeds their green enough to be seen.
    teacher = write_red_detector(tmp_path / "red", 128, 96, labels="[crate]", more="scale: 1.6\n")
    report = autolabel(source, str(teacher), tmp_path / "out", AutolabelOptions(flip=False, scales=[]))
    assert report.pictures == 4 and report.boxes > 0
    before, after = ImageFolder(source), ImageFolder(tmp_path / "out")
    assert after.labels == before.labels | {"detection": ["box", "can", "crate"]}
    added = 0
    for i in range(4):
        old, new = before[i], after[i]
        assert np.array_equal(old.image, new.image)
        assert np.array_equal(old.labels["segmentation"], new.labels["segmentation"])
        assert np.array_equal(old.labels["depth"], new.labels["depth"])
        ids = new.labels["detection"].class_ids
        assert np.array_equal(old.labels["detection"].boxes_xyxy, new.labels["detection"].boxes_xyxy[ids != 2])
        assert new.labels["detection"].labelled.tolist() == [False, True, False]
        weights = new.labels["detection"].weights
        assert (ids == 2).sum() <= 1 and (weights[ids == 2] == pytest.approx(SCORE)) and (weights[ids != 2] == 1).all()
        added += int((ids == 2).sum())
    assert added == report.boxes


ONE_LOOK = AutolabelOptions(flip=False, scales=[])


def test_a_call_that_was_cut_off_asks_of_the_rest_only(tmp_path: Path) -> None:
    source, out = write_shapes(tmp_path / "shapes", 5), tmp_path / "out"
    teacher = str(write_red_detector(tmp_path / "red", labels="[crate]"))
    broken = source / "images/0003.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-400])
    with pytest.raises(DataError, match="0003.jpg is not readable"):
        autolabel(source, teacher, out, ONE_LOOK)
    assert not (out / "dataset.json").exists()
    broken.write_bytes(whole)
    answers = Answers(out / "unfinished/answers")
    assert [answers.has(f"shapes/000{i}.jpg") for i in range(5)] == [True, True, True, False, False]
    answers.keep("shapes/0001.jpg", Answer(boxes=boxes((10, 20, 30, 40, 0.7, 0))))  # who asks again loses it
    autolabel(source, teacher, out, ONE_LOOK)
    folder = ImageFolder(out)
    own = folder[1].labels["detection"].class_ids == folder.labels["detection"].index("crate")
    assert folder[1].labels["detection"].boxes_xyxy[own].tolist() == [[10, 20, 30, 40]]
    assert len(folder) == 5 and not (out / "unfinished").exists()
    with pytest.raises(DataError, match="holds a data set already"):
        autolabel(source, teacher, out, ONE_LOOK)


@pytest.mark.slow
def test_a_call_that_was_killed_goes_on_and_says_with_how_many(tmp_path: Path) -> None:
    source, out = write_shapes(tmp_path / "shapes", 80), tmp_path / "out"
    teacher = str(write_red_detector(tmp_path / "red", labels="[crate]"))
    command = [
        sys.executable,
        "-m",
        "mtl_perception.cli",
        "autolabel",
        str(source),
        "--teacher",
        teacher,
        "--out",
        str(out),
        "--workers",
        "2",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answers = out / "unfinished/answers"
    while len(list(answers.rglob("*.jpg.json"))) < 8:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    stamps = {}
    until = time.monotonic() + 60
    while time.monotonic() < until:  # a worker may be at its last picture
        time.sleep(0.5)
        stamps, before = {path: path.stat().st_mtime_ns for path in answers.rglob("*.jpg.json")}, stamps
        if stamps == before:
            break
    assert not (out / "dataset.json").exists() and 8 <= len(stamps) < 80
    kept = []
    autolabel(source, teacher, out, on_kept=lambda done, total: kept.append((done, total)))
    assert kept == [(len(stamps), 80)]
    autolabel(source, teacher, tmp_path / "straight")
    assert (out / "annotations.json").read_bytes() == (tmp_path / "straight/annotations.json").read_bytes()


def test_another_teacher_is_asked_of_everything(tmp_path: Path) -> None:
    settings = {"teacher": "a", "scales": [1.5]}
    answers = Answers.of_call(tmp_path / "answers", settings)
    answers.keep("a.jpg", Answer(boxes=boxes()))
    assert Answers.of_call(tmp_path / "answers", settings).has("a.jpg")
    assert not Answers.of_call(tmp_path / "answers", settings | {"teacher": "b"}).has("a.jpg")


@pytest.mark.slow
def test_several_processes_give_the_same_labels(tmp_path: Path) -> None:
    source = write_shapes(tmp_path / "shapes", 6)
    teacher = str(write_red_detector(tmp_path / "red", 128, 96, labels="[crate]", more="scale: 1.6\n"))
    for workers in (1, 2):
        autolabel(source, teacher, tmp_path / f"out{workers}", ONE_LOOK, workers=workers)
    one, two = (tmp_path / f"out{workers}/annotations.json" for workers in (1, 2))
    assert one.read_bytes() == two.read_bytes() and b"score" in one.read_bytes()


def test_a_bag_becomes_a_data_folder_with_its_camera(tmp_path: Path) -> None:
    with SmallBag(tmp_path / "drive", rate_hz=2) as bag:
        for frame in range(8):
            bag.write_camera_info(frame)
            bag.write_jpeg(frame)
    teacher = write_red_detector(tmp_path / "red", labels="[crate]")
    report = autolabel(tmp_path / "drive", str(teacher), tmp_path / "out", ONE_LOOK)
    folder = ImageFolder(tmp_path / "out")
    assert len(folder) == report.pictures > 1
    assert report.boxes == len(folder) and all(len(folder[i].labels["detection"].class_ids) == 1 for i in range(len(folder)))
    assert {entry.group for entry in folder.entries} == {"drive"} and not (tmp_path / "out/unfinished").exists()
    assert all(entry.camera is not None for entry in folder.entries)


@pytest.mark.slow(10)
def test_masks_and_depth_come_from_networks_that_say_them(tmp_path: Path) -> None:
    source = write_shapes(tmp_path / "shapes", 2)
    content = json.loads((source / "annotations.json").read_text())
    for image in content["images"]:
        image["tasks"] = ["detection"]
    (source / "annotations.json").write_text(json.dumps(content))
    network = tmp_path / "tiny.safetensors"
    # Few operators: it is converted for OpenVINO, which takes its time for each.
    card = tiny_card(architecture=Architecture(encoder="mobilenet_v3_small", neck="fpn", neck_channels=16))
    save_checkpoint(network, tiny_network(card), card)
    options = AutolabelOptions(tasks=["segmentation", "depth"], flip=True)
    autolabel(source, str(network), tmp_path / "out", options)
    folder = ImageFolder(tmp_path / "out")
    for i in range(2):
        assert set(folder[i].labels) == {"detection", "segmentation", "depth"}
        ids = set(np.unique(folder[i].labels["segmentation"])) - {255}
        assert {folder.labels["segmentation"][k] for k in ids} <= set(card.segmentation_labels)
    assert folder.labels["segmentation"][:4] == ImageFolder(source).labels["segmentation"]


def test_pictures_alone_get_what_the_teacher_says_and_are_left_out_where_it_says_nothing(tmp_path: Path) -> None:
    for name, box in (("kitchen/a", (40, 20, 70, 60)), ("kitchen/b", None), ("c", (10, 10, 30, 30))):
        (tmp_path / "shots" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "shots" / f"{name}.png"), red_picture(box)[..., ::-1])
    teacher = str(write_red_detector(tmp_path / "red", labels="[crate]"))
    report = autolabel(tmp_path / "shots", teacher, tmp_path / "out", ONE_LOOK)
    folder = ImageFolder(tmp_path / "out")
    assert (report.pictures, report.boxes, report.nothing) == (3, 2, 1)
    assert [(entry.file_name, entry.group) for entry in folder.entries] == [("c.png", "c"), ("kitchen/a.png", "kitchen")]
    assert folder[0].labels["detection"].labelled.tolist() == [False]
    assert folder[0].labels["detection"].weights == pytest.approx([SCORE])


def test_the_command_counts_the_pictures_that_it_wrote(tmp_path: Path) -> None:
    for name, box in (("a", (40, 20, 70, 60)), ("b", None)):
        (tmp_path / "shots").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "shots" / f"{name}.png"), red_picture(box)[..., ::-1])
    teacher = str(write_red_detector(tmp_path / "red"))
    done = CliRunner().invoke(app, ["autolabel", str(tmp_path / "shots"), "--teacher", teacher, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "out: 1 pictures, " in done.output and "1 pictures were left out" in done.output


def test_a_photograph_on_its_side_is_looked_at_upright(tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it by 90 degrees clockwise
    Image.fromarray(red_picture((0, 0, 30, 40))).save(tmp_path / "shots/a.jpg", exif=exif, quality=98)
    autolabel(tmp_path / "shots", str(write_red_detector(tmp_path / "red", labels="[crate]")), tmp_path / "out", ONE_LOOK)
    folder = ImageFolder(tmp_path / "out")
    assert folder[0].image.shape == (128, 96, 3)
    assert np.allclose(folder[0].labels["detection"].boxes_xyxy, [[96 - 40, 0, 96, 30]], atol=3)


def test_pictures_that_would_share_their_labels_are_named(tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    for name in ("a.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / "shots" / name), red_picture())
    with pytest.raises(DataError, match="would share their label files"):
        autolabel(tmp_path / "shots", str(write_red_detector(tmp_path / "red")), tmp_path / "out", ONE_LOOK)


def test_a_source_of_another_kind_is_named(tmp_path: Path) -> None:
    teacher = str(write_red_detector(tmp_path / "red"))
    with pytest.raises(DataError, match="neither a data folder .* nor a bag nor a folder of pictures"):
        autolabel(tmp_path, teacher, tmp_path / "out", ONE_LOOK)


def test_a_task_that_the_teacher_does_not_know_is_named(tmp_path: Path) -> None:
    teacher = str(write_red_detector(tmp_path / "red"))
    with pytest.raises(DataError, match="red can't label depth; it says: detection"):
        autolabel(write_shapes(tmp_path / "shapes", 1), teacher, tmp_path / "out", AutolabelOptions(tasks=["detection", "depth"]))
    with pytest.raises(ValueError, match="'lanes' can't be labelled by a teacher; expected some of detection, segmentation, depth"):
        AutolabelOptions(tasks=["lanes"])

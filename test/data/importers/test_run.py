# SPDX-License-Identifier: Apache-2.0
"""What all formats share: class maps, splits, copies, bad pictures, runs that are cut off."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from imported import HEIGHT, WIDTH, boxes, imported, index, noise, write_picture, write_text
from instance_masks import instance_masks
from PIL import Image

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.check_command import check
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.class_map import ClassMap
from mtl_perception.data.importers.duplicates import perceptual_hash, same_or_near
from mtl_perception.data.importers.image_file import turned, turned_camera, turned_points
from mtl_perception.data.importers.run import BrokenPictures, Settings, import_data


def coco(
    root: Path,
    instances: dict[str, list[tuple[str, list[float]]]],
    sizes: dict[str, tuple[int, int]] | None = None,
    extra: dict | None = None,
) -> Path:
    """A COCO file of pictures with boxes by class; pictures that are missing are made."""
    names = ["cup", "mug", "person", "table"]
    images, annotations = [], []
    for i, (file_name, boxes_of) in enumerate(instances.items()):
        if not (root / file_name).exists():
            write_picture(root / file_name, i)
        width, height = (sizes or {}).get(file_name, (WIDTH, HEIGHT))
        images.append({"id": i, "file_name": file_name, "width": width, "height": height, **(extra or {})})
        for name, bbox in boxes_of:
            annotations.append({"id": len(annotations), "image_id": i, "category_id": names.index(name), "bbox": bbox})
    categories = [{"id": i, "name": name} for i, name in enumerate(names)]
    write_text(root / "coco.json", json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return root


def test_classes_are_renamed_merged_and_dropped(tmp_path: Path) -> None:
    coco(tmp_path / "in", {"a.jpg": [("cup", [0, 0, 5, 5]), ("mug", [9, 9, 5, 5]), ("person", [0, 0, 9, 40]), ("table", [0, 0, 60, 40])]})
    classes = ClassMap(classes={"mug": "cup", "table": "desk", "person": None, "muge": "x"}, order=["desk"])
    folder, report = imported(tmp_path / "in", tmp_path / "out", "coco", classes=classes)
    assert folder.labels["detection"] == ["desk", "cup"]
    assert boxes(folder) == [("cup", [0, 0, 5, 5]), ("cup", [9, 9, 14, 14]), ("desk", [0, 0, 60, 40])]
    assert report.notes == ["classes of the class map that the source does not have: 1 (such as 'muge' (is 'mug' meant?))"]
    folder, _ = imported(tmp_path / "in", tmp_path / "alone", "coco", classes=ClassMap(classes={"mug": "cup"}, others="drop"))
    assert folder.labels["detection"] == ["cup"] and len(boxes(folder)) == 1


def test_a_merged_class_is_wholly_labelled_only_if_all_its_parts_are(tmp_path: Path) -> None:
    source = coco(tmp_path / "in", {"a.jpg": [("cup", [0, 0, 5, 5]), ("table", [0, 0, 60, 40])]}, extra={"neg_category_ids": [2]})
    folder, _ = imported(source, tmp_path / "out", "coco", classes=ClassMap(classes={"mug": "cup"}))
    assert folder.entries[0].detection_labels == ["person", "table"]
    folder, _ = imported(source, tmp_path / "said", "coco", classes=ClassMap(classes={"mug": "cup"}), exhaustive=("cup",))
    assert folder.entries[0].detection_labels is None
    with pytest.raises(DataError, match="--exhaustive lists mug, expected classes of the new data set: cup"):
        imported(source, tmp_path / "wrong", "coco", classes=ClassMap(classes={"mug": "cup"}), exhaustive=("mug",))


def test_masks_of_instances_are_painted_where_segmentation_is_asked_for(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/a.jpg")
    write_text(tmp_path / "in/a.txt", "0 0 0 0.5 0 0.5 0.5 0 0.5\n1 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2\n")
    write_text(tmp_path / "in/classes.txt", "table\ncup")
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "yolo", tasks=("segmentation",))
    assert [entry.tasks for entry in folder.entries] == [["segmentation"]] and folder.labels["segmentation"] == ["table", "cup"]
    semantic = folder[0].labels["segmentation"]
    assert [semantic[8, 10], semantic[20, 20], semantic[40, 40]] == [1, 0, 255]


def test_a_split_keeps_groups_and_copies_together(tmp_path: Path) -> None:
    names = [f"drive{drive}/{frame}.jpg" for drive in range(8) for frame in range(3)]
    source = coco(tmp_path / "in", {name: [("cup", [0, 0, 5, 5])] for name in names})
    # The last picture of drive 0 is that of drive 7 once more, smaller and compressed anew.
    again = cv2.resize(noise(names.index("drive7/1.jpg")), (48, 36), interpolation=cv2.INTER_AREA)
    (source / "drive0/2.jpg").write_bytes(cv2.imencode(".jpg", again, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes())
    settings = {"group": r"(drive\d)", "split": {"val": 0.3, "test": 0.2}, "rescale": True, "seed": 3}
    report = import_data(source, tmp_path / "out", Settings("coco", **settings))
    groups = {}
    for side in report.sides:
        for image in index(tmp_path / "out" / side)["images"]:
            groups.setdefault(image["group"], set()).add(side)
            assert (tmp_path / "out" / side / "images" / image["file_name"]).is_file()
    assert sum(report.sides.values()) == 24 and set(report.sides) == {"train", "val", "test"}
    assert all(len(sides) == 1 for sides in groups.values()) and len(groups) == 7
    assert report.alike == [["drive0/2.jpg", "drive7/1.jpg"]]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["import.json", "test", "train", "val"]


def test_exact_copies_are_dropped_where_that_is_asked_for(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_picture(tmp_path / f"in/{name}.jpg", 5 if name != "c" else 6)
    source = coco(tmp_path / "in", {f"{name}.jpg": [("cup", [0, 0, 5, 5])] for name in "abc"})
    folder, report = imported(source, tmp_path / "out", "coco", duplicates="drop")
    assert [entry.file_name for entry in folder.entries] == ["a.jpg", "c.jpg"] and not (tmp_path / "out/images/b.jpg").exists()
    assert report.images == 2 and any("exact copies" in note for note in report.notes)
    folder, _ = imported(source, tmp_path / "kept", "coco")
    assert [entry.group for entry in folder.entries] == ["a", "a", "c"]


def test_near_pictures_are_found_and_others_are_not() -> None:
    pictures = [cv2.cvtColor(noise(seed, 320, 240), cv2.COLOR_BGR2GRAY) for seed in range(300)]
    near = [cv2.resize(picture, (200, 150), interpolation=cv2.INTER_AREA) for picture in pictures[:50]]
    near = [np.clip(picture.astype(np.float32) * 0.95 + 5, 0, 255).astype(np.uint8) for picture in near]
    hashes = [perceptual_hash(picture) for picture in pictures + near]
    found = same_or_near([str(i) for i in range(len(hashes))], hashes)
    assert found == [[i, 300 + i] for i in range(50)]
    assert perceptual_hash(np.full((50, 50), 77, np.uint8)) is None
    assert same_or_near(["x", "y", "x"], [None, None, None]) == [[0, 2]]


def test_near_hashes_are_found_among_many_that_share_bits() -> None:
    rng = np.random.default_rng(0)
    firsts = [int(value) << 16 for value in rng.integers(0, 1 << 48, 100)]  # the lowest 16 bits of all are alike
    near = [value ^ (1 << 3) ^ (1 << 25) ^ (1 << 60) for value in firsts]  # three bits apart, in three of the four slices
    far = [value ^ (1 << 20) ^ (1 << 33) ^ (1 << 40) ^ (1 << 55) for value in firsts]  # four, and five and more from near
    hashes = [*firsts, *near, *far]
    assert same_or_near([str(i) for i in range(300)], hashes) == [[i, 100 + i] for i in range(100)]


# ---------------------------------------------------------------------------------------------------------------------
# EXIF


def with_orientation(pixels: np.ndarray, orientation: int) -> bytes:
    """A JPEG of pixels as they are stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=100, subsampling=0, exif=exif)
    return content.getvalue()


@pytest.mark.parametrize(
    ("orientation", "labels_on"),
    # Of others the size does not tell: labels are taken as drawn on the upright picture.
    [*((i, "upright") for i in range(1, 9)), *((i, "stored") for i in range(5, 9))],
)
def test_pictures_become_upright_and_their_labels_with_them(tmp_path: Path, orientation: int, labels_on: str) -> None:
    stored = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    stored[5:15, 8:28] = (255, 0, 0)
    upright = turned(stored, orientation)
    red = upright[..., 1] < 100
    rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
    box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(with_orientation(stored, orientation))
    assert np.asarray(Image.open(tmp_path / "in/a.jpg")).shape == stored.shape  # as a check of the file itself
    shown = box if labels_on == "upright" else [8, 5, 28, 15]
    size = upright.shape[1::-1] if labels_on == "upright" else (WIDTH, HEIGHT)
    bbox = [shown[0], shown[1], shown[2] - shown[0], shown[3] - shown[1]]
    folder, _ = imported(coco(tmp_path / "in", {"a.jpg": [("cup", bbox)]}, {"a.jpg": size}), tmp_path / "out", "coco")
    assert boxes(folder) == [("cup", box)]
    kept = Image.open(tmp_path / "out/images/a.jpg")
    assert kept.getexif().get(0x0112, 1) == 1 and kept.size == upright.shape[1::-1]
    assert np.abs(np.asarray(kept).astype(int) - upright).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_and_cameras_turn_as_pixels_do(orientation: int) -> None:
    stored = np.zeros((HEIGHT, WIDTH), np.uint8)
    stored[7, 50] = 1
    y, x = np.argwhere(turned(stored, orientation))[0]
    assert turned_points(np.array([[50.5, 7.5]]), (WIDTH, HEIGHT), orientation).tolist() == [[x + 0.5, y + 0.5]]
    camera = turned_camera(Intrinsics(WIDTH, HEIGHT, 60, 61, 50, 7), orientation)
    assert (camera.cx, camera.cy) == (x, y) and (camera.fx, camera.fy) == ((60, 61) if orientation < 5 else (61, 60))


# ---------------------------------------------------------------------------------------------------------------------
# Bad input


def test_the_wrong_format_is_answered_with_the_right_one(tmp_path: Path) -> None:
    source = coco(tmp_path / "in", {"a.jpg": []})
    with pytest.raises(DataError, match=r"holds no labelme files.*; it looks like coco: coco.json holds images.*import coco "):
        imported(source, tmp_path / "out", "labelme")
    assert not (tmp_path / "out").exists()
    folder, report = imported(source, tmp_path / "out", "auto")
    assert report.format == "coco" and len(folder) == 1
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="looks like none of the formats"):
        imported(tmp_path / "nothing", tmp_path / "out2", "auto")
    with pytest.raises(ValueError, match="format 'koko' is unknown, expected one of: own, coco"):
        imported(source, tmp_path / "out2", "koko")
    with pytest.raises(ValueError, match="settings of coco: colour.*known are: annotations, images"):
        imported(source, tmp_path / "out2", "coco", options={"colour": "red"})


def test_bad_pictures_are_named_together_and_the_next_call_goes_on(tmp_path: Path) -> None:
    instances = {f"{name}.jpg": [("cup", [0, 0, 5, 5])] for name in ("a", "cut", "gone", "text", "other")}
    source = coco(tmp_path / "in", instances)
    content = (source / "cut.jpg").read_bytes()
    (source / "cut.jpg").write_bytes(content[: len(content) // 2])
    (source / "gone.jpg").unlink()
    (source / "text.jpg").write_text("hello")
    write_picture(source / "other.jpg", 9, 2 * WIDTH, 2 * HEIGHT)
    with pytest.raises(BrokenPictures) as raised:
        imported(source, tmp_path / "out", "coco")
    text = str(raised.value)
    assert "4 pictures can't be used" in text and "cut.jpg breaks off" in text and "gone.jpg is missing" in text
    assert (
        "text.jpg is not readable as an image" in text and "labels are for 64x48, the picture is of 128x96" in text and "--rescale" in text
    )
    assert not (tmp_path / "out/dataset.json").exists()
    folder, report = imported(source, tmp_path / "out", "coco", skip_broken=True)
    assert [entry.file_name for entry in folder.entries] == ["a.jpg"] and len(report.problems) == 4
    folder, report = imported(source, tmp_path / "scaled", "coco", skip_broken=True, rescale=True)
    assert [entry.file_name for entry in folder.entries] == ["a.jpg", "other.jpg"] and boxes(folder, 1) == [("cup", [0, 0, 10, 10])]


def test_boxes_and_masks_that_can_not_be_are_listed(tmp_path: Path) -> None:
    source = coco(tmp_path / "in", {"a.jpg": []})
    content = json.loads((source / "coco.json").read_text())
    content["annotations"] = [
        {"id": 1, "image_id": 0, "category_id": 0, "bbox": [50, 10, 30, 10]},
        {"id": 2, "image_id": 0, "category_id": 0, "bbox": [5, 5, 0, 10]},
        {"id": 3, "image_id": 0, "category_id": 0, "bbox": [5, 5, 10, 10], "segmentation": [[30, 30, 40, 30, 40, 40]]},
        {"id": 4, "image_id": 0, "category_id": 0, "bbox": [5, 5, 10, 10], "segmentation": [[5, 5, 9]]},
        {"id": 5, "image_id": 0, "category_id": 0, "bbox": [5, 5, 10, 10], "segmentation": {"size": [9, 9], "counts": [81]}},
        {"id": 6, "image_id": 99, "category_id": 0, "bbox": [5, 5, 10, 10]},
        {"id": 7, "image_id": 0, "category_id": 0, "bbox": [5, 5, 10, 10], "segmentation": [5, 5, 15, 5, 15, 15, 5, 15], "keypoints": [1, 2, 2]},
    ]  # fmt: skip
    write_text(source / "coco.json", "\ufeff" + json.dumps(content))
    folder, report = imported(source, tmp_path / "out", "coco")
    assert len(boxes(folder)) == 5 and boxes(folder)[-1] == ("cup", [50, 10, 64, 20])
    assert sorted(int(mask.sum()) for mask in instance_masks(folder, 0)) == [0, 0, 0, 0, 100]
    notes = "\n".join(report.notes)
    for words in ("reached beyond their picture", "boxes without area", "more than 2 px from their boxes", "masks that can't be used, left out: 2",
                  "annotations of images that are not listed", "keypoints, which are not read"):  # fmt: skip
        assert words in notes, notes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["images"].append(dict(c["images"][0], file_name="b.jpg")), "several images have the id 0"),
        (lambda c: c["annotations"][0].update(category_id=9), "annotation 0 is of category 9, which is not listed"),
        (lambda c: c["categories"].append({"id": 0, "name": "bowl"}), "the categories 'cup' and 'bowl' have one id, 0"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), "bbox has 3 numbers, expected x, y, width, height"),
        (lambda c: c["annotations"][0].update(image_id=None), r"coco.json is not as expected: .*image_id"),
        (lambda c: c["images"][0].update(file_name=""), "image 0 has neither a file_name nor a coco_url"),
    ],
)
def test_a_coco_file_that_contradicts_itself_is_named(tmp_path: Path, change, words: str) -> None:
    source = coco(tmp_path / "in", {"a.jpg": [("cup", [0, 0, 5, 5])]})
    content = json.loads((source / "coco.json").read_text())
    change(content)
    write_text(source / "coco.json", json.dumps(content))
    with pytest.raises(DataError, match=words):
        imported(source, tmp_path / "out", "coco")


def test_two_pictures_of_one_name_are_not_confused(tmp_path: Path) -> None:
    for i, name in enumerate(("x/a.jpg", "y/a.jpg", "z/b.jpg", "z/b.png")):
        write_picture(tmp_path / "in" / name, i)
    source = coco(tmp_path / "in", {"x/a.jpg": [("cup", [0, 0, 5, 5])], "y/a.jpg": [], "z/b.jpg": [], "z/b.png": []})
    folder, report = imported(source, tmp_path / "out", "coco")
    assert [entry.file_name for entry in folder.entries] == ["x/a.jpg", "y/a.jpg", "z/b.jpg", "z/b_2.png"]
    assert any("renamed" in note for note in report.notes)
    content = (source / "coco.json").read_text().replace('"x/a.jpg"', '"a.jpg"')
    write_text(source / "coco.json", content)
    with pytest.raises(DataError, match="'a.jpg' could be any of x/a.jpg, y/a.jpg"):
        imported(source, tmp_path / "out2", "coco")


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_archives_are_unpacked_and_stay_inside(tmp_path: Path) -> None:
    source = coco(tmp_path / "in", {"a.jpg": [("cup", [0, 0, 5, 5])]})
    files = {f"export/{path.name}": path.read_bytes() for path in source.iterdir()}
    folder, _ = imported(zipped(tmp_path / "good.zip", files), tmp_path / "out", "coco")
    assert boxes(folder) == [("cup", [0, 0, 5, 5])]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "annotations.json",
        "cameras.json",
        "dataset.json",
        "images",
        "import.json",
    ]
    for name in ("../evil.txt", "/evil.txt", "x\\..\\..\\evil.txt", "C:\\evil.txt"):
        with pytest.raises(DataError, match="names a file outside of itself"):
            imported(zipped(tmp_path / "bad.zip", {**files, name: b"x"}), tmp_path / "bad", "coco")
        assert not (tmp_path / "bad").exists() and not list(tmp_path.rglob("evil.txt"))
    (tmp_path / "cut.zip").write_bytes((tmp_path / "good.zip").read_bytes()[:-100])
    with pytest.raises(DataError, match="cut.zip can't be unpacked"):
        imported(tmp_path / "cut.zip", tmp_path / "bad", "coco")


# ---------------------------------------------------------------------------------------------------------------------
# Cut off


def many(root: Path, count: int) -> Path:
    return coco(root, {f"{i:04d}.jpg": [("cup", [i % 30, 0, 5, 5])] for i in range(count)})


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_import_that_was_interrupted_goes_on(tmp_path: Path, number: int) -> None:
    source = many(tmp_path / "in", 1500)
    command = [sys.executable, "-m", "mtl_perception.cli", "import", "coco", source, "--out", tmp_path / "out", "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list((tmp_path / "out/import").glob("chunk*.json")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    if process.returncode == 0:
        pytest.skip("it was quicker")
    assert process.returncode == 130 and "interrupted" in errors and "Traceback" not in errors
    assert not (tmp_path / "out/dataset.json").exists() and not list((tmp_path / "out").rglob("*.part"))
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/import").glob("chunk*.json")}
    assert 0 < len(done) < 24
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/images").iterdir()}
    folder, report = imported(source, tmp_path / "out", "coco")
    assert len(folder) == 1500 and report.boxes == 1500 and not (tmp_path / "out/import").exists()
    unchanged = sum(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    assert unchanged >= 64 * len(done)
    _straight, _ = imported(source, tmp_path / "straight", "coco")
    assert (tmp_path / "straight/annotations.json").read_bytes() == (tmp_path / "out/annotations.json").read_bytes()


@pytest.mark.slow
def test_a_killed_worker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    source = many(tmp_path / "in", 1500)
    command = [sys.executable, "-m", "mtl_perception.cli", "import", "coco", source, "--out", tmp_path / "out", "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list((tmp_path / "out/import").glob("chunk*.json")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    worker = next(int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(worker, signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0 and "Traceback" not in errors, errors
    folder = ImageFolder(tmp_path / "out")
    assert len(folder) == 1500 and sum(len(folder.box_arrays(i).class_ids) for i in range(1500)) == 1500


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    source = many(tmp_path / "in", 70)
    write_picture(source / "0066.jpg", 66, 640, 480)
    content = json.loads((source / "coco.json").read_text())
    content["images"][66].update(width=640, height=480)
    write_text(source / "coco.json", json.dumps(content))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (source / "0066.jpg").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, hard))  # writing this one fails as on a full disk
    try:
        with pytest.raises(OSError, match=r"images/0066.jpg"):
            imported(source, tmp_path / "out", "coco")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list((tmp_path / "out/import").glob("chunk*.json"))) == 1 and not list((tmp_path / "out").rglob("*.part"))
    folder, _ = imported(source, tmp_path / "out", "coco")
    assert len(folder) == 70


def test_a_second_call_has_nothing_to_do_and_another_one_is_refused(tmp_path: Path) -> None:
    source = coco(tmp_path / "in", {"a.jpg": [("cup", [0, 0, 5, 5])]})
    imported(source, tmp_path / "out", "coco")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    _, report = imported(source, tmp_path / "out", "coco")
    assert report.was_complete and {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    with pytest.raises(DataError, match=r"holds an import of other settings or of a source that has changed \(group 'source'\)"):
        imported(source, tmp_path / "out", "coco", group="file")
    os.utime(source / "coco.json", (1, 1))
    with pytest.raises(DataError, match=r"a source that has changed \(content"):
        imported(source, tmp_path / "out", "coco")
    (tmp_path / "mine").mkdir()
    write_text(tmp_path / "mine/letter.txt", "dear")
    with pytest.raises(DataError, match="is not empty"):
        imported(source, tmp_path / "mine", "coco")


def test_what_was_imported_passes_the_checker(tmp_path: Path) -> None:
    from rich.console import Console

    source = coco(tmp_path / "in", {"a.jpg": [("cup", [0.5, 0, 5, 5])], "b.jpg": [("table", [-3, -3, 80, 80])]})
    imported(source, tmp_path / "out", "coco")
    assert check(tmp_path / "out", Console(file=io.StringIO()))

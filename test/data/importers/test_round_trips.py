# SPDX-License-Identifier: Apache-2.0
"""Out into another format and back: what both hold is the same again, and the rest was listed."""

from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest
from imported import HEIGHT, WIDTH, boxes, noise
from instance_masks import instance_masks
from made_pictures import exif, with_segment

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.exporters.item import FEATURES
from mtl_perception.data.exporters.outlines import outlines
from mtl_perception.data.exporters.registry import FORMATS
from mtl_perception.data.exporters.run import export_data
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.run import Settings, import_data
from mtl_perception.data.masks import decode_mask
from mtl_perception.data.writer import Instance, LabelledImage, write_index, write_sample

LABELS = {
    "segmentation_labels": ["floor", "wall", "cup"],
    "detection_labels": ["bottle", "cup"],
    "classification_labels": ["dark", "kitchen"],
    "lanes_labels": ["path"],
}


def blob(seed: int) -> np.ndarray:
    """A mask of several parts with holes."""
    field = cv2.GaussianBlur(np.random.default_rng(seed).random((HEIGHT, WIDTH)), (0, 0), 2)
    return field > np.quantile(field, 0.8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with everything: masks with holes, boxes alone, crowds, label maps, depth, lanes, classes, classes not labelled."""
    root = tmp_path_factory.mktemp("data") / "set"
    camera = Intrinsics(WIDTH, HEIGHT, 60, 61, 31.5, 23.5)
    square = np.zeros((HEIGHT, WIDTH), bool)
    square[30:44, 40:60] = True
    semantic = np.where(square, 2, 0).astype(np.uint8)
    semantic[:5], semantic[5] = 1, 255
    depth_m, lanes = np.full((HEIGHT, WIDTH), 1.5, np.float32), square.astype(np.uint8)
    instances = [
        Instance.of_mask("bottle", blob(1)),
        Instance("bottle", (1.25, 2, 20.5, 30)),
        Instance.of_mask("cup", square, {"center_m": [0, 0, 1], "size_m": [1, 1, 1], "quaternion_xyzw": [0, 0, 0, 1]}),
    ]
    maps = {"segmentation": semantic, "depth": depth_m, "lanes": lanes}
    images = {
        "shelf/a": LabelledImage(noise(1), camera, "shelf", instances, maps, classes=["kitchen"]),
        "shelf/b": LabelledImage(noise(2), None, "shelf", [], {"segmentation": semantic}, classes=[]),
        "täble/c": LabelledImage(noise(3), None, "table", [Instance("cup", (0, 0, 10, 10))], detection_labels=["cup"], classes=["dark", "kitchen"]),
        "täble/d": LabelledImage(noise(4), None, "table", [Instance("cup", (0, 0, 10, 10), is_crowd=True), Instance("bottle", (5, 5, 9, 9))]),
    }  # fmt: skip
    write_index(root, LABELS, [write_sample(root, stem, image, None) for stem, image in images.items()])
    return root


def signature(folder: ImageFolder, holds: frozenset[str]) -> dict:
    """Of each picture what a format holds."""
    found = {}
    for i, entry in enumerate(folder.entries):
        sample, kept = folder[i], {}
        kept["image"] = int(sample.image.astype(np.int64).sum())
        if "boxes" in holds and "detection" in entry.tasks:
            kept["boxes"] = boxes(folder, i)
            if "masks" in holds:
                kept["mask pixels"] = sorted(int(mask.sum()) for mask in instance_masks(folder, i))
            if "exhaustive" in holds:
                kept["labelled"] = entry.detection_labels
        if "semantic" in holds and "segmentation" in sample.labels:
            ids = sample.labels["segmentation"]
            kept["semantic"] = {name: int((ids == k).sum()) for k, name in enumerate(folder.labels["segmentation"])}
        if "depth" in holds and "depth" in sample.labels:
            kept["depth"] = float(sample.labels["depth"].sum())
        if "classes" in holds and "classification" in entry.tasks:
            kept["classes"] = sorted(entry.classes)
        if "group" in holds:
            kept["group"] = entry.group
        if "camera" in holds and entry.camera is not None:
            kept["camera"] = folder.intrinsics(i)
        if "boxes_3d" in holds and "boxes" in kept:
            boxes_3d = sample.labels["detection"].boxes_3d
            kept["centres"] = [] if boxes_3d is None else np.round(boxes_3d.centers_m[boxes_3d.valid], 3).tolist()
        # Some formats have one folder, and call pictures by their ids.
        found[PurePosixPath(entry.file_name.replace("--", "/")).name] = kept
    return found


@pytest.mark.parametrize("name", [entry.name for entry in FORMATS if entry.name != "coco-panoptic"])
def test_what_a_format_holds_comes_back(data: Path, tmp_path: Path, name: str) -> None:
    exporter = next(entry for entry in FORMATS if entry.name == name).load()
    done = export_data(data, tmp_path / "there", name)
    report = import_data(tmp_path / "there", tmp_path / "back", Settings(name, duplicates="keep"))
    assert report.problems == []
    before, after = signature(ImageFolder(data), exporter.HOLDS), signature(ImageFolder(tmp_path / "back"), exporter.HOLDS)
    expected = {picture: kept for picture, kept in before.items() if picture in after}
    if not EXACT.get(name, True):
        for kept in [*expected.values(), *after.values()]:
            kept.pop("mask pixels", None)
    if "crowds" not in exporter.HOLDS:  # a class of a crowd counts as unlabelled; without the crowd it is labelled
        for kept in (expected.get("d.png"), after.get("d.png")):
            (kept or {}).pop("boxes", None)
    if name == "folders":  # one class a picture
        for kept in [*expected.values(), *after.values()]:
            kept["classes"] = kept["classes"][:1]
    if name == "cvat" or name == "label-studio":  # no tag at all is nobody's answer
        for kept in [*expected.values(), *after.values()]:
            if kept.get("classes") == []:
                del kept["classes"]
    assert after == expected and done.images == len(after)
    lost_features = {key for key in FEATURES if key not in exporter.HOLDS}
    for feature, line in {
        "depth": "depth images: 1",
        "lanes": "lanes: 1",
        "boxes_3d": "boxes in space: 1",
        "camera": "cameras of pictures: 1",
    }.items():
        assert (feature in lost_features) == any(text.startswith(line) for text in done.lost), (feature, done.lost)


@pytest.mark.parametrize("name", [entry.name for entry in FORMATS if entry.name not in ("coco-panoptic", "folders", "masks")])
def test_pictures_come_back_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    image = LabelledImage(noise(1), None, "a", [Instance("cup", (0, 0, 10, 10))])
    other = LabelledImage(noise(2), None, "b", [Instance("bottle", (5, 5, 9, 9))])
    pictures = {"left/1 50%20+ #2 & ä.b": image, "right/1 50%20+ #2 & ä.b": other}
    write_index(tmp_path / "in", LABELS, [write_sample(tmp_path / "in", stem, picture, None) for stem, picture in pictures.items()])
    export_data(tmp_path / "in", tmp_path / "there", name)
    import_data(tmp_path / "there", tmp_path / "back", Settings("auto", duplicates="keep"))
    folder = ImageFolder(tmp_path / "back")
    assert [boxes(folder, i) for i in range(2)] == [[("cup", [0, 0, 10, 10])], [("bottle", [5, 5, 9, 9])]]


EXACT = {"yolo": False, "voc": False}
"""Formats in which an object has one outline, or a pixel is of one object."""


def test_panoptic_segments_come_back(tmp_path: Path) -> None:
    rooms = Path(__file__).parents[2] / "rooms"
    export_data(rooms, tmp_path / "there", "coco-panoptic")
    import_data(tmp_path / "there", tmp_path / "back", Settings("coco-panoptic", duplicates="keep"))
    before, after = ImageFolder(rooms), ImageFolder(tmp_path / "back")
    after = after.with_labels({kind: before.labels[kind] for kind in ("segmentation", "detection")})
    for i in range(len(before)):
        assert boxes(after, i) == boxes(before, i)
        wanted, found = before[i].labels["segmentation"], after[i].labels["segmentation"]
        np.testing.assert_array_equal(found[found != 255], wanted[found != 255])
        bare = ~instance_masks(before, i).any(0) & np.isin(
            wanted, [before.labels["segmentation"].index(name) for name in before.labels["detection"]]
        )
        np.testing.assert_array_equal(found == 255, (wanted == 255) | bare)  # pixels of objects too small for a mask


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("name", ["own", "coco", "yolo", "voc"])
def test_labels_stay_on_the_stored_pixels_of_a_picture_with_an_orientation(tmp_path: Path, name: str, orientation: int) -> None:
    """A data folder's labels do not follow EXIF (docs/data.md)."""
    picture = noise(1)
    picture[10:30, 8:20] = (250, 0, 0)
    image = LabelledImage(picture, None, "a", [Instance("cup", (8, 10, 20, 30))])
    root = tmp_path / "in"
    write_index(root, LABELS, [write_sample(root, "a", image)])
    stored = (root / "images/a.jpg").read_bytes()
    (root / "images/a.jpg").write_bytes(with_segment(stored, 0xE1, b"Exif\0\0" + exif(orientation)))
    if name == "own":
        import_data(root, tmp_path / "back", Settings("own"))
    else:
        assert any("EXIF" in line for line in export_data(root, tmp_path / "there", name).lost)
        import_data(tmp_path / "there", tmp_path / "back", Settings(name))
    sample = ImageFolder(tmp_path / "back")[0]
    left, top, right, bottom = sample.labels["detection"].boxes_xyxy[0].round().astype(int)
    inside = np.zeros(sample.image.shape[:2], bool)
    inside[top:bottom, left:right] = True
    red = np.abs(sample.image.astype(int) - (250, 0, 0)).max(2) < 60
    assert (inside == red).mean() > 0.97


@pytest.mark.parametrize("label", ["../../outside", "a/b", ".."])
def test_a_class_is_one_folder_whatever_it_is_called(tmp_path: Path, label: str) -> None:
    image = LabelledImage(noise(1), None, "a", classes=[label])
    root = tmp_path / "data/in"
    write_index(root, {**LABELS, "classification_labels": [label]}, [write_sample(root, "a", image)])
    export_data(root, tmp_path / "data/there", "folders")
    assert len(list((tmp_path / "data/there").glob("*/a.jpg"))) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_where_the_pictures_are_from_stays_known(tmp_path: Path) -> None:
    told = {"source": "a flea market", "license": "CC-BY-4.0"}
    image = LabelledImage(noise(1), None, "a", [Instance("cup", (0, 0, 10, 10))])
    write_index(tmp_path / "in", {**LABELS, **told}, [write_sample(tmp_path / "in", "a", image)])
    import_data(tmp_path / "in", tmp_path / "out", Settings("own"))
    assert ImageFolder(tmp_path / "out").origin == {"name": "out", **told}


BOXES = ["coco", "yolo", "voc", "labelme", "cvat", "label-studio", "openimages", "kitti"]


@pytest.mark.parametrize("first", BOXES)
@pytest.mark.parametrize("second", BOXES)
def test_boxes_go_through_every_pair(data: Path, tmp_path: Path, first: str, second: str) -> None:
    source, options = data, {"duplicates": "keep"}
    for i, name in enumerate((first, second)):
        export_data(source, tmp_path / f"{i}", name)
        import_data(tmp_path / f"{i}", tmp_path / f"{i}back", Settings(name, **options))
        source = tmp_path / f"{i}back"
    before, after = ImageFolder(data), ImageFolder(source)
    for i in range(3):  # the fourth has a crowd
        wanted, found = boxes(before, i), boxes(after, i)
        assert [name for name, _ in found] == [name for name, _ in wanted]
        np.testing.assert_allclose([box for _, box in found], [box for _, box in wanted], atol=0.02)


def test_outlines_give_the_same_pixels_back() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        height, width = (int(side) for side in rng.integers(1, 50, 2))
        field = cv2.GaussianBlur(rng.random((height, width)), (0, 0), float(rng.uniform(0.2, 4)))
        mask = field >= np.quantile(field, float(rng.uniform(0.1, 0.9)))
        parts, holes = outlines(mask)
        filled = np.zeros((height, width), np.uint8)
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(filled, contours, -1, 1, -1)
        np.testing.assert_array_equal(decode_mask(parts, height, width), filled.astype(bool))
        assert (holes > 0) == bool((filled.astype(bool) & ~mask).any())


def test_an_export_appears_whole_or_not_at_all(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    import_data(data, broken, Settings("own", duplicates="keep"))
    (broken / "images/shelf/b.png").unlink()
    with pytest.raises(DataError, match=r"b\.png is missing"):
        export_data(broken, tmp_path / "out", "coco")
    assert not list(tmp_path.glob("out*"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("x")
    with pytest.raises(DataError, match="is not empty"):
        export_data(data, tmp_path / "full", "coco")
    with pytest.raises(ValueError, match="'cocco' is unknown, expected one of: coco"):
        export_data(data, tmp_path / "out", "cocco")


def test_processes_write_what_one_process_writes(data: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        export_data(data, tmp_path / f"out{workers}", "coco", workers)
        import_data(tmp_path / f"out{workers}", tmp_path / f"back{workers}", Settings("coco"), workers)
    for folder in ("out", "back"):
        files = [{p.relative_to(tmp_path / f"{folder}{n}").as_posix(): p.read_bytes() for p in (tmp_path / f"{folder}{n}").rglob("*") if p.is_file()}
                 for n in (1, 2)]  # fmt: skip
        for content in files:
            content.pop("import.json", None)
            content["dataset.json"] = content.get("dataset.json", b"").replace(b"out1", b"").replace(b"out2", b"")
        assert files[0] == files[1]

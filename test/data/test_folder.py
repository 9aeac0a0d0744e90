# SPDX-License-Identifier: Apache-2.0
import json
import multiprocessing
import operator
import pickle
import resource
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from instance_masks import instance_masks
from shapes import DETECTION_LABELS, SEGMENTATION_LABELS, write_shapes

from mtl_perception.data.folder import DataError, ImageFolder
from mtl_perception.data.writer import write_index
from mtl_perception.evaluation.truth import truth_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_shapes(tmp_path / "shapes", 3)


def edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_reads_every_label_as_documented(root: Path) -> None:
    folder = ImageFolder(root)
    assert len(folder) == 3
    assert folder.labels["segmentation"] == SEGMENTATION_LABELS
    sample = folder[1]
    boxes, ids = sample.labels["detection"][:2]
    assert sample.image.shape == (96, 128, 3)
    assert sample.labels["depth"].dtype == np.float32
    assert sample.labels["depth"].min() >= 1.0
    assert sample.labels["depth"].max() <= 4.0
    for (x1, y1, x2, y2), class_id in zip(boxes, ids, strict=True):
        inside = sample.labels["segmentation"][int(y1) : int(y2), int(x1) : int(x2)]
        assert (inside == SEGMENTATION_LABELS.index(DETECTION_LABELS[class_id])).mean() > 0.5
    # The picture is read as RGB: cans are blue.
    cans = sample.image[sample.labels["segmentation"] == SEGMENTATION_LABELS.index("can")]
    if len(cans):
        assert cans[:, 2].mean() > cans[:, 0].mean()


def test_the_truth_says_which_classes_the_folder_has_a_name_for(root: Path) -> None:
    folder = ImageFolder(root)
    assert truth_of(folder[0]).mask_ids is None
    more = folder.with_labels({"segmentation": ["sofa", *SEGMENTATION_LABELS]})
    assert truth_of(more[0]).mask_ids.tolist() == [*range(1, 1 + len(SEGMENTATION_LABELS))]
    assert truth_of(more.with_labels({"segmentation": SEGMENTATION_LABELS})[0]).mask_ids is None


def test_a_task_that_is_not_listed_is_not_labelled(root: Path) -> None:
    edit(root / "annotations.json", lambda c: c["images"][0].update(tasks=["depth"]))
    folder = ImageFolder(root)
    assert set(folder[0].labels) == {"depth"}
    assert set(folder[1].labels) == {"detection", "segmentation", "depth"}


def test_boxes_of_some_classes_may_be_labelled_only(root: Path) -> None:
    whole = ImageFolder(root)[0].labels["detection"]
    assert whole.labelled is None
    edit(root / "annotations.json", lambda c: c["images"][0].update(detection_labels=["can"]))
    some = ImageFolder(root)[0].labels["detection"]
    assert some.labelled.tolist() == [False, True]
    np.testing.assert_array_equal(some.boxes_xyxy, whole.boxes_xyxy[whole.class_ids == 1])
    assert ImageFolder(root)[1].labels["detection"].labelled is None


def test_a_crowd_leaves_its_class_unlabelled_in_that_image(root: Path) -> None:
    whole = ImageFolder(root)[0].labels["detection"]
    crowd = int(whole.class_ids[0])
    edit(root / "annotations.json", lambda c: c["annotations"][0].update(iscrowd=1))
    some = ImageFolder(root)[0].labels["detection"]
    assert some.labelled.tolist() == [i != crowd for i in range(2)]
    assert crowd not in some.class_ids


def test_an_image_may_be_of_an_unknown_camera_where_no_depth_is_learned(root: Path) -> None:
    edit(root / "annotations.json", lambda c: c["images"][0].update(tasks=["detection"], camera=None))
    sample = ImageFolder(root)[0]
    assert (sample.intrinsics.width, sample.intrinsics.height) == (128, 96)
    assert "depth" not in sample.labels


def test_instance_masks_belong_to_the_boxes(root: Path) -> None:
    folder = ImageFolder(root)
    for i in range(len(folder)):
        boxes, masks = folder[i].labels["detection"].boxes_xyxy, instance_masks(folder, i)
        assert masks.shape == (len(boxes), 96, 128)
        for box, mask in zip(boxes, masks, strict=True):
            x1, y1, x2, y2 = box.astype(int)
            expected = np.zeros((96, 128), bool)
            expected[y1:y2, x1:x2] = True
            np.testing.assert_array_equal(mask, expected)
    cans = folder.with_labels({"segmentation": [], "detection": ["can"]})
    assert all(len(instance_masks(cans, i)) == len(cans[i].labels["detection"].class_ids) for i in range(len(cans)))


def test_polygons_and_plain_run_lengths_are_read_too(root: Path) -> None:
    polygon = [[10, 20, 30, 20, 30, 40, 10, 40]]
    edit(root / "annotations.json", lambda c: c["annotations"][0].update(segmentation=polygon))
    mask = instance_masks(ImageFolder(root), 0)[0]
    assert mask[20:40, 10:30].all()
    assert mask.sum() == 400
    plain = {"size": [96, 128], "counts": [96 * 10, 5, 96 * 128 - 96 * 10 - 5]}
    edit(root / "annotations.json", lambda c: c["annotations"][0].update(segmentation=plain))
    assert np.argwhere(instance_masks(ImageFolder(root), 0)[0]).tolist() == [[row, 10] for row in range(5)]
    edit(root / "annotations.json", lambda c: c["annotations"][0].pop("segmentation"))
    assert not instance_masks(ImageFolder(root), 0)[0].any()
    edit(
        root / "annotations.json",
        lambda c: c["annotations"][0].update(segmentation={"size": [96, 128], "counts": "zz"}),
    )
    with pytest.raises(ValueError, match="its mask's counts .zz. are no run lengths"):
        instance_masks(ImageFolder(root), 0)


def test_boxes_in_space_belong_to_the_boxes(root: Path) -> None:
    assert ImageFolder(root)[0].labels["detection"].boxes_3d is None
    box = {"center_m": [0.5, -0.2, 2.0], "size_m": [0.1, 0.2, 0.3], "quaternion_xyzw": [0, 0, 0, 1]}
    edit(root / "annotations.json", lambda c: c["annotations"][1].update(box_3d=box))
    folder = ImageFolder(root)
    found = [box for i in range(3) for box in zip(*vars(folder[i].labels["detection"].boxes_3d).values(), strict=True)]
    assert [bool(valid) for *_, valid in found] == [i == 1 for i in range(len(found))]
    assert [v.tolist() for v in found[1][:3]] == list(box.values())


def write_groups(root: Path, groups: list[str]) -> ImageFolder:
    """One picture a group, as an index without its files."""
    entries = [
        {
            "file_name": f"{i}.jpg",
            "width": 8,
            "height": 8,
            "group": group,
            "tasks": ["detection"],
            "annotations": [],
        }
        for i, group in enumerate(groups)
    ]
    write_index(root, {"segmentation_labels": [], "detection_labels": ["box"]}, entries)
    return ImageFolder(root)


def test_a_split_keeps_groups_together(tmp_path: Path) -> None:
    folder = write_groups(tmp_path, [f"room{i // 4}" for i in range(400)])
    rest, chosen = folder.split(0.2, seed=1)
    assert len(rest) + len(chosen) == 400
    sides = [{entry.group for entry in side.entries} for side in (rest, chosen)]
    assert not sides[0] & sides[1]
    assert 10 <= len(sides[1]) <= 30
    again = folder.split(0.2, seed=1)[1]
    assert [e.file_name for e in again.entries] == [e.file_name for e in chosen.entries]
    assert sides[1] != {entry.group for entry in folder.split(0.2, seed=2)[1].entries}


def test_a_split_outlives_growth_and_smaller_shares_are_part_of_larger(tmp_path: Path) -> None:
    small = write_groups(tmp_path / "small", [f"room{i}" for i in range(50)])
    large = write_groups(tmp_path / "large", [f"room{i}" for i in range(100)])
    of_small = {entry.group for entry in small.split(0.2)[1].entries}
    of_large = {entry.group for entry in large.split(0.2)[1].entries}
    assert of_small == {group for group in of_large if int(group[4:]) < 50}
    assert of_large < {entry.group for entry in large.split(0.5)[1].entries}


def test_a_split_has_something_on_both_sides_or_says_why_not(tmp_path: Path) -> None:
    two = write_groups(tmp_path / "two", ["a", "b"])
    for share in (0.001, 0.999):
        assert [len(side) for side in two.split(share)] == [1, 1]
    with pytest.raises(DataError, match="one has 1 group, expected at least 2 to split"):
        write_groups(tmp_path / "one", ["a", "a"]).split(0.5)
    with pytest.raises(ValueError, match="share of a split is 1.0"):
        two.split(1.0)


def test_a_part_travels_to_other_processes(root: Path) -> None:
    part = ImageFolder(root).subset([2, 0]).with_labels({"segmentation": ["can"], "detection": ["can"]})
    again = pickle.loads(pickle.dumps(part))
    assert [entry.file_name for entry in again.entries] == ["0002.jpg", "0000.jpg"]
    np.testing.assert_array_equal(again[1].labels["segmentation"], part[1].labels["segmentation"])


def test_a_cache_gives_the_same_samples_without_their_files(root: Path, tmp_path: Path) -> None:
    edit(root / "annotations.json", lambda c: c["images"][1].update(tasks=["detection", "depth"]))
    folder = ImageFolder(root)
    cached = folder.cached(tmp_path).with_labels({"segmentation": ["can", "wall"], "detection": ["can"]})
    plain = folder.with_labels({"segmentation": ["can", "wall"], "detection": ["can"]})
    expected = [plain[i] for i in range(3)]
    for i in range(3):
        cached[i]
    for path in [*root.glob("images/*"), *root.glob("semantic/*"), *root.glob("depth/*")]:
        path.unlink()
    for i in (2, 0, 1):
        np.testing.assert_array_equal(cached[i].image, expected[i].image)
        assert cached[i].labels.keys() == expected[i].labels.keys()
        for kind in {"segmentation", "depth"} & expected[i].labels.keys():
            np.testing.assert_array_equal(cached[i].labels[kind], expected[i].labels[kind])
    with pytest.raises(ValueError, match="read-only"):
        cached[0].image[0] = 0


def test_a_cache_is_shared_with_spawned_processes_and_leaves_no_file(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    cached = ImageFolder(root).cached(tmp_path / "cache")
    expected = cached[0].image.copy()
    (root / "images" / "0000.jpg").unlink()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(operator.getitem, cached, 0).result().image, expected)
    assert not list((tmp_path / "cache").iterdir())


def test_a_broken_file_is_named_through_a_cache_too(root: Path) -> None:
    (root / "depth" / "0001.png").unlink()
    cached = ImageFolder(root).cached()
    for _ in range(2):
        with pytest.raises(DataError, match="depth/0001.png is missing"):
            cached[1]


def test_a_cache_without_room_says_how_much_it_wants(root: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="no room in .* for a cache of 0.0 GB; set TMPDIR"):
            ImageFolder(root).cached(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_cache_of_no_image_is_none_of_its_business(tmp_path: Path) -> None:
    """That nothing is labelled for the tasks is said by those who draw from the folder."""
    assert len(ImageFolder(write_shapes(tmp_path / "shapes", 2)).with_tasks(["lanes"]).cached(tmp_path)) == 0


def test_labels_of_other_tasks_are_not_even_read(root: Path) -> None:
    edit(root / "annotations.json", lambda c: c["images"][1].update(tasks=["segmentation"]))
    folder = ImageFolder(root)
    cached = folder.cached()
    cached[0], cached[2]
    for path in [*root.glob("semantic/*"), *root.glob("depth/*")]:
        path.unlink()
    boxes = folder.with_tasks(["detection"])
    assert [entry.file_name for entry in boxes.entries] == ["0000.jpg", "0002.jpg"]
    assert [set(boxes[i].labels) for i in range(2)] == [{"detection"}] * 2
    depth = cached.with_tasks(["depth"])
    assert [set(depth[i].labels) for i in range(2)] == [{"depth"}] * 2
    np.testing.assert_array_equal(depth[1].labels["depth"], cached[2].labels["depth"])
    with pytest.raises(DataError, match="is missing"):
        folder[0]

# SPDX-License-Identifier: Apache-2.0
"""Classes of whole images and overlapping masks, from the writer to the augmented sample."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.augmentation import crop_and_resize, mirrored
from mtl_perception.data.check_command import check
from mtl_perception.data.folder import DataError, ImageFolder
from mtl_perception.data.mixed import MixedData
from mtl_perception.data.writer import LabelledImage, write_index, write_sample

CAMERA = Intrinsics(64, 48, 50, 50, 31.5, 23.5)


def write_road(root: Path, lanes: list[str], scenes: list[str], is_drivable_first: bool) -> ImageFolder:
    """A line (columns 10 to 20) on a drivable area (columns 0 to 40)."""
    line, drivable = np.zeros((48, 64), np.uint8), np.zeros((48, 64), np.uint8)
    line[:, 10:20], drivable[:, :40] = 1, 1
    bits = drivable | line << 1 if is_drivable_first else line | drivable << 1
    image = LabelledImage(np.zeros((48, 64, 3), np.uint8), CAMERA, "road", classes=scenes[:1], maps={"lanes": bits})
    labels = {
        "segmentation_labels": [],
        "detection_labels": [],
        "classification_labels": scenes,
        "lanes_labels": lanes,
    }
    write_index(root, labels, [write_sample(root, "0", image)])
    return ImageFolder(root)


@pytest.fixture
def road(tmp_path: Path) -> ImageFolder:
    return write_road(tmp_path / "road", ["drivable", "line"], ["night", "tunnel"], True)


def test_they_are_read_as_written(road: ImageFolder, tmp_path: Path) -> None:
    labels = road[0].labels
    assert set(labels) == {"classification", "lanes"}
    assert labels["classification"].present.tolist() == [True, False]
    assert labels["classification"].labelled is None
    assert labels["lanes"].bits[5, [5, 15, 50]].tolist() == [1, 3, 0]
    assert labels["lanes"].labelled is None
    np.testing.assert_array_equal(road.cached(tmp_path)[0].labels["lanes"].bits, labels["lanes"].bits)
    assert check(road.root, Console(quiet=True))


def test_they_follow_the_image(road: ImageFolder) -> None:
    zoomed = crop_and_resize(road[0], 8, 0, 32, 24, 64, 48).labels
    assert zoomed["lanes"].bits[0, [0, 3, 4, 23, 24, 63]].tolist() == [1, 1, 3, 3, 1, 1]
    assert zoomed["classification"].present.tolist() == [True, False]
    turned = mirrored(road[0]).labels
    np.testing.assert_array_equal(turned["lanes"].bits, road[0].labels["lanes"].bits[:, ::-1])
    assert turned["classification"].present.tolist() == [True, False]


def test_lists_are_united_by_name(road: ImageFolder, tmp_path: Path) -> None:
    other = write_road(tmp_path / "other", ["line", "drivable"], ["day", "night"], False)
    some = write_road(tmp_path / "some", ["curb", "line"], ["day"], True)
    mixed = MixedData([road, other])
    assert mixed.labels["lanes"] == ["drivable", "line"]
    assert mixed.labels["classification"] == ["night", "tunnel", "day"]
    np.testing.assert_array_equal(mixed.folders[1][0].labels["lanes"].bits, road[0].labels["lanes"].bits)
    scene = mixed.folders[1][0].labels["classification"]
    assert scene.present.tolist() == [False, False, True]
    assert scene.labelled.tolist() == [True, False, True]
    # A folder that knows none of the classes asked for is not labelled for the task.
    assert set(some.with_labels({"classification": ["night"], "lanes": ["line", "curb"]})[0].labels) == {"lanes"}


def test_more_masks_than_bits_are_refused(road: ImageFolder) -> None:
    with pytest.raises(ValueError, match="9 lanes labels .* at most 8"):
        road.with_labels({"lanes": list("abcdefghi")})
    with pytest.raises(ValueError, match="256 segmentation labels, expected at most 255"):
        road.with_labels({"segmentation": list(map(str, range(256)))})


def test_a_bit_without_a_name_is_refused(road: ImageFolder) -> None:
    path = road.root / "lanes" / "0.png"
    cv2.imwrite(str(path), np.full((48, 64), 5, np.uint8))
    with pytest.raises(DataError, match=r"lanes/0.png has bit 2 set, expected 0 to 1"):
        road[0]
    assert not check(road.root, Console(quiet=True))

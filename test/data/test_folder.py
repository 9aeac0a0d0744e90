# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtl_perception.data.folder import DataError, ImageFolder
from shapes import DETECTION_LABELS, SEGMENTATION_LABELS, write_shapes


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
    assert folder.segmentation_labels == SEGMENTATION_LABELS
    sample = folder[1]
    boxes, ids = sample.labels["detection"][:2]
    assert sample.image.shape == (96, 128, 3)
    assert sample.labels["depth"].dtype == np.float32
    assert 1.0 <= sample.labels["depth"].min()
    assert sample.labels["depth"].max() <= 4.0
    for (x1, y1, x2, y2), class_id in zip(boxes, ids, strict=True):
        inside = sample.labels["segmentation"][int(y1) : int(y2), int(x1) : int(x2)]
        assert (inside == SEGMENTATION_LABELS.index(DETECTION_LABELS[class_id])).mean() > 0.5
    # The picture is read as RGB: cans are blue.
    cans = sample.image[sample.labels["segmentation"] == SEGMENTATION_LABELS.index("can")]
    if len(cans):
        assert cans[:, 2].mean() > cans[:, 0].mean()


def test_a_task_that_is_not_listed_is_not_labelled(root: Path) -> None:
    edit(root / "annotations.json", lambda c: c["images"][0].update(tasks=["depth"]))
    folder = ImageFolder(root)
    assert set(folder[0].labels) == {"depth"}
    assert set(folder[1].labels) == {"detection", "segmentation", "depth"}


def test_problems_name_the_file(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere/dataset.json does not exist"):
        ImageFolder(tmp_path / "nowhere")
    folder = ImageFolder(root)
    (root / "depth" / "0000.png").unlink()
    with pytest.raises(DataError, match=r"depth/0000.png is missing"):
        folder[0]
    (root / "images" / "0001.jpg").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"images/0001.jpg is not readable"):
        folder[1]
    cv2.imwrite(str(root / "semantic" / "0002.png"), np.zeros((10, 10), np.uint8))
    with pytest.raises(DataError, match=r"semantic/0002.png is of 10x10, its image of 128x96"):
        folder[2]


def test_an_empty_or_foreign_index_is_refused(root: Path) -> None:
    edit(root / "annotations.json", lambda c: c["categories"].append({"id": 9, "name": "giraffe"}))
    with pytest.raises(DataError, match="giraffe"):
        ImageFolder(root)
    edit(root / "annotations.json", lambda c: c.update(images=[], categories=[]))
    with pytest.raises(DataError, match="lists no image"):
        ImageFolder(root)
    (root / "annotations.json").write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        ImageFolder(root)

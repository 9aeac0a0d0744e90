# SPDX-License-Identifier: Apache-2.0
"""What docs/data.md shows is what works."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.format import Annotations, Cameras, parse, parse_description

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


def test_the_examples_are_of_the_format(tmp_path: Path) -> None:
    texts = dict(zip(("dataset.json", "cameras.json", "annotations.json"), blocks("json"), strict=True))
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert parse_description(tmp_path / "dataset.json").detection_labels == ["cup", "bottle"]
    assert parse(tmp_path / "cameras.json", Cameras).cameras["front"].fx == 525
    image = parse(tmp_path / "annotations.json", Annotations).images[0]
    assert image.detection_labels == ["cup"]
    assert ImageFolder(tmp_path).entries == [image]


def test_own_data_are_brought_in_as_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("images", "depth"):
        (tmp_path / "kitchen" / folder).mkdir(parents=True)
    names = ["drive01_0.jpg", "drive01_1.jpg", "drive02_0.jpg"]
    for name in names:
        cv2.imwrite(str(tmp_path / "kitchen" / "images" / name), np.full((480, 640, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "kitchen" / "depth" / "drive01_1.png"), np.full((480, 640), 1500, np.uint16))
    coco = {
        "info": {"description": "kitchen"},
        "images": [{"id": i, "file_name": name, "width": 640, "height": 480, "license": 1} for i, name in enumerate(names)],
        "annotations": [
            {
                "id": 7,
                "image_id": 2,
                "category_id": 44,
                "bbox": [10, 20, 30.5, 40],
                "area": 1220,
                "iscrowd": 0,
            }
        ],
        "categories": [{"id": 44, "name": "bottle", "supercategory": "kitchen"}, {"id": 47, "name": "cup"}],
    }
    (tmp_path / "kitchen" / "instances.json").write_text(json.dumps(coco))
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[0], {})
    folder = ImageFolder(tmp_path / "kitchen")
    assert [set(folder[i].labels) for i in range(3)] == [{"detection"}, {"detection", "depth"}, {"detection"}]
    assert folder[2].labels["detection"].boxes_xyxy.tolist() == [[10, 20, 40.5, 60]]
    assert [entry.group for entry in folder.split(0.5)[0].entries] in (["drive01"] * 2, ["drive02"])

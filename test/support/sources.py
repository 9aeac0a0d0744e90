# SPDX-License-Identifier: Apache-2.0
"""A small data set in each format that can be imported, written as the format's own tools lay it out."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from imported import HEIGHT, WIDTH, write_picture, write_text

ROOMS = Path(__file__).parents[1] / "rooms"
_SOURCES: dict[str, Callable[[Path], None]] = {}


def source(write: Callable[[Path], None]) -> Callable[[Path], None]:
    _SOURCES[write.__name__.replace("_", "-").removeprefix("-").replace("-zip", ".zip")] = write
    return write


@source
def rooms(root: Path) -> None:
    shutil.copytree(ROOMS, root)


@source
def coco(root: Path) -> None:
    images, annotations = [], []
    for i in range(12):
        name = f"drive{i % 6}/{i}.jpg"
        write_picture(root / "images" / name, i)
        images.append({"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT})
        annotations.append({"id": i, "image_id": i, "category_id": 1 + i % 2, "bbox": [5, 5, 20, 20], "iscrowd": 0})
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(("dining table", "mug", "wine glass", "person"))]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_text(root / "annotations/instances.json", json.dumps(content))


@source
def panoptic(root: Path) -> None:
    write_picture(root / "images/a.jpg")
    segments = np.full((HEIGHT, WIDTH, 3), (0, 0, 1), np.uint8)
    segments[10:20, 10:20] = (0, 0, 2)
    write_png(root / "annotations/panoptic/a.png", segments)
    segments_info = [{"id": 1, "category_id": 5, "iscrowd": 0}, {"id": 2, "category_id": 9, "iscrowd": 0}]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": segments_info}],
        "categories": [{"id": 5, "name": "floor", "isthing": 0}, {"id": 9, "name": "cup", "isthing": 1}],
    }
    write_text(root / "annotations/panoptic.json", json.dumps(content))


@source
def yolo(root: Path) -> None:
    for i, side in enumerate(("train", "val")):
        write_picture(root / f"images/{side}/{i}.jpg", i)
        write_text(root / f"labels/{side}/{i}.txt", "0 0.5 0.5 0.25 0.5\n")
    write_text(root / "data.yaml", "train: images/train\nval: images/val\nnames: [cup, bottle]\n")


@source
def voc(root: Path) -> None:
    write_picture(root / "JPEGImages/a.jpg")
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    write_text(root / "Annotations/a.xml", f"<annotation><filename>a.jpg</filename><object><name>cup</name>{box}</object></annotation>")


@source
def labelme(root: Path) -> None:
    write_picture(root / "a.jpg")
    shape = {"label": "cup", "points": [[1, 1], [9, 9]], "shape_type": "rectangle", "group_id": None, "flags": {}}
    write_text(root / "a.json", json.dumps({"version": "5.4.1", "flags": {}, "shapes": [shape], "imagePath": "a.jpg", "imageData": None}))


@source
def cvat_zip(path: Path) -> None:
    picture = write_picture(path.with_name("cvat_picture.jpg"))
    box = '<box label="cup" occluded="0" xtl="1" ytl="1" xbr="9" ybr="9" z_order="0"/>'
    text = f'<annotations><version>1.1</version><image id="0" name="a.jpg" width="{WIDTH}" height="{HEIGHT}">{box}</image></annotations>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(picture, "images/a.jpg")
        archive.writestr("annotations.xml", text)
    picture.unlink()


@source
def label_studio(root: Path) -> None:
    write_picture(root / "a.jpg")
    value = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["cup"]}
    result = {"type": "rectanglelabels", "value": value, "original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    task = {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-a.jpg"}, "annotations": [{"result": [result], "was_cancelled": False}]}
    write_text(root / "project.json", json.dumps([task]))


@source
def masks(root: Path) -> None:
    write_picture(root / "images/a.jpg")
    write_png(root / "masks/a.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    write_text(root / "palette.yaml", "floor: 0\nwall: 1\n")


def write_png(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


SOURCES = _SOURCES

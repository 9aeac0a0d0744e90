# SPDX-License-Identifier: Apache-2.0
"""A small data set in each format that can be imported, written as the format's own tools lay it out."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
from imported import HEIGHT, WIDTH, write_picture, write_text
from small_bags import HEIGHT as BAG_HEIGHT
from small_bags import WIDTH as BAG_WIDTH
from small_bags import SmallBag

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


@source
def doordetect(root: Path) -> None:
    for i in range(2):
        write_picture(root / f"images/{i}.jpg", i)
        write_text(root / f"labels/{i}.txt", "1 0.5 0.5 0.2 0.2\n3 0.5 0.5 0.4 0.4\n")


@source
def openimages(root: Path) -> None:
    write_picture(root / "train/0001eeaf4aed83f9.jpg", 1)
    write_picture(root / "train/000a1249af2bc5f0.jpg", 2)
    columns = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
    rows = [
        "0001eeaf4aed83f9,xclick,/m/02dgv,1,0.25,0.75,0.25,0.5,0,0,0,0,0",
        "0001eeaf4aed83f9,xclick,/m/04dr76w,1,0,0.5,0,0.5,0,0,1,0,0",
        "0001eeaf4aed83f9,xclick,/m/02dgv,1,0,0.1,0,0.1,0,0,0,1,0",
        "ffffffffffffffff,xclick,/m/02dgv,1,0,0.1,0,0.1,0,0,0,0,0",
    ]
    write_text(root / "oidv6-train-annotations-bbox.csv", "\n".join([columns, *rows]) + "\n")
    write_text(root / "class-descriptions-boxable.csv", "/m/02dgv,Door\n/m/04dr76w,Bottle\n/m/01c648,Laptop\n")
    verified = [
        "0001eeaf4aed83f9,verification,/m/02dgv,1",
        "000a1249af2bc5f0,verification,/m/04dr76w,0",
        "000a1249af2bc5f0,verification,/m/01c648,0",
    ]
    write_text(root / "train-human-imagelabels-boxable.csv", "\n".join(["ImageID,Source,LabelName,Confidence", *verified]) + "\n")


@source
def cityscapes(root: Path) -> None:
    stem = "train/aachen/aachen_000000_000019"
    write_picture(root / f"leftImg8bit/{stem}_leftImg8bit.png")
    ids = np.full((HEIGHT, WIDTH), 7, np.uint8)
    ids[:5], ids[10:20, 10:20], ids[30:40, 30:40] = 0, 26, 26
    instances = np.where(ids == 26, np.uint16(26000), ids.astype(np.uint16))
    instances[30:40, 30:40] = 26
    write_png(root / f"gtFine/{stem}_gtFine_labelIds.png", ids)
    write_png(root / f"gtFine/{stem}_gtFine_instanceIds.png", instances)
    lens = {"extrinsic": {"baseline": 0.2, "pitch": 0.0}, "intrinsic": {"fx": 2200.0, "fy": 2200.0, "u0": 1090.0, "v0": 510.0}}
    write_text(root / f"camera/{stem}_camera.json", json.dumps(lens))
    disparity = np.full((HEIGHT, WIDTH), 44 * 256 + 1, np.uint16)
    disparity[0] = 0
    write_png(root / f"disparity/{stem}_disparity.png", disparity)


@source
def camvid(root: Path) -> None:
    for i, side in enumerate(("train", "val")):
        write_picture(root / f"{side}/0001TP_00669{i}.png", i)
        ids = np.full((HEIGHT, WIDTH), 3, np.uint8)
        ids[:5], ids[5] = 0, 11
        write_png(root / f"{side}annot/0001TP_00669{i}.png", ids)


@source
def bdd100k(root: Path) -> None:
    write_picture(root / "images/100k/train/0000f77c-6257be58.jpg", 1, 128, 72)
    labels = [
        {"category": "car", "attributes": {"occluded": True}, "manualShape": True, "box2d": {"x1": 10.0, "y1": 5.0, "x2": 40.0, "y2": 25.0}, "id": 4},
        {"category": "drivable area", "attributes": {"areaType": "direct"}, "poly2d": [
            {"vertices": [[0, 40], [60, 40], [60, 70], [0, 70]], "types": "LLLL", "closed": True}], "id": 5},
        {"category": "lane", "attributes": {"laneTypes": "single white"}, "poly2d": [
            {"vertices": [[100, 10], [100, 20], [100, 50], [100, 60]], "types": "LCCC", "closed": False}], "id": 6},
    ]  # fmt: skip
    frame = {"name": "0000f77c-6257be58.jpg", "attributes": {"weather": "clear"}, "timestamp": 10000, "labels": labels}
    write_text(root / "labels/bdd100k_labels_images_train.json", json.dumps([frame]))


@source
def tusimple(root: Path) -> None:
    write_picture(root / "clips/0313-1/6040/20.jpg", 1, 128, 72)
    line = {"lanes": [[-2, 20, 30, 40], [-2, -2, 100, 110]], "h_samples": [10, 20, 30, 40], "raw_file": "clips/0313-1/6040/20.jpg"}
    write_text(root / "label_data_0313.json", json.dumps(line) + "\n")


@source
def culane(root: Path) -> None:
    write_picture(root / "driver_23_30frame/05151649_0422.MP4/00000.jpg", 1, 164, 59)
    write_text(root / "driver_23_30frame/05151649_0422.MP4/00000.lines.txt", "20.5 58 30.25 40 40 20 \n120 58 100 20 \n")


@source
def kitti(root: Path) -> None:
    write_picture(root / "training/image_2/000000.png")
    lines = [
        "Pedestrian 0.00 0 -0.20 10.00 5.00 20.50 40.00 1.89 0.48 1.20 1.84 1.47 8.41 0.01",
        "DontCare -1 -1 -10 50.0 10.0 60.0 20.0 -1 -1 -1 -1000 -1000 -1000 -10",
    ]
    write_text(root / "training/label_2/000000.txt", "\n".join(lines) + "\n")
    write_text(root / "training/calib/000000.txt", "P0: 1\nP2: 70.7 0 30.4 4.5 0 71.7 18.1 -0.3 0 0 1 0.005\n")


@source
def nyu(root: Path) -> None:
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = rng.integers(0, 256, (2, 3, WIDTH, HEIGHT), np.uint8)
        depths = np.full((2, WIDTH, HEIGHT), 2.5, np.float32)
        file["depths"], depths[:, 0] = depths, 0
        file["rawDepths"] = depths
        labels = np.ones((2, WIDTH, HEIGHT), np.uint16)
        labels[:, :, 10:20], labels[:, 5] = 3, 0
        file["labels"] = labels
        for key, texts in (
            ("names", ["floor", "wall", "garbage bin"]),
            ("scenes", ["kitchen_0001", "office_0002"]),
            ("sceneTypes", ["kitchen", "office"]),
        ):
            references = [
                file.create_dataset(f"#refs#/{key}{i}", data=np.array([[ord(c)] for c in text], np.uint16)).ref
                for i, text in enumerate(texts)
            ]
            file.create_dataset(key, data=np.array([references], h5py.ref_dtype))


@source
def sunrgbd(root: Path) -> None:
    for i in range(2):
        frame = root / f"SUNRGBD/kv1/NYUdata/NYU000{i + 1}"
        write_picture(frame / f"image/NYU000{i + 1}.jpg", i)
        depth = np.full((HEIGHT, WIDTH), 1500, np.uint16)
        depth[0] = 0
        write_png(frame / f"depth/NYU000{i + 1}.png", (depth << 3) | (depth >> 13))
        write_text(frame / "intrinsics.txt", "60.5 0 32 0 61.5 24 0 0 1")
        write_text(frame / "scene.txt", "office\n")
        outlines = [
            {"object": 0, "x": [10, 30, 30, 10], "y": [10, 10, 20, 20]},
            {"object": 1, "x": [0, 9, 9], "y": [0, 0, 9]},
            {"object": 0, "x": 5, "y": 5},
        ]
        content = {"date": "x", "name": "y", "frames": [{"polygon": outlines}], "objects": [{"name": "desk:truncated"}, None]}
        write_text(frame / "annotation2Dfinal/index.json", json.dumps(content))


@source
def tum(root: Path) -> None:
    sequence = root / "rgbd_dataset_freiburg1_desk"
    for i in range(3):
        write_picture(sequence / f"rgb/{i}.png", i)
        write_png(sequence / f"depth/{i}.png", np.full((HEIGHT, WIDTH), 5000 + 500 * i, np.uint16))
    write_text(sequence / "rgb.txt", "# color images\n# timestamp filename\n100.00 rgb/0.png\n100.03 rgb/1.png\n200.0 rgb/2.png\n")
    write_text(sequence / "depth.txt", "# depth maps\n100.01 depth/0.png\n100.04 depth/1.png\n150.0 depth/2.png\n")
    write_text(sequence / "groundtruth.txt", "# ground truth\n100.005 1.5 2 3 0 0 0 1\n100.5 1 2 3 0 0 0 1\n")


@source
def seven_scenes(root: Path) -> None:
    for i in range(2):
        write_picture(root / f"seq-01/frame-00000{i}.color.png", i)
        depth = np.full((HEIGHT, WIDTH), 1250, np.uint16)
        depth[0] = 65535
        write_png(root / f"seq-01/frame-00000{i}.depth.png", depth)
        write_text(root / f"seq-01/frame-00000{i}.pose.txt", "0 -1 0 0.5\n1 0 0 0.25\n0 0 1 2\n0 0 0 1\n")


@source
def mot(root: Path) -> None:
    sequence = root / "MOT17-02-FRCNN"
    for frame in (1, 2):
        write_picture(sequence / f"img1/{frame:06d}.jpg", frame)
    write_text(sequence / "gt/gt.txt", "1,1,11,6,20,30,1,1,0.9\n2,1,13,6,20,30,1,1,0.8\n2,7,1,1,10,10,0,8,0.5\n")
    write_text(
        sequence / "seqinfo.ini",
        f"[Sequence]\nname=MOT17-02-FRCNN\nimDir=img1\nframeRate=30\nimWidth={WIDTH}\nimHeight={HEIGHT}\nimExt=.jpg\n",
    )


@source
def folders(root: Path) -> None:
    for i, name in enumerate(("train/cat/a", "train/dog/b", "val/cat/c", "val/dog/d/e")):
        write_picture(root / f"{name}.jpg", i)


@source
def drive(root: Path) -> None:
    """Five seconds of a camera with depth and poses."""
    with SmallBag(root, rate_hz=10) as bag:
        for frame in range(50):
            bag.write_camera_info(frame)
            bag.write_jpeg(frame)
            bag.write_raw(frame, "/camera/depth", "16UC1", np.full((BAG_HEIGHT, BAG_WIDTH), 1000 + frame, np.uint16))


def write_png(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


SOURCES = _SOURCES

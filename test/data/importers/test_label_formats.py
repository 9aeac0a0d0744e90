# SPDX-License-Identifier: Apache-2.0
"""Each format of labelling tools, on files written as its documentation shows them."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from imported import HEIGHT, WIDTH, boxes, imported, index, write_picture, write_text
from instance_masks import instance_masks

from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.run import Report, Settings, import_data


def coco_file(path: Path, annotations: list[dict], images: list[dict] | None = None) -> Path:
    images = images or [{"id": 397133, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT, "license": 1}]
    categories = [{"supercategory": "kitchen", "id": 44, "name": "bottle"}, {"id": 47, "name": "cup"}]
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
    return write_text(path, json.dumps(content))


def test_coco_reads_polygons_run_lengths_and_crowds_beside_each_other(tmp_path: Path) -> None:
    for name in "ab":
        write_picture(tmp_path / "in/val2017" / f"{name}.jpg", ord(name))
    images = [
        {"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT},
        {"id": 4000000000, "file_name": "b.jpg", "width": WIDTH, "height": HEIGHT},
    ]
    counts = [10 * HEIGHT + 5, 20, HEIGHT - 20, 20, WIDTH * HEIGHT - 11 * HEIGHT - 25]
    annotations = [
        {"id": 900, "image_id": 7, "category_id": 47, "bbox": [10, 5, 20, 10], "iscrowd": 0,
         "segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]], "area": 200},
        {"id": 13, "image_id": 7, "category_id": 47, "bbox": [10, 5, 2, 20], "iscrowd": 0,
         "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts}},
        {"id": 14, "image_id": 7, "category_id": 44, "bbox": [0, 0, 5.5, 5.25], "iscrowd": 0, "segmentation": []},
        {"id": 15, "image_id": 4000000000, "category_id": 44, "bbox": [1, 1, 30, 30], "iscrowd": 1,
         "segmentation": {"size": [HEIGHT, WIDTH], "counts": [HEIGHT + 1] + [30, 18] * 29 + [30, WIDTH * HEIGHT - 30 * HEIGHT - 31 ]}},
    ]  # fmt: skip
    coco_file(tmp_path / "in/annotations/instances_val2017.json", annotations, images)
    folder, report = imported(tmp_path / "in", tmp_path / "out", "coco")
    assert boxes(folder) == [("bottle", [0, 0, 5.5, 5.25]), ("cup", [10, 5, 12, 25]), ("cup", [10, 5, 30, 15])]
    masks = instance_masks(folder, 0)
    assert [int(mask.sum()) for mask in masks] == [200, 40, 0]
    assert masks[1][5:25, 10:12].all()
    # A crowd: nobody knows how many bottles there are.
    labels = folder[1].labels["detection"]
    assert len(labels.boxes_xyxy) == 0 and labels.labelled.tolist() == [False, True]
    assert report.notes == [] and report.boxes == 4
    assert [image["file_name"] for image in index(tmp_path / "out")["images"]] == ["val2017/a.jpg", "val2017/b.jpg"]


@pytest.mark.parametrize("is_crowd", [False, True])
def test_coco_annotator_says_true_and_false_of_crowds(tmp_path: Path, is_crowd: bool) -> None:
    write_picture(tmp_path / "in/a.jpg")
    annotation = {"id": 1, "image_id": 397133, "category_id": 47, "bbox": [0, 0, 5, 5], "isbbox": False, "iscrowd": is_crowd}
    coco_file(tmp_path / "in/a.json", [annotation])
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "coco")
    assert boxes(folder) == ([] if is_crowd else [("cup", [0, 0, 5, 5])])


def test_coco_finds_pictures_however_they_are_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/images/train/Küche 1.jpg", 1)
    write_picture(tmp_path / "in/images/train/b.jpg", 2)
    images = [
        {"id": 1, "file_name": "C:\\Users\\me\\images\\train\\Ku\u0308che 1.jpg", "width": WIDTH, "height": HEIGHT},
        {"id": 2, "file_name": "./b.jpg", "width": WIDTH, "height": HEIGHT},
    ]
    coco_file(tmp_path / "in/labels.json", [{"id": 1, "image_id": 2, "category_id": 44, "bbox": [0, 0, 5, 5]}], images)
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "coco")
    assert [entry.file_name for entry in folder.entries] == ["train/Küche 1.jpg", "train/b.jpg"]
    assert boxes(folder, 0) == [] and boxes(folder, 1) == [("bottle", [0, 0, 5, 5])]


def test_lvis_says_which_classes_are_labelled_in_an_image(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/a.jpg")
    image = {"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT, "neg_category_ids": [44], "not_exhaustive_category_ids": [47]}
    coco_file(tmp_path / "in/lvis.json", [{"id": 1, "image_id": 1, "category_id": 47, "bbox": [0, 0, 5, 5]}], [image])
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "coco")
    assert folder.entries[0].detection_labels == ["bottle"]


def test_roboflow_coco_has_its_file_beside_the_pictures_of_each_side(tmp_path: Path) -> None:
    for i, side in enumerate(("train", "valid")):
        write_picture(tmp_path / f"in/{side}/{side}.jpg", i)
        image = {"id": 0, "file_name": f"{side}.jpg", "width": WIDTH, "height": HEIGHT}
        coco_file(
            tmp_path / f"in/{side}/_annotations.coco.json", [{"id": 0, "image_id": 0, "category_id": 44, "bbox": [0, 0, 5, 5]}], [image]
        )
    report = import_data(tmp_path / "in", tmp_path / "out", Settings("coco", split={"own": 1.0}))
    assert report.sides == {"train": 1, "val": 1}
    assert index(tmp_path / "out/val")["images"][0]["file_name"] == "valid/valid.jpg"


def test_yolo_reads_boxes_and_polygons_of_a_data_yaml(tmp_path: Path) -> None:
    for name in ("train/a", "val/b", "val/empty"):
        write_picture(tmp_path / f"in/images/{name}.jpg", len(name))
    write_text(tmp_path / "in/labels/train/a.txt", "1 0.5 0.5 0.25 0.5\n0 0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75\n\n1 0.5 0.5 0.25 0.5\n")
    write_text(tmp_path / "in/labels/val/b.txt", "0 0.125 0.5 0.25 1.0")
    yaml = "path: ../datasets/in  # elsewhere\ntrain: images/train\nval:\n  - images/val\ntest:\nnames:\n  0: person\n  1: bicycle\n"
    write_text(tmp_path / "in/data.yaml", yaml)
    folder, report = imported(tmp_path / "in", tmp_path / "out", "yolo")
    assert [entry.file_name for entry in folder.entries] == ["train/a.jpg", "val/b.jpg", "val/empty.jpg"]
    assert boxes(folder, 0) == [("bicycle", [24, 12, 40, 36]), ("person", [16, 12, 32, 36])]
    assert boxes(folder, 1) == [("person", [0, 0, 16, 48])] and boxes(folder, 2) == []
    assert sorted(int(mask.sum()) for mask in instance_masks(folder, 0)) == [0, 16 * 24]
    assert any("stand twice" in note for note in report.notes) and any("taken as empty" in note for note in report.notes)


def test_yolo_of_cvat_and_label_studio_names_classes_in_a_list(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/obj_train_data/a.jpg")
    write_text(tmp_path / "in/obj_train_data/a.txt", "1 0.5 0.5 0.5 0.5\n")
    write_text(tmp_path / "in/obj.names", "cup\nbottle\n\n")
    write_text(tmp_path / "in/obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n")
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "yolo")
    assert boxes(folder) == [("bottle", [16, 12, 48, 36])] and folder.labels["detection"] == ["cup", "bottle"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("classes.txt", "Tür\n", "'utf-8'"),
        ("data.yaml", "names: [Tür]\n", "'utf-8'"),
        ("data.yaml", 'path: "C:\\Users\\me"\nnames: [door]\n', "while scanning a double-quoted scalar .* line 1, column 7"),
    ],
)
def test_a_file_of_class_names_that_can_not_be_read_is_named(tmp_path: Path, name: str, content: str, words: str) -> None:
    write_picture(tmp_path / "in/a.jpg")
    write_text(tmp_path / "in/a.txt", "0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "in" / name).write_bytes(content.encode("cp1252"))
    with pytest.raises(DataError, match=rf"{name} can't be read: {words}"):
        imported(tmp_path / "in", tmp_path / "out", "yolo")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2 0.5 0.5 0.2 0.2", r"a\.txt, line 1 is of class 2, the names go from 0 to 1"),
        ("0 320 240 100 100", "are these pixels"),
        ("0 0.5 0.5 0.2", "has 4 numbers"),
        ("cup 0.5 0.5 0.2 0.2", "holds 'cup 0.5"),
        ("0 0.5 0.5 0.2 0.2 0.4 0.1 0.2", "expected 4 of a box or pairs of a polygon"),
        ("0 nan 0.5 0.2 0.2", "has 5 numbers, expected"),
    ],
)
def test_a_yolo_line_that_can_not_be_is_named(tmp_path: Path, line: str, words: str) -> None:
    write_picture(tmp_path / "in/a.jpg")
    write_text(tmp_path / "in/a.txt", line + "\n")
    write_text(tmp_path / "in/classes.txt", "cup\nbottle\n")
    with pytest.raises(DataError, match=words):
        imported(tmp_path / "in", tmp_path / "out", "yolo")
    assert not (tmp_path / "out").exists()


VOC = """<annotation>
  <folder>VOC2007</folder><filename>000001.jpg</filename>
  <size><width>{width}</width><height>48</height><depth>3</depth></size><segmented>1</segmented>
  <object><name>dog</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
    <bndbox><xmin>11</xmin><ymin>5</ymin><xmax>20</xmax><ymax>14</ymax></bndbox></object>
  <object><name>person</name><difficult>1</difficult><part><name>head</name></part>
    <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>64</xmax><ymax>48</ymax></bndbox></object>
</annotation>"""


def test_voc_counts_pixels_from_one(tmp_path: Path) -> None:
    root = tmp_path / "in/VOCdevkit/VOC2007"
    write_picture(root / "JPEGImages/000001.jpg")
    write_text(root / "Annotations/000001.xml", VOC.format(width=64))
    palette = np.zeros((HEIGHT, WIDTH), np.uint8)
    palette[4:14, 10:20], palette[0, 0] = 12, 255
    objects = np.where(palette == 12, 1, 0).astype(np.uint8)
    for name, ids in (("SegmentationClass", palette), ("SegmentationObject", objects)):
        path = root / name / "000001.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(cv2.imencode(".png", ids)[1].tobytes())
    check_voc(*imported(tmp_path / "in", tmp_path / "out", "voc", options={"difficult": "crowd"}))
    # CVAT and others write colours in place of palettes: of 1 dark red, of 12 a dark blue.
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[objects == 1] = (0, 0, 128)
    (root / "SegmentationObject/000001.png").write_bytes(cv2.imencode(".png", colours)[1].tobytes())
    check_voc(*imported(tmp_path / "in", tmp_path / "out2", "voc", options={"difficult": "crowd"}))


def check_voc(folder: ImageFolder, report: Report) -> None:
    assert boxes(folder) == [("dog", [10, 4, 20, 14])]
    assert folder[0].labels["detection"].labelled.tolist() == [True, False]
    assert int(instance_masks(folder, 0)[0].sum()) == 100
    semantic = folder[0].labels["segmentation"]
    assert folder.labels["segmentation"][semantic[5, 12]] == "dog" and semantic[0, 0] == 255 and semantic[20, 0] == 0
    assert any(note.startswith("parts of objects") for note in report.notes)


def test_voc_has_pictures_of_one_name_in_several_folders(tmp_path: Path) -> None:
    for i, folder in enumerate(("morning", "evening")):
        write_picture(tmp_path / f"in/JPEGImages/{folder}/1.jpg", i)
        write_text(tmp_path / f"in/Annotations/{folder}/1.xml", VOC.format(width=64).replace("dog", folder))
        for name in ("SegmentationClass", "SegmentationObject"):
            path = tmp_path / "in" / name / folder / "1.png"
            path.parent.mkdir(parents=True)
            ids = np.zeros((HEIGHT, WIDTH), np.uint8)
            ids[4:14, 10:20] = 1 + i
            path.write_bytes(cv2.imencode(".png", ids)[1].tobytes())
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "voc")
    assert [entry.file_name for entry in folder.entries] == ["evening/1.jpg", "morning/1.jpg"]
    assert [boxes(folder, i)[0][0] for i in range(2)] == ["evening", "morning"]
    assert [int(folder[i].labels["segmentation"].max()) for i in range(2)] == [2, 1]
    assert instance_masks(folder, 1)[0].sum() == 100


def test_voc_of_tools_that_count_from_zero_is_noticed(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/a.jpg")
    write_text(tmp_path / "in/a.xml", VOC.format(width=0).replace("<xmin>1<", "<xmin>0<"))
    folder, report = imported(tmp_path / "in", tmp_path / "out", "voc")
    assert boxes(folder)[0] == ("dog", [11, 5, 20, 14])
    assert any("first pixel is taken to be 0" in note for note in report.notes)


def labelme(shapes: list[dict], **rest: object) -> str:
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": "a.jpg", "imageData": None,
               "imageHeight": HEIGHT, "imageWidth": WIDTH}  # fmt: skip
    return json.dumps(content | rest)


def test_labelme_reads_every_shape_with_an_area(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/a.jpg")
    mask = np.zeros((4, 6), np.uint8)
    mask[:2] = 255
    png = base64.b64encode(cv2.imencode(".png", mask)[1].tobytes()).decode()
    shapes = [
        {"label": "cup", "points": [[30, 20], [10, 5]], "group_id": None, "shape_type": "rectangle", "flags": {}},
        {"label": "cup", "points": [[40, 5], [50, 5], [50, 15], [40, 15]], "group_id": 3, "shape_type": "polygon", "flags": {}},
        {"label": "cup", "points": [[52, 5], [60, 5], [60, 15]], "group_id": 3, "shape_type": "polygon", "flags": {}},
        {"label": "plate", "points": [[20, 30], [30, 30]], "group_id": None, "shape_type": "circle", "flags": {}},
        {"label": "plate", "points": [[2, 40], [7, 43]], "group_id": None, "shape_type": "mask", "mask": png, "flags": {}},
        {"label": "rim", "points": [[2, 40], [7, 43]], "group_id": None, "shape_type": "line", "flags": {}},
    ]
    write_text(tmp_path / "in/a.json", labelme(shapes, imagePath="..\\photos\\a.jpg", flags={"dark": True, "blurred": False}))
    folder, report = imported(tmp_path / "in", tmp_path / "out", "labelme")
    assert boxes(folder) == [
        ("cup", [10, 5, 30, 20]), ("cup", [40, 5, 60, 15]), ("plate", [2, 40, 8, 42]), ("plate", [10, 20, 30, 40])
    ]  # fmt: skip
    assert folder[0].labels["classification"].present.tolist() == [False, True]
    assert folder.labels["classification"] == ["blurred", "dark"]
    assert [note for note in report.notes if "type line" in note]


def test_labelme_takes_the_picture_out_of_the_file_where_there_is_no_other(tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "a.jpg").read_bytes()
    shape = {"label": "cup", "points": [[10, 5], [30, 20]], "shape_type": "rectangle"}
    write_text(tmp_path / "in/a.json", labelme([shape], imageData=base64.b64encode(picture).decode()))
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "labelme")
    assert (tmp_path / "out/images/a.jpg").read_bytes() == picture and boxes(folder) == [("cup", [10, 5, 30, 20])]


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><job><id>1</id><size>2</size><mode>annotation</mode>
  <labels><label><name>cup</name><type>any</type><attributes/></label><label><name>never seen</name></label>
    <label><name>dark</name><type>tag</type></label></labels></job></meta>
<image id="0" name="shelf/a.jpg" subset="Train" task_id="5" width="64" height="48">
  <tag label="dark" source="manual"></tag>
  <box label="cup" source="manual" occluded="0" xtl="10.50" ytl="5.00" xbr="30.00" ybr="20.25" z_order="0">
    <attribute name="full">yes</attribute></box>
  <box label="cup" occluded="0" xtl="10" ytl="20" xbr="30" ybr="30" rotation="90.00" z_order="0"></box>
  <polygon label="cup" occluded="1" points="40.00,5.00;50.00,5.00;50.00,15.00;40.00,15.00" z_order="1"></polygon>
  <mask label="cup" occluded="0" rle="0, 6, 6, 6, 6" left="2" top="40" width="6" height="4" z_order="0"></mask>
  <ellipse label="cup" occluded="0" cx="50.00" cy="35.00" rx="5.00" ry="10.00" z_order="0"></ellipse>
  <polyline label="cup" occluded="0" points="1,1;2,2" z_order="0"></polyline>
</image>
<image id="1" name="b.jpg" width="64" height="48"></image>
</annotations>"""


def test_cvat_for_images(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/images/shelf/a.jpg", 1)
    write_picture(tmp_path / "in/images/b.jpg", 2)
    write_text(tmp_path / "in/annotations.xml", CVAT)
    folder, report = imported(tmp_path / "in", tmp_path / "out", "cvat")
    assert [entry.file_name for entry in folder.entries] == ["b.jpg", "shelf/a.jpg"]
    assert [box for _, box in boxes(folder, 1)] == [
        [2, 40, 8, 43], [10.5, 5, 30, 20.25], [15, 15, 25, 35], [40, 5, 50, 15], [45, 25, 55, 45]
    ]  # fmt: skip
    masks = sorted(int(mask.sum()) for mask in instance_masks(folder, 1))
    assert masks == [0, 12, 100, pytest.approx(np.pi * 50, rel=0.05), 200]
    assert boxes(folder, 0) == [] and "never seen" in folder.labels["detection"]
    assert folder.entries[1].classes == ["dark"] and "classification" not in folder.entries[0].tasks
    assert [note for note in report.notes if "polyline" in note] and [note for note in report.notes if "attributes" in note]


def test_cvat_for_video_puts_tracks_on_frames(tmp_path: Path) -> None:
    for frame in range(3):
        write_picture(tmp_path / f"in/images/frame_{frame:06d}.PNG", frame)
    text = """<annotations><version>1.1</version><meta><task><size>3</size><mode>interpolation</mode>
      <labels><label><name>car</name></label></labels><original_size><width>64</width><height>48</height></original_size></task></meta>
      <track id="0" label="car" source="manual">
        <box frame="0" outside="0" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="11" ybr="12" z_order="0"/>
        <box frame="1" outside="0" occluded="0" keyframe="0" xtl="2" ytl="2" xbr="12" ybr="12" z_order="0"/>
        <box frame="2" outside="1" occluded="0" keyframe="1" xtl="2" ytl="2" xbr="12" ybr="12" z_order="0"/>
      </track></annotations>"""
    write_text(tmp_path / "in/annotations.xml", text)
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "cvat")
    assert [boxes(folder, i) for i in range(3)] == [[("car", [1, 2, 11, 12])], [("car", [2, 2, 12, 12])], []]
    assert len({entry.group for entry in folder.entries}) == 1
    assert [annotation["track"] for annotation in index(tmp_path / "out")["annotations"]] == [0, 0]


def label_studio_result(kind: str, value: dict, **rest: object) -> dict:
    return {"id": "x", "type": kind, "from_name": "label", "to_name": "image", "original_width": WIDTH, "original_height": HEIGHT,
            "image_rotation": 0, "value": value, **rest}  # fmt: skip


def test_label_studio_json(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/images/shelf a.jpg", 1)
    write_picture(tmp_path / "in/images/b.jpg", 2)
    results = [
        label_studio_result("rectanglelabels", {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["cup"]}),
        label_studio_result("polygonlabels", {"points": [[0, 0], [50, 0], [50, 50], [0, 50]], "closed": True, "polygonlabels": ["bowl"]}),
        label_studio_result("rectanglelabels", {"x": 50, "y": 50, "width": 25, "height": 25, "rotation": 90, "rectanglelabels": ["cup"]}),
        label_studio_result("ellipselabels", {"x": 50, "y": 50, "radiusX": 25, "radiusY": 25, "rotation": 0, "ellipselabels": ["bowl"]}),
        label_studio_result("keypointlabels", {"x": 50, "y": 50, "width": 0.5, "keypointlabels": ["handle"]}),
        {"id": "y", "type": "choices", "from_name": "scene", "to_name": "image", "value": {"choices": ["kitchen"]}},
    ]
    tasks = [
        {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-shelf%20a.jpg", "text": "x"}, "annotations": [{"id": 8, "result": results, "was_cancelled": False}],
         "predictions": []},
        {"id": 2, "data": {"image": "/data/local-files/?d=photos/b.jpg"}, "annotations": [{"id": 9, "result": [], "was_cancelled": False}]},
        {"id": 3, "data": {"image": "s3://bucket/c.jpg"}, "annotations": [{"id": 10, "result": [], "was_cancelled": True}]},
    ]  # fmt: skip
    write_text(tmp_path / "in/project-1.json", json.dumps(tasks))
    folder, report = imported(tmp_path / "in", tmp_path / "out", "label-studio")
    assert [entry.file_name for entry in folder.entries] == ["b.jpg", "shelf a.jpg"]
    found = boxes(folder, 1)
    assert found[0] == ("bowl", [0, 0, 32, 24]) and found[1][1] == pytest.approx([16, 12, 48, 36], abs=1)
    assert found[2:] == [("cup", [16, 12, 48, 36]), ("cup", [20, 24, 32, 40])]
    assert folder.entries[1].classes == ["kitchen"] and boxes(folder, 0) == []
    assert [note for note in report.notes if "nobody labelled" in note] and [note for note in report.notes if "keypointlabels" in note]


def test_label_studio_json_min(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/a.jpg")
    task = {"image": "/data/upload/1/0a1b2c3d-a.jpg", "id": 4, "choice": "kitchen", "annotator": 1, "annotation_id": 3, "lead_time": 2.5,
            "label": [{"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["cup"], "original_width": WIDTH,
                       "original_height": HEIGHT}]}  # fmt: skip
    write_text(tmp_path / "in/min.json", json.dumps([task]))
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "label-studio")
    assert boxes(folder) == [("cup", [16, 12, 48, 36])] and folder.entries[0].classes == ["kitchen"]


def mask_set(root: Path, pixels: np.ndarray, palette: str, text: str) -> Path:
    write_picture(root / "images/a.jpg")
    (root / "masks").mkdir(parents=True)
    (root / "masks/a.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    write_text(root / palette, text)
    return root


@pytest.mark.parametrize(
    ("palette", "text", "is_color"),
    [
        ("palette.yaml", "floor: 3\ntable: 7\nvoid: 9\n", False),
        ("palette.yaml", "floor: [128, 64, 128]\ntable: [70, 70, 70]\nvoid: [0, 0, 0]\n", True),
        ("label_colors.txt", "128 64 128\tfloor\n70 70 70\ttable\n0 0 0\tVoid\n", True),
        ("labelmap.txt", "floor:::\ntable:::\nvoid:::\n", None),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nfloor:128,64,128::\ntable:70,70,70::\nvoid:0,0,0::\n", True),
        ("class_dict.csv", "name,r,g,b\nfloor,128,64,128\ntable,70,70,70\nvoid,0,0,0\n", True),
    ],
)
def test_mask_folders_with_every_kind_of_palette(tmp_path: Path, palette: str, text: str, is_color: bool | None) -> None:
    ids = np.zeros((HEIGHT, WIDTH), np.int64)
    ids[10:20], ids[0] = 1, 2
    if is_color is None:  # Pascal's own colours
        pixels = np.array([[0, 0, 0], [0, 0, 128], [0, 128, 0]], np.uint8)[ids]
    else:
        pixels = np.array([[128, 64, 128], [70, 70, 70], [0, 0, 0]], np.uint8)[ids] if is_color else np.array([3, 7, 9], np.uint8)[ids]
    folder, _ = imported(mask_set(tmp_path / "in", pixels, palette, text), tmp_path / "out", "masks")
    assert folder.labels["segmentation"] == ["floor", "table"]
    np.testing.assert_array_equal(folder[0].labels["segmentation"], np.array([0, 1, 255])[ids])


def test_a_black_and_white_mask_is_grey_or_in_colours(tmp_path: Path) -> None:
    grey = np.zeros((HEIGHT, WIDTH), np.uint8)
    grey[10:20] = 255
    for i, pixels in enumerate((grey, cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))):
        source = mask_set(tmp_path / f"in{i}", pixels, "class_dict.csv", "name,r,g,b\nfloor,0,0,0\ncup,255,255,255\n")
        folder, _ = imported(source, tmp_path / f"out{i}", "masks")
        np.testing.assert_array_equal(folder[0].labels["segmentation"], grey // 255)


def test_masks_with_a_list_of_class_names_are_not_taken_for_yolo(tmp_path: Path) -> None:
    source = mask_set(tmp_path / "in", np.ones((HEIGHT, WIDTH), np.uint8), "classes.txt", "floor\ncup\n")
    _, report = imported(source, tmp_path / "out", "auto")
    assert report.format == "masks"


def test_a_mask_with_an_unknown_colour_is_named(tmp_path: Path) -> None:
    source = mask_set(tmp_path / "in", np.full((HEIGHT, WIDTH, 3), 5, np.uint8), "palette.yaml", "floor: [0, 0, 0]\n")
    with pytest.raises(DataError, match=r"a\.png holds colour 5,5,5, which no class has \(floor …\)"):
        imported(source, tmp_path / "out", "masks")
    (source / "masks/a.png").write_bytes(cv2.imencode(".jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes())
    with pytest.raises(DataError, match=r"a\.png is a JPEG: its compression mixes"):
        imported(source, tmp_path / "out", "masks")


def test_coco_panoptic(tmp_path: Path) -> None:
    write_picture(tmp_path / "in/val2017/a.jpg")
    segments = np.full((HEIGHT, WIDTH), 300, np.int32)
    segments[10:20, 10:30], segments[0] = 70000, 0
    colours = np.stack([segments >> 16 & 255, segments >> 8 & 255, segments & 255], -1).astype(np.uint8)
    (tmp_path / "in/annotations/panoptic_val2017").mkdir(parents=True)
    (tmp_path / "in/annotations/panoptic_val2017/a.png").write_bytes(cv2.imencode(".png", colours)[1].tobytes())
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": [
            {"id": 70000, "category_id": 47, "area": 200, "bbox": [10, 10, 20, 10], "iscrowd": 0},
            {"id": 300, "category_id": 190, "area": 9, "bbox": [0, 0, 64, 48], "iscrowd": 0}]}],
        "categories": [{"id": 47, "name": "cup", "isthing": 1}, {"id": 190, "name": "floor", "isthing": 0}],
    }  # fmt: skip
    write_text(tmp_path / "in/annotations/panoptic_val2017.json", json.dumps(content))
    folder, _ = imported(tmp_path / "in", tmp_path / "out", "coco-panoptic")
    assert boxes(folder) == [("cup", [10, 10, 30, 20])] and folder.labels["detection"] == ["cup"]
    semantic = folder[0].labels["segmentation"]
    assert [semantic[0, 0], semantic[15, 15], semantic[40, 0]] == [255, 0, 1]

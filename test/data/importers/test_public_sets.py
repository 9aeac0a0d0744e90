# SPDX-License-Identifier: Apache-2.0
"""Each format of public data sets, on files laid out as the sets are (test/support/sources.py)."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from imported import HEIGHT, WIDTH, boxes, imported, index, write_picture, write_text
from small_bags import START_NS, SmallBag
from sources import SOURCES, write_png

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.recipes import recipes
from mtl_perception.data.importers.run import Settings, import_data


def read(tmp_path: Path, name: str, source: str = "", **settings) -> tuple[ImageFolder, list[str]]:
    path = tmp_path / "in" / (source or name)
    if not path.exists():
        SOURCES[source or name](path)
    folder, report = imported(path, tmp_path / "out", name, **settings)
    return folder, report.notes


def test_open_images_says_what_was_looked_for(tmp_path: Path) -> None:
    SOURCES["openimages"](tmp_path / "in/openimages")
    write_picture(tmp_path / "in/openimages/masks/0001eeaf4aed83f9_m02dgv_1.png")
    folder, notes = read(tmp_path, "openimages", options={"depictions": "drop"})
    assert len(folder) == 2 and not any("no file lists" in note for note in notes)
    # A door was verified; bottles are a group: nobody knows how many. In the other picture there is no bottle.
    assert boxes(folder) == [("Door", [16, 12, 48, 24])]
    assert [entry.detection_labels for entry in folder.entries] == [None, ["Bottle"]]
    assert folder[0].labels["detection"].labelled.tolist() == [False, True]
    assert any("are not here" in note for note in notes) and any("depictions" in note for note in notes)


def test_cityscapes(tmp_path: Path) -> None:
    folder, _ = read(tmp_path, "cityscapes")
    sample = folder[0]
    semantic = sample.labels["segmentation"]
    assert [folder.labels["segmentation"][i] if i < 255 else None for i in (semantic[0, 0], semantic[8, 0], semantic[15, 15])] == [
        None,
        "road",
        "car",
    ]
    annotations = index(tmp_path / "out")["annotations"]
    assert [(a["bbox"], a["iscrowd"]) for a in annotations] == [([30, 30, 10, 10], 1), ([10, 10, 10, 10], 0)]
    assert sample.labels["depth"][10, 10] == pytest.approx(0.2 * 2200 / 44) and sample.labels["depth"][0, 0] == 0
    assert sample.intrinsics.fx == pytest.approx(2200 * WIDTH / 2048, abs=1e-3)
    assert folder.entries[0].group == "aachen_000000"


def test_camvid_of_both_kinds(tmp_path: Path) -> None:
    folder, _ = read(tmp_path, "camvid")
    semantic = folder[0].labels["segmentation"]
    assert [semantic[0, 0], semantic[5, 0], semantic[9, 0]] == [0, 255, 3] and folder.labels["segmentation"][3] == "road"
    assert {entry.group for entry in folder.entries} == {"0001TP"}
    (tmp_path / "in/camvid/train").rename(tmp_path / "in/camvid/default")
    (tmp_path / "in/camvid/trainannot").rename(tmp_path / "in/camvid/defaultannot")
    folder, report = imported(tmp_path / "in/camvid", tmp_path / "renamed", "auto")
    assert report.format == "camvid" and len(folder) == 2
    write_picture(tmp_path / "c/701_StillsRaw_full/0016E5_00390.png")
    write_png(tmp_path / "c/LabeledApproved_full/0016E5_00390_L.png", np.full((HEIGHT, WIDTH, 3), (128, 64, 128), np.uint8))
    write_text(tmp_path / "c/label_colors.txt", "128 64 128\tRoad\n0 0 0\tVoid\n")
    folder, report = imported(tmp_path / "c", tmp_path / "c_out", "auto")
    assert report.format == "camvid" and folder.labels["segmentation"] == ["Road"] and (folder[0].labels["segmentation"] == 0).all()


def test_areas_and_boxes_of_camvid_are_made_of_its_label_maps(tmp_path: Path) -> None:
    ids = np.full((HEIGHT, WIDTH), 1, np.uint8)  # building
    ids[24:] = 3  # road
    ids[40:, :10] = 4  # pavement
    ids[10:20, 10:22], ids[10:20, 30:40] = 8, 8  # two cars
    ids[2, 2:4] = 9  # two pixels of a pedestrian
    write_picture(tmp_path / "in/camvid/train/0001TP_006690.png")
    write_png(tmp_path / "in/camvid/trainannot/0001TP_006690.png", ids)
    folder, _ = read(tmp_path, "camvid", options={"areas": "yes", "boxes": "yes"})
    assert folder.labels["lanes"] == ["drivable", "pavement"]
    assert folder.labels["detection"] == ["sign", "car", "pedestrian", "bicyclist"]
    assert sorted(boxes(folder)) == [("car", [10, 10, 22, 20]), ("car", [30, 10, 40, 20]), ("pedestrian", [2, 2, 4, 3])]
    bits = folder[0].labels["lanes"].bits
    assert [bits[30, 30], bits[45, 5], bits[5, 5]] == [1, 2, 0]


def test_cambridge_spells_classes_otherwise(tmp_path: Path) -> None:
    colors = np.full((HEIGHT, WIDTH, 3), (128, 64, 128), np.uint8)
    colors[:8], colors[20:24] = (128, 0, 64), (192, 0, 128)  # blue first
    write_picture(tmp_path / "in/camvid/701_StillsRaw_full/0016E5_00390.png")
    write_png(tmp_path / "in/camvid/LabeledApproved_full/0016E5_00390_L.png", colors)
    write_text(tmp_path / "in/camvid/label_colors.txt", "128 64 128\tRoad\n64 0 128\tCar\n128 0 192\tLaneMkgsDriv\n")
    folder, _ = read(tmp_path, "camvid", options={"areas": "yes", "boxes": "yes"})
    assert folder.labels["lanes"] == ["drivable"] and boxes(folder) == [("car", [0, 0, WIDTH, 8])]
    bits = folder[0].labels["lanes"].bits
    assert [bits[22, 3], bits[40, 3], bits[3, 3]] == [1, 1, 0], "markings lie on what is drivable"


def test_bdd100k_boxes_areas_and_lanes(tmp_path: Path) -> None:
    folder, notes = read(tmp_path, "bdd100k")
    assert boxes(folder) == [("car", [10, 5, 40, 25])] and folder.labels["lanes"] == ["drivable", "alternative", "lane"]
    lanes = folder[0].labels["lanes"].bits
    assert lanes[50, 30] == 1 and lanes[35, 100] == 4 and lanes[5, 5] == 0
    assert any("occluded" in note for note in notes)


def test_tusimple_and_culane(tmp_path: Path) -> None:
    folder, notes = read(tmp_path, "tusimple")
    lanes = folder[0].labels["lanes"].bits
    assert [lanes[20, 20], lanes[30, 30], lanes[35, 105], lanes[10, 2]] == [1, 1, 1, 0]
    assert folder.entries[0].group == "clips/0313-1" and any("told apart" in note for note in notes)
    folder, _report = imported(SOURCES["culane"](tmp_path / "culane") or tmp_path / "culane", tmp_path / "culane_out", "culane")
    assert [folder[0].labels["lanes"].bits[y, x] for x, y in ((30, 40), (110, 39), (60, 40))] == [1, 1, 0]


def test_kitti_boxes_in_space(tmp_path: Path) -> None:
    folder, notes = read(tmp_path, "kitti")
    assert boxes(folder) == [("Pedestrian", [10, 5, 20.5, 40])]
    box = index(tmp_path / "out")["annotations"][0]["box_3d"]
    assert box["center_m"] == pytest.approx([1.84, 1.47 - 1.89 / 2, 8.41]) and box["size_m"] == pytest.approx([1.2, 1.89, 0.48])
    assert box["quaternion_xyzw"] == pytest.approx([0, np.sin(0.005), 0, np.cos(0.005)], abs=1e-5)
    assert folder.intrinsics(0) == Intrinsics(WIDTH, HEIGHT, 70.7, 71.7, 30.4, 18.1)
    assert any("DontCare" in note for note in notes)


def test_kitti_depth_of_the_selection_and_of_raw_drives(tmp_path: Path) -> None:
    name = "2011_09_26_drive_0002_sync_image_0000000005_image_02.png"
    write_picture(tmp_path / "a/image" / name)
    depth = np.full((HEIGHT, WIDTH), 256 * 10, np.uint16)
    depth[0], depth[1] = 0, 256 * 80
    write_png(tmp_path / "a/groundtruth_depth" / name.replace("sync_image", "sync_groundtruth_depth"), depth)
    write_text(tmp_path / "a/intrinsics" / name.replace(".png", ".txt"), "721.5 0 31 0 721.5 23 0 0 1")
    folder, report = imported(tmp_path / "a", tmp_path / "a_out", "kitti")
    found = folder[0].labels["depth"]
    assert [found[0, 0], found[1, 0]] == [0, 0] and found[5, 5] == pytest.approx(10)
    assert any("beyond 65.535 m" in note for note in report.notes) and folder.entries[0].group == "2011_09_26_drive_0002"
    drive = "2011_09_26_drive_0001_sync"
    write_picture(tmp_path / f"b/raw/2011_09_26/{drive}/image_02/data/0000000005.png")
    write_png(tmp_path / f"b/train/{drive}/proj_depth/groundtruth/image_02/0000000005.png", depth)
    write_text(tmp_path / "b/raw/2011_09_26/calib_cam_to_cam.txt", "P_rect_02: 7e1 0 31 1 0 7e1 23 0 0 0 1 0\n")
    folder, _ = imported(tmp_path / "b", tmp_path / "b_out", "kitti")
    assert folder.entries[0].group == drive and folder.intrinsics(0).fx == 70


def test_nyu(tmp_path: Path) -> None:
    folder, _ = read(tmp_path, "nyu")
    sample = folder[0]
    assert sample.labels["depth"][0, 0] == 0 and sample.labels["depth"][5, 5] == 2.5
    semantic = sample.labels["segmentation"]
    assert [semantic[0, 0], semantic[0, 5], semantic[15, 20]] == [0, 255, 2]
    assert [entry.group for entry in folder.entries] == ["kitchen_0001", "office_0002"] and folder.entries[1].classes == ["office"]
    assert sample.intrinsics.fx == pytest.approx(518.8579 * WIDTH / 640, abs=1e-3)
    folder, _ = imported(tmp_path / "in/nyu", tmp_path / "mapped", "nyu", classes=recipes()["nyu"].classes, options={"depth": "filled"})
    assert folder.labels["segmentation"] == ["floor", "wall", "bin"] and folder[0].labels["depth"][0, 0] == 2.5


def test_nyu_with_more_classes_than_a_mask_holds_asks_for_a_map(tmp_path: Path) -> None:
    SOURCES["nyu"](tmp_path / "in")
    with h5py.File(tmp_path / "in/nyu_depth_v2_labeled.mat", "a") as file:
        references = [
            file.create_dataset(f"#refs#/more{i}", data=np.array([[ord(c)] for c in f"object {i}"], np.uint16)).ref for i in range(300)
        ]
        del file["names"]
        file.create_dataset("names", data=np.array([references], h5py.ref_dtype))
    with pytest.raises(DataError, match=r"300 classes of segmentation, expected at most 255.*Give a class map \(--classes\)"):
        imported(tmp_path / "in", tmp_path / "out", "nyu")


def test_small_h5_files(tmp_path: Path) -> None:
    (tmp_path / "in/kitchen").mkdir(parents=True)
    with h5py.File(tmp_path / "in/kitchen/00001.h5", "w") as file:
        file["rgb"] = np.random.default_rng(0).integers(0, 256, (3, 480, 640), np.uint8)
        file["depth"] = np.full((480, 640), 1.25, np.float32)
    folder, report = imported(tmp_path / "in", tmp_path / "out", "auto")
    assert report.format == "nyu" and (folder[0].labels["depth"] == 1.25).all() and folder.entries[0].group == "kitchen"


def test_sun_rgbd(tmp_path: Path) -> None:
    folder, notes = read(tmp_path, "sunrgbd")
    assert boxes(folder) == [("desk", [10, 10, 30, 20])]
    assert folder[0].labels["depth"][5, 5] == pytest.approx(1.5) and folder[0].labels["depth"][0, 0] == 0
    assert folder.intrinsics(0).fy == 61.5 and folder.entries[0].classes == ["office"]
    assert any("without a name" in note for note in notes)


def test_tum_rgbd_joins_by_time(tmp_path: Path) -> None:
    folder, notes = read(tmp_path, "tum")
    assert [float(folder[i].labels["depth"][0, 0]) for i in range(2)] == pytest.approx([1.0, 1.1])
    images = index(tmp_path / "out")["images"]
    assert images[0]["pose"] == {"frame": "world", "position_m": [1.5, 2, 3], "quaternion_xyzw": [0, 0, 0, 1]} and "pose" not in images[1]
    assert folder.intrinsics(0).fx == pytest.approx(517.3 * WIDTH / 640, abs=1e-3)
    assert any("without a depth image within 0.02 s" in note for note in notes)


def test_seven_scenes(tmp_path: Path) -> None:
    folder, _ = read(tmp_path, "7scenes", "seven-scenes")
    assert folder[0].labels["depth"][5, 5] == 1.25 and folder[0].labels["depth"][0, 0] == 0
    pose = index(tmp_path / "out")["images"][0]["pose"]
    assert pose["position_m"] == [0.5, 0.25, 2] and pose["quaternion_xyzw"] == pytest.approx([0, 0, np.sqrt(0.5), np.sqrt(0.5)])


def test_mot_keeps_tracks(tmp_path: Path) -> None:
    folder, notes = read(tmp_path, "mot")
    assert [boxes(folder, i) for i in range(2)] == [[("pedestrian", [10, 5, 30, 35])], [("pedestrian", [12, 5, 32, 35])]]
    assert [a.get("track") for a in index(tmp_path / "out")["annotations"]] == [1, 1, 7]
    assert any("not to be scored" in note for note in notes)


def test_folders_are_classes(tmp_path: Path) -> None:
    SOURCES["folders"](tmp_path / "in/folders")
    report = import_data(tmp_path / "in/folders", tmp_path / "out", Settings("folders", split={"own": 1.0}))
    assert report.sides == {"train": 2, "val": 2}
    assert [image["classes"] for image in index(tmp_path / "out/val")["images"]] == [["cat"], ["dog"]]


def test_a_bag_gives_pictures_by_time_with_depth(tmp_path: Path) -> None:
    folder, _ = read(tmp_path, "rosbag2", "drive")
    assert len(folder) == 5 and {entry.group for entry in folder.entries} == {"drive"}
    assert [float(folder[i].labels["depth"][0, 0]) for i in range(5)] == pytest.approx([1.0, 1.01, 1.02, 1.03, 1.04])
    assert [image["stamp_ns"] for image in index(tmp_path / "out")["images"]] == [START_NS + i * 1_000_000_000 for i in range(5)]
    assert folder.intrinsics(0).width == 96


def test_a_bag_gives_pictures_by_novelty_with_poses(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scenes = [np.kron(rng.integers(0, 256, (4, 6, 3), np.uint8), np.ones((16, 16, 1), np.uint8)) for _ in range(3)]
    with SmallBag(tmp_path / "bag") as bag:
        for frame in range(30):
            bag.write_camera_info(frame)
            bag.write_raw(frame, pixels=scenes[frame // 10])
            make = bag.make
            rotation = make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
            transform = make(
                "geometry_msgs/msg/Transform",
                translation=make("geometry_msgs/msg/Vector3", x=float(frame), y=0.0, z=0.0),
                rotation=rotation,
            )
            stamped = make(
                "geometry_msgs/msg/TransformStamped",
                header=bag.header(frame, "odom"),
                child_frame_id="camera_color_optical_frame",
                transform=transform,
            )
            bag.write("/tf", frame, make("tf2_msgs/msg/TFMessage", transforms=[stamped]))
    report = import_data(tmp_path / "bag", tmp_path / "out", Settings("rosbag2", options={"every": "0", "novelty": "8"}))
    # Nothing is labelled in these: they are there to be labelled.
    assert report.folders == [str(tmp_path / "out/unlabelled")] and not (tmp_path / "out/dataset.json").exists()
    assert len(list((tmp_path / "out/unlabelled").rglob("*.jpg"))) == 3
    assert any("without a depth image that is registered" in note for note in report.notes)


def test_a_bag_that_breaks_off_is_named(tmp_path: Path) -> None:
    SOURCES["drive"](tmp_path / "drive")
    file = next((tmp_path / "drive").glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match="drive"):
        imported(tmp_path / "drive", tmp_path / "out", "rosbag2")


@pytest.mark.parametrize("name", sorted(recipes()))
def test_recipes_give_this_projects_classes(tmp_path: Path, name: str) -> None:
    recipe = recipes()[name]
    SOURCES["doordetect" if name == "doordetect" else recipe.format](tmp_path / "in")
    from typer.testing import CliRunner

    from mtl_perception.cli.app import app

    arguments = ["import", recipe.format, str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--recipe", name]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    folder = ImageFolder(tmp_path / "out")
    expected = {"coco": ["table", "cup", "person"], "openimages": ["bottle", "door"], "sunrgbd": ["table"], "nyu": [],
                "doordetect": ["door", "handle", "cabinet door", "refrigerator door"]}  # fmt: skip
    assert folder.labels["detection"] == expected[name]
    if name == "coco":
        assert folder.entries[0].detection_labels == ["cup", "person"]  # of tables, only those to dine at

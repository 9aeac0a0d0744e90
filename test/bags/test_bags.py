# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from small_bags import HEIGHT, WIDTH, SmallBag, picture, write_drive

from mtl_perception.bags import Bag, BagError


@pytest.mark.parametrize("storage, name", [("MCAP", ""), ("SQLITE3", ""), ("MCAP", "drive.mcap"), ("SQLITE3", "drive.db3")])
def test_frames_of_a_bag_and_of_its_bare_file(tmp_path, storage, name):
    write_drive(tmp_path / "drive", 4, storage=storage)
    with Bag(tmp_path / "drive" / name) as bag:
        image = bag.find_image()
        assert image.name == "/camera/image_raw/compressed" and image.count == 4
        frames = list(bag.frames(image, bag.find_camera_info(image)))
        assert bag.duration_s == pytest.approx(0.3)
    assert len(frames) == 4
    for number, frame in enumerate(frames):
        assert np.abs(frame.image_rgb.astype(int) - picture(number)).mean() < 12  # JPEG
        assert (frame.intrinsics.width, frame.intrinsics.height, frame.intrinsics.fx) == (WIDTH, HEIGHT, 80)
        assert frame.stamp_ns == frame.time_ns and frame.message.header.frame_id == "camera_color_optical_frame"


def test_the_camera_is_found_among_depth_masks_and_truth(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_camera_info(0, "/head/color/camera_info")
        bag.write_camera_info(0, "/head/depth/camera_info", focal=10)
        bag.write_raw(0, "/head/color/image_raw")
        bag.write_jpeg(0, "/head/color/image_raw/compressed")
        bag.write_jpeg(0, "/uncalibrated/image_raw/compressed")
        bag.write_raw(0, "/head/depth/image_rect_raw", "16UC1", np.ones((HEIGHT, WIDTH), np.uint16))
        bag.write_raw(0, "/head/infra/image_raw", "mono8", np.ones((HEIGHT, WIDTH), np.uint8))
        bag.write_truth(0)
    with Bag(tmp_path / "bag") as bag:
        image = bag.find_image()
        assert image.name == "/head/color/image_raw"
        assert bag.find_camera_info(image).name == "/head/color/camera_info"
        assert bag.find_image("/head/infra/image_raw").name == "/head/infra/image_raw"
        assert bag.find_camera_info(image, "/head/depth/camera_info").name == "/head/depth/camera_info"


def test_two_cameras_are_a_question_to_the_user(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0, "/left/image_raw/compressed")
        bag.write_jpeg(0, "/right/image_raw/compressed")
    with Bag(tmp_path / "bag") as bag:
        with pytest.raises(BagError, match="--image out of /left/image_raw/compressed, /right"):
            bag.find_image()
        assert bag.find_camera_info(bag.find_image("/left/image_raw/compressed")) is None


def test_a_wanted_topic_must_be_there_and_fit(tmp_path):
    write_drive(tmp_path / "drive", 1)
    with Bag(tmp_path / "drive") as bag:
        with pytest.raises(BagError, match="no topic /front; it has /camera/camera_info, /camera/image_raw"):
            bag.find_image("/front")
        with pytest.raises(BagError, match="is sensor_msgs/msg/CameraInfo, expected"):
            bag.find_image("/camera/camera_info")
        with pytest.raises(BagError, match="expected sensor_msgs/msg/CameraInfo"):
            bag.find_camera_info(bag.find_image(), "/camera/image_raw/compressed")
        with pytest.raises(BagError, match="no topic /nowhere"):
            list(bag.messages("/nowhere"))


def test_a_bag_without_images_is_named(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_camera_info(0)
        bag.write_truth(0)
    with (
        Bag(tmp_path / "bag") as bag,
        pytest.raises(BagError, match="no camera images; it has /camera/camera_info, /gr"),
    ):
        bag.find_image()


def test_a_bag_without_messages_is_named(tmp_path):
    with SmallBag(tmp_path / "bag"):
        pass
    with Bag(tmp_path / "bag") as bag:
        assert bag.duration_s == 0
        with pytest.raises(BagError, match="no topic at all"):
            bag.find_image()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("whole_folder", [True, False])
def test_a_truncated_mcap_is_named(tmp_path, share, whole_folder):
    file = write_drive(tmp_path / "drive", 3) / "drive.mcap"
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(BagError, match=r"drive.mcap is truncated: .*'mcap recover"):
        with Bag(file.parent if whole_folder else file):
            pass


def test_a_damaged_chunk_is_named_when_it_is_reached(tmp_path):
    file = write_drive(tmp_path / "drive", 3) / "drive.mcap"
    data = bytearray(file.read_bytes())
    for index in range(len(data) // 4, len(data) // 2):
        data[index] ^= 0x5A
    file.write_bytes(data)
    with Bag(file) as bag, pytest.raises(BagError, match="drive"):
        for topic in bag.topics:
            for message in bag.messages(topic):
                bag.deserialize(message)


def test_a_truncated_database_is_named(tmp_path):
    file = write_drive(tmp_path / "drive", 3, storage="SQLITE3") / "drive.db3"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])
    with pytest.raises(BagError, match="can't be read"), Bag(file) as bag:
        list(bag.frames(bag.find_image(), None))


def test_what_is_no_bag_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    (tmp_path / "film.mp4").write_bytes(b"")
    unfinished = write_drive(tmp_path / "unfinished", 1)
    (unfinished / "metadata.yaml").unlink()
    for name, message in {
        "missing": "does not exist",
        "empty": "no metadata.yaml",
        "old.bag": "ROS 1 bag",
        "film.mp4": "is no bag",
        "unfinished": "was cut off; run 'ros2 bag reindex",
    }.items():
        with pytest.raises(BagError, match=message), Bag(tmp_path / name):
            pass


def test_bad_images_and_calibrations_are_told_and_passed_over(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_camera_info(0)
        bag.write_jpeg(0)
        bag.write_jpeg(1, data=b"\xff\xd8\xff\xda cut off")
        bag.write_camera_info(2, focal=float("nan"))
        bag.write_jpeg(2)
    with Bag(tmp_path / "bag") as bag:
        image = bag.find_image()
        good, cut, uncalibrated = bag.frames(image, bag.find_camera_info(image))
    assert good.image_rgb is not None and good.problem == ""
    assert cut.image_rgb is None and "truncated" in cut.problem
    assert uncalibrated.image_rgb is not None and uncalibrated.intrinsics is None and "fx is nan" in uncalibrated.problem

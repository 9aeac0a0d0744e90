# SPDX-License-Identifier: Apache-2.0
"""Bags that this package did not write: other recorders, other storages, other objects beside the camera."""

import sqlite3
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from mcap.writer import IndexType
from small_bags import HEIGHT, WIDTH, SmallBag, picture, write_drive
from strange_mcap import COMPRESSED_IMAGE, IMAGE_TOPIC, StrangeMcap, jpeg_message

from mtl_perception.bags import Bag, BagError
from mtl_perception.core.camera_info import read_intrinsics

OTHER_QOS = "- history: 3\n  depth: 0\n  reliability: 2\n  durability: 2\n"


def edit_metadata(bag: Path, edit) -> None:
    file = bag / "metadata.yaml"
    content = yaml.safe_load(file.read_text())
    edit(content["rosbag2_bagfile_information"])
    file.write_text(yaml.safe_dump(content))


def images(path: Path, **options) -> list[np.ndarray]:
    with Bag(path) as bag:
        topic = bag.find_image()
        return [frame.image_rgb for frame in bag.frames(topic, bag.find_camera_info(topic), **options)]


def assert_drive(found: list[np.ndarray], count: int) -> None:
    assert len(found) == count
    for number, image in enumerate(found):
        assert np.abs(image.astype(int) - picture(number)).mean() < 12  # JPEG


# QoS, counts, metadata.yaml


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_a_bag_whose_metadata_names_another_qos_than_its_storage_is_read(tmp_path, storage):
    bag = write_drive(tmp_path / "drive", 4, storage=storage)

    def change(metadata):
        for topic in metadata["topics_with_message_count"]:
            topic["topic_metadata"]["offered_qos_profiles"] = OTHER_QOS

    edit_metadata(bag, change)
    assert_drive(images(bag), 4)


def test_publishers_of_one_topic_with_several_qos_are_one_topic(tmp_path):
    with StrangeMcap(tmp_path / "two.mcap") as file:
        file.put_images([0, 2])
        file.put_images([1, 3])
    with Bag(tmp_path / "two.mcap") as bag:
        assert bag.topics[IMAGE_TOPIC].count == 4
    assert_drive(images(tmp_path / "two.mcap"), 4)


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_fewer_messages_than_counted_are_an_error_by_name_after_those_that_are_there(tmp_path, storage):
    bag = write_drive(tmp_path / "drive", 4, storage=storage)

    def claim_more(metadata):
        for topic in metadata["topics_with_message_count"]:
            topic["message_count"] += 3

    edit_metadata(bag, claim_more)
    read = []
    with Bag(bag) as opened:
        image = opened.find_image()
        with pytest.raises(BagError, match=rf"counts 7 messages on {IMAGE_TOPIC}, and only 4 can be read.*ros2 bag reindex"):
            read.extend(opened.frames(image, None))
    assert len(read) == 4
    assert_drive(images(next(path for path in bag.iterdir() if path.suffix != ".yaml")), 4)  # the file itself claims no more


def test_an_index_that_misses_rows_of_the_database_is_an_error(tmp_path):
    file = write_drive(tmp_path / "drive", 4, storage="SQLITE3", truth=False) / "drive.db3"
    with sqlite3.connect(file) as database:
        database.executescript(
            "DROP INDEX timestamp_idx; CREATE INDEX timestamp_idx ON messages (timestamp) WHERE id < 5;"
            "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'CREATE INDEX timestamp_idx ON messages (timestamp)'"
            " WHERE name = 'timestamp_idx';"
        )
    with Bag(file) as bag, pytest.raises(BagError, match="messages on /camera/.*, and only 2 can be read"):
        list(bag.frames(bag.find_image(), bag.find_camera_info(bag.find_image())))


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "holds NoneType"),
        ("\tx: [", "not valid YAML"),
        ("a: 1", "rosbag2_bagfile_information"),
        ("rosbag2_bagfile_information: {version: 9, relative_file_paths: []}", "names no file"),
        ("rosbag2_bagfile_information: {version: 9, relative_file_paths: [1]}", "relative_file_paths"),
        ("rosbag2_bagfile_information: {version: 9, relative_file_paths: [other.mcap]}", "other.mcap is missing"),
        (
            "rosbag2_bagfile_information: {version: 9, relative_file_paths: [drive.mcap], compression_mode: FILE, compression_format: lz4}",
            "compressed with 'lz4', expected zstd",
        ),
    ],
)
def test_metadata_that_can_t_be_used_is_named(tmp_path, text, message):
    bag = write_drive(tmp_path / "drive", 1)
    (bag / "metadata.yaml").write_text(text)
    with pytest.raises(BagError, match=f"(?s)drive.*{message}"), Bag(bag):
        pass


# what is no image


FOREIGN = {
    "/service/_service_event": ("cdr", ("example/srv/Object_Event", "ros2msg", b"int32 code\n"), "service events"),
    "/raw_service": ("cdr", ("example/srv/Object", "ros2msg", b"int32 a\n---\nint32 b\n"), "example/srv/Object"),
    "/json": ("json", ("thing", "jsonschema", b'{"type": "object"}'), "its messages are json, expected cdr"),
    "/protobuf": ("protobuf", ("foxglove.Log", "protobuf", bytes(range(128, 256))), "its messages are protobuf"),
    "/nothing_said": ("", None, "of no known encoding"),
    "/cdr_without_a_type": ("cdr", None, "without a type"),
    "/ros1": ("ros1", ("sensor_msgs/Image", "ros1msg", b"uint32 height"), "its messages are ros1"),
}


@pytest.mark.parametrize("profile", ["ros2", ""])
def test_what_is_no_image_is_left_out_and_named(tmp_path, profile):
    with StrangeMcap(tmp_path / "mixed.mcap", profile) as file:
        for topic, (encoding, schema, _) in FOREIGN.items():
            file.put(file.channel(topic, encoding, schema), 0, b"\x00\x01\x00\x00{}")
        for topic, definition in {"/broken": b"int32 (((", "/partial": b"example/Other other\n"}.items():
            file.put(file.channel(topic, "cdr", (f"example/msg{topic.title()}", "ros2msg", definition)), 0, b"\x00\x01\x00\x00")
        file.put_images(range(3))
    with Bag(tmp_path / "mixed.mcap") as bag:
        assert bag.find_image().count == 3
        assert set(bag.topics) == {IMAGE_TOPIC, "/broken", "/partial"}
        assert set(bag.skipped) == set(FOREIGN)
        for topic, (_, _, reason) in FOREIGN.items():
            assert reason in bag.skipped[topic]
            with pytest.raises(BagError, match=f"{topic} can't be read: .*{reason}"):
                bag.find_image(topic)
        with pytest.raises(BagError, match="a message on /broken is no example/msg/Broken .*can't be understood"):
            bag.deserialize(next(bag.messages("/broken")))
        with pytest.raises(BagError, match="a message on /partial is no example/msg/Partial .*lacks that of 'example/msg/Other'"):
            bag.deserialize(next(bag.messages("/partial")))
    assert_drive(images(tmp_path / "mixed.mcap"), 3)


def test_a_bag_with_nothing_but_foreign_channels_says_so(tmp_path):
    with StrangeMcap(tmp_path / "json.mcap") as file:
        file.put(file.channel("/camera", "json", None), 0, b"{}")
    with (
        Bag(tmp_path / "json.mcap") as bag,
        pytest.raises(BagError, match="no camera images; .*/camera is left out: its messages are json"),
    ):
        bag.find_image()


def test_a_topic_of_two_types_has_the_one_that_most_messages_have(tmp_path):
    with StrangeMcap(tmp_path / "two.mcap") as file:
        file.put_images(range(3))
        file.put(file.ros_channel(IMAGE_TOPIC, "std_msgs/msg/Empty"), 1, b"\x00\x01\x00\x00\x00")
    with Bag(tmp_path / "two.mcap") as bag:
        assert bag.skipped == {IMAGE_TOPIC: "1 of its messages are std_msgs/msg/Empty"}
    assert_drive(images(tmp_path / "two.mcap"), 3)


@pytest.mark.parametrize(
    "change", ["UPDATE message_definitions SET encoding = 'unknown', encoded_message_definition = ''", "DROP TABLE message_definitions"]
)
def test_a_database_that_does_not_know_a_definition_is_read_with_ours(tmp_path, change):
    file = write_drive(tmp_path / "drive", 3, storage="SQLITE3") / "drive.db3"
    with sqlite3.connect(file) as database:
        database.execute(change)
    assert_drive(images(file), 3)


def test_an_image_that_is_defined_otherwise_is_refused_before_its_fields_are_missed(tmp_path):
    with StrangeMcap(tmp_path / "other.mcap") as file:
        schema = (COMPRESSED_IMAGE, "ros2msg", b"string kind\nuint8[] data\n")
        file.put(file.channel(IMAGE_TOPIC, "cdr", schema), 0, b"\x00\x01\x00\x00" + bytes(16))
    with Bag(tmp_path / "other.mcap") as bag, pytest.raises(BagError, match="CompressedImage otherwise than ROS 2 Jazzy: header, format"):
        bag.find_image()


# which topic is the camera


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


GREY16, GREY8, COLOUR = (np.ones(shape, dtype) for shape, dtype in (((8, 8), np.uint16), ((8, 8), np.uint8), ((8, 8, 3), np.uint8)))


@pytest.mark.parametrize("form", ["", "jpeg", "jpg", "rgb8; jpeg compressed bgr8", "bgr8;jpeg compressed", "?"])
def test_a_jpeg_is_a_camera_whatever_its_format_says(tmp_path, form):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0, form=form)
    assert_drive(images(tmp_path / "bag"), 1)


@pytest.mark.parametrize(
    "form, data, is_camera, what",
    [
        ("", png(COLOUR), True, ""),
        ("png", png(COLOUR), True, ""),
        ("png", png(GREY8), True, ""),
        ("mono16; png compressed ", png(GREY16), True, ""),
        ("", png(GREY16), False, "16-bit grey PNG"),
        ("png", png(GREY16), False, "16-bit grey PNG"),
        ("16UC1; png compressed ", png(GREY16), False, "depth \\(16UC1\\)"),
        ("32FC1; compressedDepth png", bytes(12) + png(GREY16), False, "compressedDepth"),
        ("h264", b"\x00\x00\x00\x01\x67", False, "neither JPEG nor PNG \\(format 'h264'"),
        ("jpeg", b"", False, "first bytes none"),
    ],
)
def test_depth_and_films_are_no_camera(tmp_path, form, data, is_camera, what):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0, "/x/image/compressed", data, form)
    with Bag(tmp_path / "bag") as bag:
        if is_camera:
            assert bag.find_image().name == "/x/image/compressed"
        else:
            with pytest.raises(BagError, match=f"no camera images; it has /x/image/compressed; /x/image/compressed is .*{what}"):
                bag.find_image()


def test_a_depth_png_beside_the_camera_is_not_a_second_camera(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0, "/color/image_raw/compressed", form="")
        bag.write_jpeg(0, "/depth/image_raw/compressed", png(GREY16), "16UC1; png compressed ")
        bag.write_jpeg(0, "/depth/image_raw/compressedDepth", bytes(12) + png(GREY16), "16UC1; compressedDepth png")
    with Bag(tmp_path / "bag") as bag:
        assert bag.find_image().name == "/color/image_raw/compressed"
        assert bag.find_image("/depth/image_raw/compressed").count == 1  # who asks for it gets it
        with pytest.raises(BagError, match="/depth/image_raw/compressedDepth is depth"):
            bag.find_image("/depth/image_raw/compressedDepth")


# calibration


@pytest.mark.parametrize("rectified", [False, True])
def test_intrinsics_are_those_of_the_node_with_region_binning_and_projection(tmp_path, rectified):
    """The camera reads a region of a sensor four times as large, binned by two."""
    p = [300.0, 0, 190, 0, 0, 310, 130, 0, 0, 0, 1, 0]
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_camera_info(
            0,
            focal=320.0,
            region=(100, 60, 2 * WIDTH, 2 * HEIGHT),
            width=4 * WIDTH,
            height=4 * HEIGHT,
            k=np.array([320.0, 0, 200, 0, 320, 128, 0, 0, 1]),
            p=np.array(p),
            binning_x=2,
            binning_y=2,
        )
        bag.write_jpeg(0)
    with Bag(tmp_path / "bag") as bag:
        image = bag.find_image()
        (frame,) = bag.frames(image, bag.find_camera_info(image), rectified=rectified)
    fx, cx, cy = (150.0, 45, 35) if rectified else (160.0, 50, 34)
    found = frame.intrinsics
    assert (found.width, found.height, found.fx) == (WIDTH, HEIGHT, fx)
    assert (found.cx, found.cy) == pytest.approx((cx - 0.25, cy - 0.25))
    assert found == read_intrinsics(frame.camera_info, WIDTH, HEIGHT, rectified=rectified)


def test_messages_that_are_none_are_told_and_passed_over(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_camera_info(0)
        bag.write_jpeg(0)
        bag.write_bytes(IMAGE_TOPIC, 1, COMPRESSED_IMAGE, b"\x00\x01\x00\x00")
        bag.write_bytes("/camera/camera_info", 2, "sensor_msgs/msg/CameraInfo", b"\x00\x01\x00\x00")
        bag.write_jpeg(2)
        bag.write_jpeg(3)
    with Bag(tmp_path / "bag") as bag:
        image = bag.find_image()
        good, none, uncertain, after = bag.frames(image, bag.find_camera_info(image))
    assert good.problem == "" and good.intrinsics is not None
    assert none.message is None and none.image_rgb is None and f"a message on {IMAGE_TOPIC} is no {COMPRESSED_IMAGE}" in none.problem
    assert "/camera/camera_info is no" in uncertain.problem and uncertain.intrinsics == good.intrinsics
    assert after.problem == ""


# storages


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
@pytest.mark.parametrize("compression", ["NONE", "MESSAGE", "FILE"])
def test_every_compression_of_rosbag2_is_read(tmp_path, storage, compression):
    bag = write_drive(tmp_path / "drive", 4, storage=storage, compression=compression)
    assert_drive(images(bag), 4)
    (file,) = (path for path in bag.iterdir() if path.suffix != ".yaml")
    assert (file.suffix == ".zstd") == (compression == "FILE")
    assert_drive(images(file), 4)
    if compression == "FILE":
        assert_drive(images(file.rename(tmp_path / f"lone{Path(file.stem).suffix}.zst")), 4)


@pytest.mark.parametrize("storage, inner", [("MCAP", "truncated"), ("SQLITE3", "truncated")])
def test_a_compressed_file_that_is_cut_off_is_named(tmp_path, storage, inner):
    bag = write_drive(tmp_path / "drive", 4, storage=storage, compression="FILE")
    (file,) = (path for path in bag.iterdir() if path.suffix != ".yaml")
    file.write_bytes(file.read_bytes()[:-100])
    for path in (bag, file):
        with pytest.raises(BagError, match=f"{file.name} is {inner}"), Bag(path):
            pass
    file.write_bytes(b"no zstd")
    with pytest.raises(BagError, match=f"{file.name} can't be unpacked"), Bag(bag):
        pass


def test_unpacking_leaves_nothing_behind(tmp_path, monkeypatch):
    bag = write_drive(tmp_path / "drive", 2, compression="FILE")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with Bag(bag):
        assert len(list((tmp_path / "temporary").iterdir())) == 1
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("ending", [".mcap", ".db3"])
def test_a_split_bag_is_read_over_all_of_its_files(tmp_path, ending):
    whole = tmp_path / "whole"
    for part, frames in enumerate(((0, 1, 2), (3, 4), ())):
        with SmallBag(tmp_path / f"whole_{part}", "MCAP" if ending == ".mcap" else "SQLITE3") as bag:
            for frame in frames:
                bag.write_camera_info(frame)
                bag.write_jpeg(frame)
    whole.mkdir()
    for part in range(3):
        (tmp_path / f"whole_{part}" / f"whole_{part}{ending}").rename(whole / f"whole_{part}{ending}")
    (tmp_path / "whole_0" / "metadata.yaml").rename(whole / "metadata.yaml")

    def join(metadata):
        metadata["relative_file_paths"] = [f"{folder}whole_{part}{ending}" for part, folder in enumerate(("", "whole/", ""))]
        for topic in metadata["topics_with_message_count"]:
            topic["message_count"] = 5

    edit_metadata(whole, join)
    assert_drive(images(whole), 5)
    with Bag(whole) as bag:
        assert bag.topics[IMAGE_TOPIC].count == 5 and bag.duration_s == pytest.approx(0.4)
    (whole / f"whole_1{ending}").unlink()
    with pytest.raises(BagError, match=f"whole_1{ending} is missing"), Bag(whole):
        pass


@pytest.mark.parametrize(
    "options",
    [
        {"use_chunking": False},
        {"index_types": IndexType.NONE},
        {"use_statistics": False},
        {"repeat_channels": False},
        {"repeat_schemas": False, "use_summary_offsets": False},
        {
            "index_types": IndexType.NONE,
            "use_statistics": False,
            "repeat_channels": False,
            "repeat_schemas": False,
            "use_summary_offsets": False,
        },
    ],
)
def test_an_mcap_without_parts_of_its_summary_is_read(tmp_path, options):
    with StrangeMcap(tmp_path / "bare.mcap", chunk_size=20_000, **options) as file:
        file.put_images(range(8))
    with Bag(tmp_path / "bare.mcap") as bag:
        assert bag.duration_s == pytest.approx(0.7)
        topic = bag.find_image()
        assert topic.count == 8
        first, second = bag.messages(IMAGE_TOPIC), bag.messages(IMAGE_TOPIC)  # several passes side by side
        assert [(one.time_ns, one.data) for one in first] == [(one.time_ns, one.data) for one in second]
    assert_drive(images(tmp_path / "bare.mcap"), 8)


def test_messages_out_of_order_are_sorted_by_the_index_and_without_it_named(tmp_path):
    for name, options in {"indexed": {}, "bare": {"index_types": IndexType.NONE}}.items():
        with StrangeMcap(tmp_path / f"{name}.mcap", **options) as file:
            channel = file.put_images([0, 2])
            file.put(channel, 1, jpeg_message(file.store, 1))
    assert_drive(images(tmp_path / "indexed.mcap"), 3)
    with pytest.raises(BagError, match="bare.mcap has messages that are not in the order of time; 'mcap sort'"):
        images(tmp_path / "bare.mcap")


def test_a_database_that_is_still_recorded_is_read_as_far_as_it_goes(tmp_path):
    """The newest messages are in its write-ahead log, which is not part of the file yet."""
    file = write_drive(tmp_path / "drive", 3, storage="SQLITE3", truth=False) / "drive.db3"
    recorder = sqlite3.connect(file)
    recorder.execute("PRAGMA journal_mode = WAL")
    recorder.execute("PRAGMA wal_autocheckpoint = 0")
    recorder.execute("INSERT INTO messages (topic_id, timestamp, data) SELECT topic_id, timestamp + 300000000, data FROM messages")
    recorder.commit()
    try:
        assert file.with_name("drive.db3-wal").stat().st_size > 0
        with Bag(file) as bag:
            assert bag.topics[IMAGE_TOPIC].count == 6 == len(list(bag.messages(IMAGE_TOPIC)))
    finally:
        recorder.close()


@pytest.mark.parametrize("name", ["what?.db3", "50%23.db3", "a#b.db3", "ü b.db3"])
def test_names_that_mean_something_in_a_uri_are_names(tmp_path, name):
    file = (write_drive(tmp_path / "drive", 2, storage="SQLITE3") / "drive.db3").rename(tmp_path / name)
    assert_drive(images(file), 2)


@pytest.mark.parametrize("ending, message", [(".mcap", "is truncated"), (".db3", "lacks the tables"), (".mcap.zst", "is truncated")])
def test_an_empty_file_is_named(tmp_path, ending, message):
    file = tmp_path / f"empty{ending}"
    file.touch()
    with pytest.raises(BagError, match=f"empty{ending} .*{message}"), Bag(file):
        pass


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_an_empty_bag_is_named(tmp_path, storage):
    with SmallBag(tmp_path / "bag", storage):
        pass
    with Bag(tmp_path / "bag") as bag:
        assert (bag.duration_s, bag.topics) == (0, {})
        with pytest.raises(BagError, match="no camera images; it has no topic at all"):
            bag.find_image()


def test_what_is_no_file_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.mcap")
    with pytest.raises(BagError, match="pipe.mcap is no bag"), Bag(tmp_path / "pipe.mcap"):
        pass

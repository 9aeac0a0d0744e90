# SPDX-License-Identifier: Apache-2.0
"""Bags through the node and back into bags, with the engine of ``red_engine`` in a process of its own."""

import io
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import red_engine
import yaml
from mcap.reader import make_reader
from replays import RED_NODE, live, offline
from rich.console import Console
from rosbags.highlevel import AnyReader
from small_bags import HEIGHT, START_NS, WIDTH, SmallBag, box, write_drive
from small_disk import small_disk
from strange_mcap import StrangeMcap

from mtl_perception.bags import Bag, BagError, stamp_ns
from mtl_perception.core.resources import resource
from mtl_perception.ros.replay.live import ReplayError, replay_live
from mtl_perception.ros.replay.recording import Recording
from mtl_perception.ros.replay.replay import node_parameters, replay_bag, report_table

DATA_TOPICS = {
    "/perception/detections": "vision_msgs/msg/Detection2DArray",
    "/perception/detections_3d": "vision_msgs/msg/Detection3DArray",
    "/perception/segmentation/mask": "sensor_msgs/msg/Image",
    "/perception/segmentation/confidence": "sensor_msgs/msg/Image",
    "/perception/depth/image_rect": "sensor_msgs/msg/Image",
    "/perception/depth/camera_info": "sensor_msgs/msg/CameraInfo",
    "/perception/status": "mtl_perception/msg/PerceptionStatus",
}
LABEL_INFO = "/perception/segmentation/label_info"


def read(path: Path, *topics: str) -> list:
    with Bag(path) as bag:
        return [(message, bag.deserialize(message)) for message in bag.messages(*topics or tuple(bag.topics))]


@pytest.fixture(scope="module")
def drive(tmp_path_factory) -> Path:
    return write_drive(tmp_path_factory.mktemp("bags") / "drive", 8)


def test_offline_is_the_same_twice_to_the_bit(drive, tmp_path):
    reports = [offline(drive, tmp_path / name / "outputs", overlay=True) for name in ("first", "second")]
    first, second = ((tmp_path / name / "outputs/outputs.mcap").read_bytes() for name in ("first", "second"))
    assert first == second
    assert [report.frames_processed for report in reports] == [8, 8]
    assert [frame.stamp_ns for frame in reports[0].frames] == [frame.stamp_ns for frame in reports[1].frames]


def test_offline_records_every_topic_of_every_frame(drive, tmp_path):
    offline(drive, tmp_path / "out")
    with Bag(tmp_path / "out") as bag:
        assert {name: topic.type for name, topic in bag.topics.items() if name != LABEL_INFO} == DATA_TOPICS
        assert all(topic.count == 8 for name, topic in bag.topics.items() if name != LABEL_INFO)
        assert bag.topics[LABEL_INFO].count == 1
    with Bag(drive) as bag:
        image = bag.find_image()
        stamps = [frame.stamp_ns for frame in bag.frames(image, None)]
    for topic in DATA_TOPICS:
        messages = read(tmp_path / "out", topic)
        assert [stamp_ns(message) for _, message in messages] == stamps
        assert [recorded.time_ns for recorded, _ in messages] == stamps
        assert {message.header.frame_id for _, message in messages} == {"camera_color_optical_frame"}


def test_recorded_results_are_those_of_the_engine(drive, tmp_path):
    offline(drive, tmp_path / "out")
    for number, (_, message) in enumerate(read(tmp_path / "out", "/perception/detections")):
        x1, y1, x2, y2 = box(number)
        (found,) = message.detections
        assert found.results[0].hypothesis.class_id == "cup"
        center = found.bbox.center.position
        assert (center.x, center.y) == pytest.approx(((x1 + x2) / 2, (y1 + y2) / 2), abs=1.5)
    for number, (_, message) in enumerate(read(tmp_path / "out", "/perception/depth/image_rect")):
        depth_m = message.data.view(np.float32).reshape(HEIGHT, WIDTH)
        x1, y1, x2, y2 = box(number)
        assert depth_m[(y1 + y2) // 2, (x1 + x2) // 2] == pytest.approx(1.5)
        assert depth_m[0, 0] == pytest.approx(3.0)


def test_recordings_hold_what_ros2_bag_reads(drive, tmp_path):
    offline(drive, tmp_path / "out")
    content = yaml.safe_load((tmp_path / "out/metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert content["storage_identifier"] == "mcap" and content["version"] == 9
    hashes = {
        entry["topic_metadata"]["name"]: entry["topic_metadata"]["type_description_hash"] for entry in content["topics_with_message_count"]
    }
    assert hashes["/perception/detections"] == ("RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968")
    assert {e["topic_metadata"]["offered_qos_profiles"][0]["reliability"] for e in content["topics_with_message_count"]} == {"reliable"}
    with AnyReader([tmp_path / "out"]) as bag:
        qos = {one.topic: one.ext.offered_qos_profiles[0].durability.name for one in bag.connections}
        assert {qos.pop(LABEL_INFO), *qos.values()} == {"TRANSIENT_LOCAL", "VOLATILE"}
        assert sum(1 for _ in bag.messages()) == content["message_count"] == bag.message_count


@pytest.fixture(scope="module", params=["FFMPEGPacket", "CompressedVideo"])
def video_drive(request, tmp_path_factory) -> Path:
    pytest.importorskip("av", reason="decodes video: pip install av")
    from video_bags import COMPRESSED_VIDEO, FFMPEG_PACKET, write_video
    from videos import has_encoder, packets

    if not has_encoder("h264"):
        pytest.skip("no encoder of H.264")
    (kind,) = (one for one in (FFMPEG_PACKET, COMPRESSED_VIDEO) if one.endswith(request.param))
    return write_video(tmp_path_factory.mktemp("bags") / "video", kind, "h264", packets("h264")[3:])


def left_edges(path: Path) -> dict[int, float]:
    """Number of the picture → left edge of the red box in it."""
    found = {}
    for _, message in read(path, "/perception/detections"):
        box = message.detections[0].bbox
        found[round((stamp_ns(message) - START_NS) / 1e8)] = box.center.position.x - box.size_x / 2
    return found


def test_a_camera_of_video_is_replayed_offline(video_drive, tmp_path):
    """From its first key frame on; the red box moves by a pixel a picture."""
    report = offline(video_drive, tmp_path / "out")
    assert (report.frames_in, report.frames_processed, report.frames_rejected) == (27, 20, 7)
    assert any("begins in the middle: nothing is shown until the first key frame" in warning for warning in report.warnings)
    found = left_edges(tmp_path / "out")
    assert list(found) == list(range(10, 30)) and all(abs(left - (8 + number)) < 5 for number, left in found.items())


@pytest.mark.slow
def test_a_camera_of_video_is_replayed_live(video_drive, tmp_path):
    """Over the node's own transport for it. Which pictures the node finds time for depends on the machine."""
    pytest.importorskip("ffmpeg_image_transport_msgs.msg", reason="make setup builds it where ROS comes from PyPI")
    pytest.importorskip("foxglove_msgs.msg", reason="make setup builds it where ROS comes from PyPI")
    report = live(video_drive, tmp_path / "out", rate=0.5)
    found = left_edges(tmp_path / "out")
    assert report.frames_in == 27 and report.frames_processed == len(found) > 0 and min(found) >= 10
    assert all(abs(left - (8 + number)) < 5 for number, left in found.items())


@pytest.mark.slow
def test_live_gives_what_offline_gives(drive, tmp_path):
    report = live(drive, tmp_path / "live", rate=0.5)
    offline(drive, tmp_path / "offline")
    assert (report.frames_in, report.frames_lost, report.frames_rejected) == (8, 0, 0)
    assert report.frames_processed + report.frames_dropped == 8 and report.frames_processed >= 2  # the last one never gives way
    assert (report.model, report.device, report.precision) == ("red", "cpu", "float32")
    for topic in (LABEL_INFO, *DATA_TOPICS):
        if topic == "/perception/status":
            continue
        expected = {stamp_ns(m): m for _, m in read(tmp_path / "offline", topic)}
        for recorded, message in read(tmp_path / "live", topic):
            if topic == LABEL_INFO:
                assert [c.class_name for c in message.class_map] == red_engine.STUFF
                continue
            np.testing.assert_equal(asdict(message), asdict(expected[stamp_ns(message)]))
            assert 0 <= recorded.time_ns - stamp_ns(message) < 60e9
    stages = report.percentiles_ms()
    assert list(stages)[-1] == "whole" and {"decode", "network", "publish"} <= set(stages)
    assert stages["whole"]["p99"] >= stages["whole"]["p50"] >= stages["network"]["p50"]


@pytest.mark.slow
def test_a_slow_network_drops_frames_and_says_so(tmp_path):
    drive = write_drive(tmp_path / "drive", 20, rate_hz=20, truth=False)
    report = live(drive, tmp_path / "live", delay_s=1.0)
    assert report.frames_in == 20 and report.frames_dropped >= 8
    assert report.frames_processed + report.frames_dropped == 20
    # The newest frame wins, so the last one is always among the results.
    stamps = [stamp_ns(message) for _, message in read(tmp_path / "live", "/perception/status")]
    with Bag(drive) as bag:
        assert stamps[-1] == [frame.stamp_ns for frame in bag.frames(bag.find_image(), None)][-1]
    ages_s = [message.frame_age_s for _, message in read(tmp_path / "live", "/perception/status")]
    assert max(ages_s) < 60, "the node runs in the bag's time"
    table = io.StringIO()
    Console(file=table, width=100).print(report_table(report))
    assert f"20 frames in, {report.frames_processed} processed" in table.getvalue()


@pytest.mark.slow
def test_raw_images_in_a_database_with_a_bad_one_among_them(tmp_path):
    with SmallBag(tmp_path / "drive", "SQLITE3") as bag:
        for frame in range(5):
            if frame == 2:
                bag.write_raw(frame, pixels=np.zeros((HEIGHT, WIDTH, 2), np.uint8))  # rgb8 has three bytes
            else:
                bag.write_raw(frame)
    report = live(tmp_path / "drive", tmp_path / "live", rate=0.5)
    assert report.frames_in == 5 and report.frames_rejected == 1 and report.frames_lost == 0
    assert offline(tmp_path / "drive", tmp_path / "offline").frames_rejected == 1


@pytest.mark.slow
def test_a_node_that_cannot_start_is_quoted_and_leaves_no_bag(drive, tmp_path):
    recording = Recording(tmp_path / "out")
    with (
        Bag(drive) as bag,
        pytest.raises(ReplayError, match="(?s)exit status 1.*the model is broken, expected a whole"),
    ):
        try:
            replay_live(bag, bag.find_image(), None, {"model": "broken"}, recording, node_command=RED_NODE)
        finally:
            recording.close()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_node_that_dies_ends_the_replay_and_keeps_what_came(tmp_path):
    drive = write_drive(tmp_path / "drive", 600, truth=False)  # longer than a node takes to end
    killed = []

    def kill_node(report):
        if report.frames_processed >= 2 and not killed:
            for line in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
                command = Path(f"/proc/{line}/cmdline").read_bytes().decode()
                if red_engine.__file__ in command:
                    killed.append(int(line))
                    os.kill(int(line), signal.SIGTERM)

    with pytest.raises(ReplayError, match="the node ended"):
        live(drive, tmp_path / "out", on_progress=kill_node)
    assert killed
    assert len(read(tmp_path / "out", "/perception/status")) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_replay_leaves_a_whole_bag_and_no_node(tmp_path, end):
    drive = write_drive(tmp_path / "drive", 600, truth=False)
    code = (
        "from replays import live; from pathlib import Path\n"
        "def show(report): print('processed', report.frames_processed, flush=True)\n"
        f"report = live(Path({str(drive)!r}), Path({str(tmp_path / 'out')!r}), on_progress=show)\n"
        "print('interrupted', report.interrupted)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("processed") and int(line.split()[1]) >= 3:
            break
    process.send_signal(end)
    rest, _ = process.communicate()
    assert process.returncode == 0 and "interrupted True" in rest
    with Bag(tmp_path / "out") as bag:
        assert 3 <= bag.topics["/perception/status"].count < 600
    assert "Traceback" not in (tmp_path / "out/node.log").read_text()
    namespace = re.search(r"replay_\d+", (tmp_path / "out/node.log").read_text()).group()
    assert not _processes_with(namespace)


def _processes_with(text: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in file.read_bytes().decode(errors="replace"):
                found.append(file.parent.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.slow
def test_a_bags_transforms_reach_the_node(tmp_path):
    """Tracks come in the output frame, live as offline; a frame without its transform has none."""
    with SmallBag(tmp_path / "drive") as bag:
        bag.write_transform(0, "base_link", "camera_color_optical_frame", 0.5, topic="/tf_static")
        for frame in range(12):
            if frame >= 3:
                bag.write_transform(frame, "odom", "base_link", frame / 10)
            bag.write_camera_info(frame)
            bag.write_jpeg(frame)
    file = tmp_path / "odom.yaml"
    file.write_text("/**: {ros__parameters: {tracking.enabled: true, output_frame: odom}}")
    report = offline(tmp_path / "drive", tmp_path / "offline", parameters=node_parameters(file))
    assert any("'base_link' to 'odom' begins 0.300 s after" in warning for warning in report.warnings)
    live(tmp_path / "drive", tmp_path / "live", params_file=file)
    tracks = {kind: [message for _, message in read(tmp_path / kind, "/perception/tracks")] for kind in ("offline", "live")}
    assert len(tracks["offline"]) == 9
    assert 1 <= len(tracks["live"]) <= 9  # in the bag's own time a busy machine leaves some out
    assert {message.header.frame_id for kind in tracks for message in tracks[kind]} == {"odom"}


def test_parameters_for_several_cameras_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is for the cameras front, left, right, rear; a replay is of one"):
        replay_bag(
            write_drive(tmp_path / "drive"),
            tmp_path / "out",
            console=Console(),
            params_file=resource("config/four_cameras.yaml"),
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("replay", [offline, live])
def test_a_full_disk_ends_a_replay_with_its_path_and_a_bag_that_can_be_read(tmp_path, replay):
    drive = write_drive(tmp_path / "drive", 400, rate_hz=40, truth=False)
    with small_disk(tmp_path / "disk", 1800) as disk:
        with pytest.raises(BagError, match=rf"{disk}/out: No space left on device; the \d+ messages before are kept"):
            replay(drive, disk / "out")
        with Bag(disk / "out") as bag:
            counts = {name: topic.count for name, topic in bag.topics.items()}
        assert sum(counts.values()) == len(read(disk / "out"))
        assert 10 < counts["/perception/depth/image_rect"] < 400


def test_a_replay_says_what_it_left_out_and_what_is_kept_when_the_bag_ends_early(tmp_path):
    with StrangeMcap(tmp_path / "strange.mcap", chunk_size=8_000) as file:
        file.put(file.channel("/json", "json", None), 0, b"{}")
        file.put_images(range(9))
    with (tmp_path / "strange.mcap").open("r+b") as stream:  # within the last chunk
        chunk = make_reader(stream).get_summary().chunk_indexes[-1]
        stream.seek(chunk.chunk_start_offset + chunk.chunk_length - 100)
        stream.write(b"?")
    text = io.StringIO()
    with pytest.raises(BagError, match="strange.mcap can't be read: crc validation failed"):
        replay_bag(tmp_path / "strange.mcap", tmp_path / "out", console=Console(file=text, width=200), offline=True, device="cpu")
    assert "left out of strange.mcap: /json: its messages are json, expected cdr" in text.getvalue()
    assert re.search(r"\d+ messages that were recorded until then are in .*out", text.getvalue())
    assert 1 <= len(read(tmp_path / "out", "/perception/status")) < 9


@pytest.mark.slow
def test_a_live_replay_does_not_wait_for_days(tmp_path):
    with StrangeMcap(tmp_path / "set_clock.mcap") as file:
        file.put_images([0, 1, 10 * 86400 * 40])
    with pytest.raises(ReplayError, match="the bag's time jumps by 40 days, .*; --offline replays it"):
        live(tmp_path / "set_clock.mcap", tmp_path / "out")
    assert offline(tmp_path / "set_clock.mcap", tmp_path / "offline").frames_processed == 3


@pytest.mark.slow
def test_messages_that_are_none_end_no_replay(tmp_path):
    """Four bytes on every topic; transforms of another type."""
    with SmallBag(tmp_path / "drive") as bag:
        bag.write_jpeg(0)
        for topic, kind in {
            "/camera/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
            "/camera/camera_info": "sensor_msgs/msg/CameraInfo",
            "/tf": "tf2_msgs/msg/TFMessage",
            "/tf_static": "std_msgs/msg/Empty",
        }.items():
            bag.write_bytes(topic, 1, kind, b"\x00\x01\x00\x00")
        bag.write_jpeg(2)
    for replay in (offline, live):
        report = replay(tmp_path / "drive", tmp_path / replay.__name__)
        assert report.frames_processed >= 1 and report.frames_processed + report.frames_dropped == 2
        assert any("/tf_static is std_msgs/msg/Empty, expected tf2_msgs" in warning for warning in report.warnings)
        assert any("/camera/image_raw/compressed" in warning for warning in report.warnings)

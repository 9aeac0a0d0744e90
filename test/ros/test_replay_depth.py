# SPDX-License-Identifier: Apache-2.0
"""Bags of a depth camera through the node and offline, with the engine of ``red_engine``."""

import io
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from replays import RED_NODE, live, offline
from rich.console import Console
from small_bags import HEIGHT, WIDTH, SmallBag, box

from mtl_perception.bags import Bag, BagError, stamp_ns
from mtl_perception.core.resources import resource
from mtl_perception.ros.replay.depth import choose_depth, require_depth
from mtl_perception.ros.replay.replay import node_parameters, replay_bag

RAW, COMPRESSED = "/camera/aligned_depth_to_color/image_raw", "/camera/aligned_depth_to_color/image_raw/compressedDepth"
CAMERA, SENSOR, SENSOR_TOPIC = "camera_color_optical_frame", "camera_depth_optical_frame", "/camera/depth/image_rect_raw"
MS = 1_000_000
NETWORK, MEASURED = 1, 2
TOPICS = tuple(f"/perception/{name}" for name in ("detections", "detections_3d", "segmentation/mask", "depth/image_rect", "depth/source"))


def measured_mm(frame: int) -> np.ndarray:
    """The red box and the wall behind it, each nearer than ``RedEngine`` says; nothing on the left."""
    x1, y1, x2, y2 = box(frame)
    depth_mm = np.full((HEIGHT, WIDTH), 2400 + 10 * frame, np.uint16)
    depth_mm[y1:y2, x1:x2] = 1200
    depth_mm[:, :6] = 0
    return depth_mm


def write_depth_drive(
    path: Path, frames: int = 8, *, compressed: bool = False, rate_hz: float = 10.0, without=(), late_ns: int = 0
) -> Path:
    """Depth is recorded ``late_ns`` after its image; images of the numbers ``without`` have none."""
    with SmallBag(path, rate_hz=rate_hz) as bag:
        bag.write_transform(0, "odom", CAMERA, 0.0, topic="/tf_static")
        for frame in range(frames):
            bag.write_camera_info(frame)
            bag.write_jpeg(frame)
            if frame in without:
                continue
            if compressed:
                bag.write_compressed_depth(frame, COMPRESSED, measured_mm(frame), late_ns)
            else:
                bag.write_raw(frame, RAW, "16UC1", measured_mm(frame), delay_ns=late_ns)
    return path


def read(path: Path, topic: str) -> dict[int, object]:
    """Stamp → message."""
    with Bag(path) as bag:
        return {stamp_ns(one): one for one in map(bag.deserialize, bag.messages(topic))}


def sources(path: Path) -> list[np.ndarray]:
    return [one.data.reshape(HEIGHT, WIDTH) for one in read(path, "/perception/depth/source").values()]


def assert_same(live_path: Path, offline_path: Path, least: int) -> None:
    """What the node found time for is what was found offline."""
    for topic in TOPICS:
        expected, found = read(offline_path, topic), read(live_path, topic)
        assert len(found) >= least
        for stamp, message in found.items():
            np.testing.assert_equal(asdict(message), asdict(expected[stamp]), err_msg=topic)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("source", ["camera", "fused"])
def test_offline_depth_is_what_was_measured(tmp_path, source, compressed):
    drive = write_depth_drive(tmp_path / "drive", compressed=compressed)
    report = offline(drive, tmp_path / "out", depth_source=source)
    assert report.frames_processed == 8 and not report.warnings
    depths = list(read(tmp_path / "out", "/perception/depth/image_rect").values())
    for frame, (message, origin) in enumerate(zip(depths, sources(tmp_path / "out"), strict=True)):
        depth_m, expected_m = message.data.view(np.float32).reshape(HEIGHT, WIDTH), measured_mm(frame) / 1000
        is_measured = origin == MEASURED  # at edges a sensor is not believed
        np.testing.assert_allclose(depth_m[is_measured], expected_m[is_measured], rtol=1e-6)
        assert is_measured[:, 6:].mean() > 0.9 and not is_measured[:, :6].any()
        assert np.isnan(depth_m[:, :6]).all() if source == "camera" else (origin[:, :6] == NETWORK).any()


@pytest.mark.slow
@pytest.mark.parametrize("late_ms", [0, 60, -60])
@pytest.mark.parametrize("source", ["camera", "fused"])
def test_live_gives_what_offline_gives(tmp_path, source, late_ms):
    """Whether depth was recorded with its image, behind it or before it."""
    drive = write_depth_drive(tmp_path / "drive", late_ns=late_ms * MS)
    report = live(drive, tmp_path / "live", rate=0.5, depth_source=source)
    offline(drive, tmp_path / "offline", depth_source=source)
    assert report.frames_in == 8 and report.frames_lost == 0 and not report.warnings
    assert_same(tmp_path / "live", tmp_path / "offline", 2)
    assert all((origin == MEASURED).any() for origin in sources(tmp_path / "live"))


@pytest.mark.slow
def test_images_without_a_measurement_are_counted_and_answered_by_the_network(tmp_path):
    """Over compressedDepth; of images in the middle and of the last one."""
    drive = write_depth_drive(tmp_path / "drive", compressed=True, without=(3, 4, 7))
    reports = [
        live(drive, tmp_path / "live", rate=0.2, depth_source="fused"),
        offline(drive, tmp_path / "offline", depth_source="fused"),
    ]
    for report in reports:
        assert report.warnings == [
            f"{COMPRESSED}: 3 of 8 images have the network's depth alone: no depth image within 0.02 s (depth.tolerance)"
        ]
    assert_same(tmp_path / "live", tmp_path / "offline", 2)
    assert [bool((origin == MEASURED).any()) for origin in sources(tmp_path / "offline")] == [True] * 3 + [False] * 2 + [True] * 2 + [False]


@pytest.mark.slow
def test_a_slow_network_still_gets_each_images_measurement(tmp_path):
    """Many more depth images come while it works than wait for their images."""
    drive = write_depth_drive(tmp_path / "drive", 40, rate_hz=20)
    report = live(drive, tmp_path / "live", delay_s=0.9, depth_source="camera")
    assert report.frames_dropped >= 20
    assert all((origin == MEASURED).any() for origin in sources(tmp_path / "live"))


def write_unregistered(path: Path, *, info: bool = True, transform: bool = True) -> Path:
    """A sensor 5 cm to the right of the camera."""
    with SmallBag(path) as bag:
        if transform:
            bag.write_transform(0, CAMERA, SENSOR, 0.05, topic="/tf_static")
        for frame in range(6):
            bag.write_camera_info(frame)
            if info:
                bag.write_camera_info(frame, "/camera/depth/camera_info")
            bag.write_raw(frame, SENSOR_TOPIC, "16UC1", measured_mm(frame), frame_id=SENSOR)
            bag.write_jpeg(frame)
    return path


@pytest.mark.slow
def test_depth_in_a_frame_of_its_own_is_registered_live_as_offline(tmp_path):
    drive = write_unregistered(tmp_path / "drive")
    live(drive, tmp_path / "live", rate=0.5, depth_source="camera", depth=SENSOR_TOPIC)
    offline(drive, tmp_path / "offline", depth_source="camera", depth=SENSOR_TOPIC)
    assert_same(tmp_path / "live", tmp_path / "offline", 2)
    depth_m = next(iter(read(tmp_path / "offline", "/perception/depth/image_rect").values())).data.view(np.float32).reshape(HEIGHT, WIDTH)
    x1, y1, x2, y2 = box(0)
    shift = round(80 * 0.05 / 1.2)  # pixels, focal length times base over depth
    np.testing.assert_allclose(depth_m[y1 + 2 : y2 - 2, x1 + shift + 2 : x2 + shift - 2], 1.2, rtol=1e-3)


def required(path: Path, wanted: str | None = None, source: str = "fused", **parameters) -> None:
    with Bag(path) as bag:
        image = bag.find_image()
        settings = {**node_parameters(resource("config/robot.yaml")), "depth.source": source, **parameters}
        topics = choose_depth(bag, image, source, wanted)
        assert topics is not None
        require_depth(bag, image, bag.find_camera_info(image), topics, settings)


def test_depth_that_does_not_fit_is_named_before_anything_is_played(tmp_path):
    with SmallBag(tmp_path / "none") as bag:
        bag.write_jpeg(0)
    with SmallBag(tmp_path / "shape") as bag:
        for frame in range(9):
            bag.write_jpeg(frame)
            bag.write_raw(frame, RAW, "16UC1", measured_mm(frame)[:20].copy())
    with SmallBag(tmp_path / "clock") as bag:
        for frame in range(4):
            bag.write_jpeg(frame)
            bag.write_raw(frame + 5, RAW, "16UC1", measured_mm(frame))
    with SmallBag(tmp_path / "two") as bag:
        bag.write_jpeg(0)
        for topic in ("/left", "/right"):
            bag.write_raw(0, topic, "16UC1", measured_mm(0))
    frame = f"in the frame '{CAMERA}' of /camera/image_raw/compressed"
    for name, wanted, words in (
        (
            "none",
            None,
            rf"depth.source is fused, and bag .*none holds no depth {frame}.*there is no depth at all; --depth none replays without",
        ),
        ("none", "/nosuch", "has no topic /nosuch; it has /camera/image_raw/compressed"),
        ("none", "/camera/image_raw/compressed", "holds no depth"),
        (
            "shape",
            None,
            "depth images are 96x20, the camera's 96x64, expected one shape.*Choose another with --depth TOPIC, or --depth none",
        ),
        ("clock", None, r"4 of 4 images have the network's depth alone: no depth image within 0\.02 s \(depth\.tolerance\)"),
        ("two", None, "several depth topics: choose one out of /left, /right"),
    ):
        with pytest.raises(BagError, match=words):
            required(tmp_path / name, wanted)
    required(tmp_path / "two", "/right")
    required(tmp_path / "clock", **{"depth.tolerance": 0.6})


def test_depth_that_cannot_be_registered_says_what_is_missing(tmp_path):
    unregistered = write_unregistered(tmp_path / "all")
    with pytest.raises(
        BagError, match=f"{SENSOR_TOPIC} is in the frame '{SENSOR}': --depth {SENSOR_TOPIC} registers it by its camera_info and TF"
    ):
        required(unregistered)
    required(unregistered, SENSOR_TOPIC)
    for name, missing, words in (
        ("info", {"info": False}, "or the sensor's camera_info on /camera/depth/camera_info"),
        ("tf", {"transform": False}, f"nobody has published a transform of the frame '{SENSOR}'"),
    ):
        with pytest.raises(BagError, match=f"(?s){SENSOR_TOPIC} does not fit .*{words}"):
            required(write_unregistered(tmp_path / name, **missing), SENSOR_TOPIC)


def test_one_damaged_measurement_costs_its_image_alone(tmp_path):
    with SmallBag(tmp_path / "drive") as bag:
        for frame in range(4):
            bag.write_jpeg(frame)
            if frame:
                bag.write_raw(frame, RAW, "16UC1", measured_mm(frame))
            else:
                bag.write_raw(frame, RAW, "16UC1", measured_mm(frame)[:20].copy())
        bag.write_bytes(RAW, 2, "sensor_msgs/msg/Image", b"\x00\x01\x00\x00")
    required(tmp_path / "drive")
    report = offline(tmp_path / "drive", tmp_path / "out", depth_source="camera")
    (warning,) = [one for one in report.warnings if RAW in one]
    assert warning.startswith(f"{RAW}: 1 of 4 images have the network's depth alone: depth images are 96x20")
    assert [bool((origin == MEASURED).any()) for origin in sources(tmp_path / "out")] == [False, True, True, True]


def replayed(drive: Path, out: Path, **options) -> str:
    """What a replay with the first frames' depth alone says."""
    text = io.StringIO()
    replay_bag(drive, out, console=Console(file=text, width=300), rate=2.0, model="lite", device="cpu", node_command=RED_NODE, **options)
    return text.getvalue()


@pytest.mark.slow(10)
def test_the_user_is_told_which_depth_is_taken_and_can_choose(tmp_path):
    drive = write_depth_drive(tmp_path / "drive", 2)
    file = tmp_path / "fused.yaml"
    file.write_text("/**: {ros__parameters: {depth.source: fused}}")
    for name, options, words, origins in (
        ("network", {}, f"measured depth on {RAW} is not used: depth.source is network (--depth-source fused uses it)", None),
        ("option", {"depth_source": "camera"}, f"measured depth: {RAW} (depth.source camera)", MEASURED),
        ("file", {"params_file": file, "depth": RAW}, f"measured depth: {RAW} (depth.source fused)", MEASURED),
        ("none", {"params_file": file, "depth": "none"}, "", NETWORK),
    ):
        out = tmp_path / name
        said = replayed(drive, out, offline=True, **options)
        assert words in said and ("measured depth" in said) == bool(words)
        with Bag(out) as bag:
            assert ("/perception/depth/source" in bag.topics) == (origins is not None)
        assert origins is None or all((origin == origins).any() for origin in sources(out))


@pytest.mark.slow(10)
def test_a_scale_that_needs_a_laser_is_said_to_be_missing(tmp_path):
    file = tmp_path / "scan.yaml"
    file.write_text("/**: {ros__parameters: {depth.scale: scan}}")
    said = replayed(write_depth_drive(tmp_path / "drive", 1), tmp_path / "out", offline=True, params_file=file)
    assert "depth.scale is scan, and a replay plays no laser" in said


def test_a_choice_that_cannot_be_is_refused_before_anything_is_written(tmp_path):
    drive = write_depth_drive(tmp_path / "drive", 1)
    for options, words in (
        ({"depth": RAW}, f"depth.source is network, so {RAW} would not be used: add --depth-source fused"),
        ({"depth_source": "both"}, "depth.source is 'both', expected one of network, camera, fused"),
        ({"depth_source": "fused", "depth": "/nosuch"}, "no topic /nosuch"),
    ):
        for is_offline in (True, False):
            with pytest.raises(ValueError, match=words):
                replayed(drive, tmp_path / "out", offline=is_offline, **options)
    assert not (tmp_path / "out").exists()

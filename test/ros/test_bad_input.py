# SPDX-License-Identifier: Apache-2.0
"""Every bad input is named in /diagnostics, costs only itself, and the node goes on."""

import itertools
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import untuned_camera
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from made_pictures import bomb, jpeg, png, smooth
from peer import BEST_EFFORT, LATCHED, RELIABLE, camera_info, compressed, image
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from mtl_perception.msg import PerceptionStatus
from mtl_perception.ros.diagnostics import PATIENCE_S

PIXELS = np.full((48, 64, 3), 80, np.uint8)
JPEG = cv2.imencode(".jpg", PIXELS)[1].tobytes()


def overwritten(data: bytes) -> bytes:
    """A hundred bytes in its middle are 0."""
    return data[: len(data) // 2] + bytes(100) + data[len(data) // 2 + 100 :]


DAMAGED_JPEG, DAMAGED_PNG = overwritten(jpeg(smooth())), overwritten(png(smooth()))


@pytest.fixture(scope="module")
def raw(peer, start_shared_node):
    node = start_shared_node()
    peer.subscribe(f"{node.name}/segmentation/mask", Image)
    node.masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    node.statuses = peer.subscribe(f"{node.name}/status", PerceptionStatus)
    node.send = lambda message=None: peer.publish(f"{node.name}/image", message or image(PIXELS))
    peer.until(lambda: node.masks, "a mask", every=node.send)
    return node


def changed(**fields) -> Image:
    message = image(PIXELS)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: changed(step=100), "step is 100 bytes, expected at least 192 for 64 pixels of bgr8"),
        (lambda: changed(height=100), "data has 9216 bytes, expected 19200 for 100 rows"),
        (lambda: changed(encoding="bgr9"), "unknown encoding 'bgr9', expected one of rgb8"),
        (lambda: changed(width=0, height=0, step=0), "image is 0x0, expected at least one pixel"),
        (lambda: changed(encoding="mono16", step=64), "step is 64 bytes, expected at least 128"),
    ],
)
def test_a_bad_image_is_named_and_dropped(peer, raw, make, words):
    """A good image follows every bad one: the node goes on."""
    raw.masks.clear()

    def send():
        raw.send(make())
        peer.spin_for(0.02)
        raw.send()

    peer.until(lambda: peer.says(raw.name, "camera", words) and len(raw.masks) >= 3, words, every=send)
    assert peer.told(raw.name, "camera").level != DiagnosticStatus.OK
    assert raw.statuses[-1].frames_rejected > 0


def test_big_endian_16_bit_is_understood(peer, raw):
    raw.masks.clear()
    grey = np.arange(48 * 64).reshape(48, 64).astype(">u2")
    big = image(grey, "mono16")
    big.is_bigendian = 1
    peer.until(lambda: len(raw.masks) >= 3, "masks", every=lambda: raw.send(big))


@pytest.mark.slow
@pytest.mark.parametrize("bad", [0.0, math.nan])
def test_a_bad_camera_info_is_named_and_depth_goes_on(peer, start_node, bad):
    node = start_node()
    depths = peer.subscribe(f"{node.name}/depth/image_rect", Image)
    infos = peer.subscribe(f"{node.name}/depth/camera_info", CameraInfo)

    def show(fx):
        peer.publish(f"{node.name}/camera_info", camera_info(64, 48, fx))
        peer.publish(f"{node.name}/image", image(PIXELS))

    peer.until(
        lambda: peer.says(node.name, "calibration", f"fx is {bad}") and depths,
        "diagnostics",
        every=lambda: show(bad),
    )
    assert peer.told(node.name, "calibration").level == DiagnosticStatus.WARN
    assert infos == []
    peer.until(
        lambda: infos and peer.says(node.name, "calibration", "calibrated"),
        "a camera_info that is good again",
        every=lambda: show(500.0),
    )


def test_a_camera_info_of_another_shape_is_named(peer, start_node):
    """One of the same shape and another size is of the same camera, resized."""
    node = start_node()
    infos = peer.subscribe(f"{node.name}/depth/camera_info", CameraInfo)

    def show(width, height):
        peer.publish(f"{node.name}/camera_info", camera_info(width, height, 500.0))
        peer.publish(f"{node.name}/image", image(PIXELS))

    words = "camera_info is for 64x64 pixels and the image has 64x48"
    peer.until(lambda: peer.says(node.name, "calibration", words), words, every=lambda: show(64, 64))
    assert infos == []
    peer.until(lambda: infos, "the camera_info of the whole sensor", every=lambda: show(640, 480))
    assert (infos[-1].width, infos[-1].height, infos[-1].k[0]) == (64, 48, 50.0)


def resident_mb(node) -> float:
    """Memory that the node's process holds."""
    pages = int(Path(f"/proc/{node.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_a_bad_camera_info_takes_no_memory_frame_by_frame(peer, start_node):
    """The error that is kept of it must not keep the frames that asked, with their bytes and pixels."""
    node = start_node()
    statuses = peer.subscribe(f"{node.name}/status", PerceptionStatus)
    depths = peer.subscribe(f"{node.name}/depth/image_rect", Image)
    large = image(np.zeros((480, 640, 3), np.uint8))

    def until_processed(frames):
        peer.until(lambda: statuses and statuses[-1].frames_processed >= frames, "frames", every=show)

    def show():
        depths.clear()
        peer.publish(f"{node.name}/camera_info", camera_info(64, 64))
        peer.publish(f"{node.name}/image", large)

    until_processed(20)
    before_mb = resident_mb(node)
    until_processed(120)
    assert resident_mb(node) - before_mb < 50


def test_a_camera_info_of_another_camera_is_named(peer, start_node):
    node = start_node()
    peer.subscribe(f"{node.name}/depth/camera_info", CameraInfo)
    others = camera_info(64, 48)
    others.header.frame_id = "left_optical_frame"

    def show():
        peer.publish(f"{node.name}/camera_info", others)
        peer.publish(f"{node.name}/image", image(PIXELS))

    words = "has the frame_id 'left_optical_frame' and the images 'camera_color_optical_frame'"
    peer.until(lambda: peer.says(node.name, "calibration", words), words, every=show)


@pytest.mark.slow
@pytest.mark.parametrize("rectify", [False, True])
def test_a_lens_that_distorts_is_corrected_or_named(peer, start_node, rectify):
    node = start_node("-p", f"rectify:={str(rectify).lower()}")
    infos = peer.subscribe(f"{node.name}/depth/camera_info", CameraInfo)
    bent = camera_info(64, 48, fx=40.0)
    bent.distortion_model, bent.d = "plumb_bob", [-0.3, 0.1, 0.0, 0.0, 0.0]
    bent.p = [30.0, 0.0, 32.0, 0.0, 0.0, 30.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]

    def show():
        peer.publish(f"{node.name}/camera_info", bent)
        peer.publish(f"{node.name}/image", image(PIXELS))

    said = "calibrated" if rectify else "set rectify to true"
    peer.until(lambda: infos and peer.says(node.name, "calibration", said), said, every=show)
    assert infos[-1].k[0] == (30.0 if rectify else 40.0)
    assert list(infos[-1].d) == [0.0] * 5


def test_an_empty_frame_id_is_named(peer, raw):
    nameless = image(PIXELS)
    nameless.header.frame_id = ""
    raw.masks.clear()
    peer.until(
        lambda: raw.masks and peer.says(raw.name, "camera", "the images have an empty frame_id"),
        "frame_id named",
        every=lambda: raw.send(nameless),
    )


@pytest.mark.slow
def test_a_topic_that_the_model_cannot_serve_is_named(peer, start_node):
    node = start_node(model="detection_only")
    detections = peer.subscribe(f"{node.name}/detections", Detection2DArray)
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    words = f"nothing is published on {node.name}/segmentation/mask, which is read: it needs segmentation"
    peer.until(
        lambda: detections and peer.says(node.name, "outputs", words),
        "the topic named",
        every=lambda: peer.publish(f"{node.name}/image", image(PIXELS)),
    )
    assert "the model free has only detection" in peer.told(node.name, "outputs").message
    assert masks == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (JPEG[: len(JPEG) // 2], "is truncated"),
        (b"nothing", "expected a JPEG or PNG"),
        (b"", "expected a JPEG or PNG"),
        (bomb(8000, 8000), "PNG is of 8000x8000 = 64000000 pixels, expected at most 16000000; raise input.max_pixels"),
        (bomb(40000, 1000), "PNG is of 40000x1000"),
        (DAMAGED_JPEG, "is damaged (Corrupt JPEG data"),
        (DAMAGED_PNG, "fails its checksum"),
    ],
)
def test_a_bad_compressed_image_is_named_and_dropped(peer, compressed_node, data, words):
    node = compressed_node
    node.masks.clear()

    def send():
        peer.publish(f"{node.name}/image/compressed", compressed(data))
        peer.spin_for(0.02)
        peer.publish(f"{node.name}/image/compressed", compressed(JPEG))

    peer.until(lambda: peer.says(node.name, "camera", words) and len(node.masks) >= 3, words, every=send)


def test_the_decoders_write_nothing_to_the_terminal(peer, start_node):
    """The node's own warning, which is throttled, is all that a stream of damaged images leaves in the log."""
    node = start_node("-p", "transport:=compressed")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    bad = itertools.cycle([DAMAGED_JPEG, DAMAGED_PNG, JPEG[:200]])

    def send():
        peer.publish(f"{node.name}/image/compressed", compressed(next(bad)))
        peer.spin_for(0.02)
        peer.publish(f"{node.name}/image/compressed", compressed(JPEG))

    peer.until(lambda: peer.says(node.name, "camera", "images rejected") and len(masks) >= 10, "rejections", every=send)
    node.stop()
    strangers = [line for line in node.log.splitlines() if line and not line.startswith("[")]
    assert strangers == []


def test_damaged_jpegs_that_are_accepted_are_counted_and_named(peer, start_node):
    node = start_node("-p", "transport:=compressed", "-p", "input.corrupt_jpeg:=accept")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(
        lambda: masks and peer.says(node.name, "camera", "damaged JPEGs used in"),
        "the damage named",
        every=lambda: peer.publish(f"{node.name}/image/compressed", compressed(DAMAGED_JPEG)),
    )
    status = peer.told(node.name, "camera")
    assert "Corrupt JPEG data" in status.message
    assert status.level == DiagnosticStatus.WARN
    assert int({value.key: value.value for value in status.values}["frames damaged"]) > 0


def test_the_limit_of_pixels_holds_for_raw_images_and_can_be_raised(peer, start_node):
    node = start_node("-p", "input.max_pixels:=3071")
    peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(
        lambda: peer.says(node.name, "camera", "image is of 64x48 = 3072 pixels, expected at most 3071"),
        "the size named",
        every=lambda: peer.publish(f"{node.name}/image", image(PIXELS)),
    )
    other = start_node("-p", "input.max_pixels:=3072")
    masks = peer.subscribe(f"{other.name}/segmentation/mask", Image)
    peer.until(lambda: masks, "a mask", every=lambda: peer.publish(f"{other.name}/image", image(PIXELS)))


@pytest.fixture(scope="module")
def compressed_node(peer, start_shared_node):
    node = start_shared_node("-p", "transport:=compressed")
    node.masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(
        lambda: node.masks,
        "a mask",
        every=lambda: peer.publish(f"{node.name}/image/compressed", compressed(JPEG)),
    )
    return node


@pytest.mark.slow
def test_a_network_that_fails_is_named(peer, start_node):
    node = start_node(model="broken")
    peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(
        lambda: peer.says(node.name, "model", "RuntimeError: out of memory"),
        "diagnostics",
        every=lambda: peer.publish(f"{node.name}/image", image(PIXELS)),
    )
    assert peer.told(node.name, "model").level == DiagnosticStatus.ERROR


@pytest.mark.slow
def test_a_camera_that_is_missing_stops_and_comes_back(peer, start_node):
    node = start_node()
    send = lambda: peer.publish(f"{node.name}/image", image(PIXELS))  # noqa: E731
    peer.until(
        lambda: peer.says(node.name, "camera", f"nobody publishes {node.name}/image"),
        "the missing camera named",
    )
    assert "remap" in peer.told(node.name, "camera").message
    peer.until(lambda: peer.says(node.name, "calibration", "no camera_info on"), "the missing camera_info named")
    peer.until(lambda: peer.says(node.name, "camera", "images per second"), "the camera noticed", every=send)
    peer.until(lambda: peer.says(node.name, "camera", "no image for"), "the camera that stopped named")
    message = peer.told(node.name, "camera").message
    assert float(message.partition("no image for ")[2].split()[0]) >= PATIENCE_S
    assert "/peer" in message
    peer.until(lambda: peer.status(node.name, "camera").level == DiagnosticStatus.OK, "the camera back", every=send)


@pytest.mark.slow
def test_incompatible_qos_is_named(peer, start_node):
    node = start_node("-p", "input.reliability:=reliable")
    send = lambda qos: peer.publish(f"{node.name}/image", image(PIXELS), qos)  # noqa: E731
    peer.until(
        lambda: peer.says(node.name, "camera", "set input.reliability to best_effort"),
        "QoS named",
        every=lambda: send(BEST_EFFORT),
    )
    peer.until(
        lambda: peer.status(node.name, "camera").level == DiagnosticStatus.ERROR,
        "an error",
        every=lambda: send(BEST_EFFORT),
    )
    peer.silence(f"{node.name}/image")
    peer.until(
        lambda: peer.status(node.name, "camera").level == DiagnosticStatus.OK,
        "images",
        every=lambda: send(RELIABLE),
    )


def test_wrong_message_type_is_named(peer, start_node):
    node = start_node()
    send = lambda: peer.publish(f"{node.name}/image", compressed(JPEG))  # noqa: E731
    peer.until(
        lambda: peer.says(node.name, "camera", "publishes sensor_msgs/msg/CompressedImage"),
        "type named",
        every=send,
    )
    assert "transport" in peer.told(node.name, "camera").message


def test_stale_and_unstamped_images_are_processed(peer, start_node):
    node = start_node()
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(
        lambda: peer.says(node.name, "camera", "images are stale") and masks,
        "stale images named",
        every=lambda: peer.publish(f"{node.name}/image", image(PIXELS, stamp_s=time.time() - 100)),
    )
    masks.clear()
    peer.until(
        lambda: masks,
        "a mask of an image without a stamp",
        every=lambda: peer.publish(f"{node.name}/image", image(PIXELS, stamp_s=0)),
    )


@pytest.mark.slow
def test_images_that_get_lost_are_named(peer, start_node):
    """A camera without the Fast DDS profile: its shared memory is smaller than an image."""
    node = start_node()
    untuned = {name: value for name, value in os.environ.items() if not name.endswith("_DEFAULT_PROFILES_FILE")}
    camera = subprocess.Popen(
        [sys.executable, untuned_camera.__file__, f"{node.name}/image"],
        env=untuned,
    )
    try:
        peer.until(lambda: peer.says(node.name, "camera", "of the images did not reach the node"), "lost images named")
    finally:
        camera.terminate()
        camera.wait()
    assert "config/fastdds.xml" in peer.told(node.name, "camera").message


@pytest.mark.parametrize("field", ["encoding", "frame_id"])
def test_megabytes_of_text_are_cut_wherever_they_are_quoted(peer, start_node, field):
    node = start_node()
    masks, arrays = peer.subscribe(f"{node.name}/segmentation/mask", Image), peer.subscribe("/diagnostics", DiagnosticArray)
    long = image(PIXELS)
    if field == "frame_id":
        long.header.frame_id = "\x1b[31mx\n" * 700_000
    else:
        long.encoding = "\x1b[31mx\n" * 700_000

    def show():
        peer.publish(f"{node.name}/image", long)
        peer.spin_for(0.05)
        peer.publish(f"{node.name}/image", image(PIXELS))

    words = "… (4900000 characters)"
    peer.until(lambda: masks and peer.says(node.name, "camera", words), words, every=show)
    assert max(len(serialize_message(array)) for array in arrays) < 20_000
    assert node.stop() == 0
    assert words in node.log and max(map(len, node.log.splitlines())) < 2000 and "\x1b[31m" not in node.log


def test_megabytes_of_format_are_cut(peer, compressed_node):
    long = compressed(b"nothing", format="x" * 5_000_000)
    words = "x" * 100 + "… (5000000 characters)"
    send = lambda: peer.publish(f"{compressed_node.name}/image/compressed", long)  # noqa: E731
    peer.until(lambda: peer.says(compressed_node.name, "camera", words), words, every=send)


def test_class_names_of_megabytes_are_cut_in_every_message(peer, start_node):
    node = start_node(model="long_names")
    detections = peer.subscribe(f"{node.name}/detections", Detection2DArray)
    labels = peer.subscribe(f"{node.name}/segmentation/label_info", LabelInfo, LATCHED)
    statuses = peer.subscribe(f"{node.name}/status", PerceptionStatus)
    send = lambda: peer.publish(f"{node.name}/image", image(PIXELS))  # noqa: E731
    peer.until(lambda: detections and labels and statuses, "outputs", every=send)
    names = [one.results[0].hypothesis.class_id for one in detections[-1].detections] + [one.class_name for one in labels[-1].class_map]
    names += [statuses[-1].model, peer.told(node.name, "model").hardware_id]
    assert all(name.endswith("… (1000001 characters)") and len(name) < 130 for name in names)

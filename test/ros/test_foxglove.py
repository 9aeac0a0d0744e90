# SPDX-License-Identifier: Apache-2.0
"""A Foxglove server beside a running node, looked at over its WebSocket."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from peer import LATCHED, PATIENCE_S, camera_info, compressed, image, stamped
from rclpy.serialization import deserialize_message
from tf2_msgs.msg import TFMessage
from viewer import Viewer
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from mtl_perception.core.drawing import class_color
from mtl_perception.msg import PerceptionStatus
from mtl_perception.ros.constant_engine import ConstantEngine

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-c", "from mtl_perception.cli.app import app; app()", "foxglove"]
PIXELS = np.random.default_rng(2).integers(0, 256, (48, 64, 3), np.uint8)
MOST_POINTS = 500


class Server:
    """``mtl-perception foxglove``, and the line that it says when it listens."""

    def __init__(self, *arguments: str) -> None:
        command = [*COMMAND, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = self.process.stdout.readline()

    @property
    def port(self) -> int:
        return int(re.search(r"ws://[^:]+:(\d+)", self.said)[1])

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        self.said += self.process.communicate(timeout=PATIENCE_S)[0]
        return self.process.returncode


@pytest.fixture(scope="module")
def scene(peer, start_shared_node):
    """A running node, a server of it, and the camera's next frame."""
    node = start_shared_node()
    server = Server("--node", node.name, "--port", "0", "--rate", "100", "--points", str(MOST_POINTS))

    def show():
        peer.publish(f"{node.name}/camera_info", camera_info(64, 48))
        peer.publish(f"{node.name}/image", image(PIXELS, "rgb8"))

    yield node.name, server.port, show
    assert server.end() == 0, server.said
    assert "Traceback" not in server.said


def watch(peer, viewer, condition, what, show):
    def both():
        show()
        viewer.look()

    return peer.until(condition, what, every=both)


def test_every_topic_is_shown_as_its_schema_says(peer, scene):
    name, port, show = scene

    def show_all() -> None:
        peer.publish("/tf_static", TFMessage(transforms=[stamped(TransformStamped(child_frame_id="camera"))]), LATCHED)
        show()

    own = {
        "image": "foxglove.CompressedImage",
        "overlay": "foxglove.CompressedImage",
        "segmentation/mask": "foxglove.CompressedImage",
        "depth/image_rect": "foxglove.CompressedImage",
        "depth/camera_info": "foxglove.CameraCalibration",
        "detections": "foxglove.ImageAnnotations",
        "points": "foxglove.PointCloud",
        "markers": "foxglove.SceneUpdate",
        "status": "mtl_perception/msg/PerceptionStatus",
    }
    topics = {f"{name}/{topic}": schema for topic, schema in own.items()} | {"/tf": "foxglove.FrameTransforms"}
    with Viewer(port) as viewer:
        viewer.subscribe(*topics)
        assert {topic: viewer.channels[topic]["schemaName"] for topic in topics} == topics
        watch(peer, viewer, lambda: all(viewer.seen[topic] for topic in topics), "a message of each", show_all)
        seen = {topic.removeprefix(f"{name}/"): messages[-1] for topic, messages in viewer.seen.items()}

    engine = ConstantEngine()
    expected = engine(PIXELS)
    camera, mask, depth = (picture(seen[topic]) for topic in ("image", "segmentation/mask", "depth/image_rect"))
    assert seen["image"].format == "jpeg" and camera.shape == mask.shape == depth.shape == PIXELS.shape
    assert seen["image"].frame_id == seen["points"].frame_id == "camera_color_optical_frame"
    colors = [class_color(label) for label in engine.card.segmentation_labels]
    known = expected.segmentation.mask < len(colors)
    np.testing.assert_array_equal(mask[known], np.array(colors)[expected.segmentation.mask[known]])

    boxes, texts = seen["detections"].points, seen["detections"].texts
    assert len(boxes) == len(texts) == len(expected.detections)
    x1, y1, x2, y2 = expected.detections.boxes_xyxy[0]
    np.testing.assert_allclose([(p.x, p.y) for p in boxes[0].points], [(x1, y1), (x2, y1), (x2, y2), (x1, y2)], rtol=1e-5)
    assert texts[0].text.startswith(engine.card.detection_labels[expected.detections.class_ids[0]])
    assert {pair.key for pair in boxes[0].metadata} == {"class", "score", "id"}

    cloud = seen["points"]
    layout = {field.name: field.offset for field in cloud.fields}
    assert layout == {"x": 0, "y": 4, "z": 8, "blue": 12, "green": 13, "red": 14, "alpha": 15} and cloud.point_stride == 16
    xyz = np.ndarray((len(cloud.data) // 16, 3), "<f4", cloud.data, strides=(16, 4))
    assert 0 < len(xyz) <= MOST_POINTS and np.isfinite(xyz).all() and (xyz[:, 2] > 0).all()

    entities = {entity.id: entity for entity in seen["markers"].entities}
    assert len(seen["markers"].deletions) == 1 and "boxes/0" in entities and "labels/0" in entities
    assert entities["boxes/0"].cubes[0].size.x > 0 and entities["labels/0"].texts[0].text
    assert (seen["depth/camera_info"].width, next(iter(seen["depth/camera_info"].K))) == (64, 500.0)
    assert [transform.child_frame_id for transform in seen["/tf"].transforms] == ["camera"]
    assert deserialize_message(seen["status"], PerceptionStatus).model == "free"


def picture(message) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_the_node_works_for_nobody_while_nobody_looks(peer, scene):
    name, port, show = scene

    def tasks() -> str:
        status = peer.told(name, "model")
        return {value.key: value.value for value in status.values}.get("tasks of the last frame", "") if status else ""

    with Viewer(port) as viewer:
        watch(peer, viewer, lambda: tasks().startswith("none"), "a node at rest", show)
        viewer.subscribe(f"{name}/segmentation/mask")
        watch(peer, viewer, lambda: tasks() == "segmentation", "a node that segments", show)
        viewer.unsubscribe(f"{name}/segmentation/mask")
        watch(peer, viewer, lambda: tasks().startswith("none"), "a node at rest again", show)


def test_a_viewer_that_never_reads_holds_up_nobody(peer, scene):
    name, port, _ = scene
    noise = np.random.default_rng(3).integers(0, 256, (480, 640, 3), np.uint8)  # 0.16 MB as JPEG: no socket holds all of it

    def show():
        peer.publish(f"{name}/image", image(noise, "rgb8"))

    with Viewer(port) as asleep, Viewer(port) as awake:
        asleep.subscribe(f"{name}/overlay", f"{name}/image")
        awake.subscribe(f"{name}/overlay", f"{name}/status")
        pictures, status = (awake.seen[f"{name}/{topic}"] for topic in ("overlay", "status"))
        watch(peer, awake, lambda: len(pictures) > 60 and len(status) > 60, "sixty frames", show)
        assert sum(len(one.data) for one in pictures) > 8e6
        first, last = (deserialize_message(status[place], PerceptionStatus) for place in (0, -1))
        assert last.frames_processed > first.frames_processed


def test_one_of_several_cameras_whose_jpegs_go_through_as_they_are(peer, start_node):
    remapped = "~/front/image/compressed:=/eyes/front/jpeg"
    node = start_node("-p", "cameras:=[front, rear]", "-p", "front.transport:=compressed", "-r", remapped)
    server = Server("--node", node.name, "--camera", "front", "--port", "0")
    sent = bytes(cv2.imencode(".jpg", PIXELS)[1])

    def show():
        peer.publish("/eyes/front/jpeg", compressed(sent))
        peer.publish(f"{node.name}/rear/image", image(PIXELS, "rgb8"))

    with Viewer(server.port) as viewer:
        viewer.subscribe(f"{node.name}/front/image", f"{node.name}/front/detections")
        watch(peer, viewer, lambda: len(viewer.seen) == 2, "picture and boxes", show)
        assert viewer.seen[f"{node.name}/front/image"][-1].data == sent
        assert viewer.seen[f"{node.name}/front/detections"][-1].points
    assert server.end() == 0


def test_a_depth_sensor_beside_the_camera_is_not_taken_for_it(peer, start_node):
    node = start_node("-p", "depth.source:=fused", "-r", "~/image:=/eyes/color", "-r", "~/depth/image:=/eyes/aligned")
    server = Server("--node", node.name, "--port", "0")

    def show():
        peer.publish("/eyes/color", image(PIXELS, "rgb8"))
        peer.publish("/eyes/aligned", image(np.full((48, 64), 3000, np.uint16), "16UC1"))

    with Viewer(server.port) as viewer:
        viewer.subscribe(f"{node.name}/image")
        watch(peer, viewer, lambda: viewer.seen[f"{node.name}/image"], "the camera's picture", show)
    assert server.end() == 0, server.said


def test_transforms_that_come_together_are_all_shown(peer):
    """Each node of a robot publishes its own, often at one moment."""
    server = Server("--port", "0")
    frames = [f"link_{number}" for number in range(20)]

    def show():
        for frame in frames:
            peer.publish("/tf", TFMessage(transforms=[stamped(TransformStamped(child_frame_id=frame))]))

    with Viewer(server.port) as viewer:
        viewer.subscribe("/tf")
        seen = viewer.seen["/tf"]
        watch(peer, viewer, lambda: len(seen) >= 100, "transforms", show)
        shown = {transform.child_frame_id for message in seen for transform in message.transforms}
    assert shown >= set(frames)
    assert server.end() == 0, server.said


def test_a_port_that_is_taken_is_named(scene):
    _, port, _ = scene
    server = Server("--port", str(port))
    assert server.process.wait(300) == 1
    said = server.said + server.process.stdout.read()
    assert f"can't listen on 127.0.0.1:{port}" in said and "Choose another --port" in said and "Traceback" not in said


def test_a_name_that_is_none_is_refused_and_sigterm_ends_well(peer):
    wrong = Server("--node", "perception")
    assert wrong.process.wait(300) == 1 and "expected its full name" in wrong.said
    alone = Server("--port", "0", "--host", "127.0.0.1")
    with Viewer(alone.port) as viewer:  # of a node that is not there
        viewer.subscribe("/perception/image", "/perception/detections")
        viewer.look(1.0)
    assert alone.end(signal.SIGTERM) == 0 and "Traceback" not in alone.said


def test_without_a_host_only_this_machine_can_look_and_no_more_than_are_allowed(peer):
    server = Server("--port", "0", "--viewers", "2")
    assert "ws://127.0.0.1:" in server.said
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
    assert f"0100007F:{server.port:04X}" in listening and f"00000000:{server.port:04X}" not in listening
    with Viewer(server.port):
        with Viewer(server.port):
            # Refused at the door, or shown out at once where the second one had hardly been let in.
            with pytest.raises((InvalidStatus, ConnectionClosed)), connect(f"ws://127.0.0.1:{server.port}") as third:
                while True:
                    third.recv(timeout=300)
        peer.until(lambda: _is_let_in(server.port), "room again")
    assert server.end() == 0 and "a viewer was turned away: 2 look already" in server.said


def _is_let_in(port: int) -> bool:
    try:
        with Viewer(port):
            return True
    except (InvalidStatus, ConnectionClosed):
        return False


def test_two_thousand_channels_that_there_are_not_are_one_line(peer):
    server = Server("--port", "0")
    wanted = [{"id": number, "channelId": 100_000 + number} for number in range(2000)]
    for message in (json.dumps({"op": "subscribe", "subscriptions": wanted}), *[json.dumps({"op": "x" * 10_000})] * 5):
        with connect(f"ws://127.0.0.1:{server.port}", subprotocols=["foxglove.sdk.v1"]) as viewer:  # each once: it may be thrown out
            viewer.send(message)
    with Viewer(server.port) as other:  # which is served as ever
        other.subscribe("/tf")
    assert server.end() == 0
    assert server.said.count("unknown channel") == 1 and server.said.count("unknown variant") == 1
    assert len(server.said) < 2000


@pytest.mark.parametrize("transport", ["ffmpeg", "foxglove"])
def test_a_camera_that_sends_video_is_shown_as_pictures(peer, start_node, transport):
    """Each decoded, from the first key frame on; shown are as many as the rate says."""
    pytest.importorskip("av", reason="decodes video: pip install av")
    video = pytest.importorskip("video_camera", reason="make setup builds its messages where ROS comes from PyPI")
    from videos import GOP, HEIGHT, WIDTH, brightness, has_encoder, shade

    if not has_encoder("h264"):
        pytest.skip("no encoder of H.264")
    node = start_node("-p", f"transport:={transport}")
    server = Server("--node", node.name, "--port", "0", "--rate", "5")
    camera = video.VideoCamera(peer, node, transport, "h264", start=3)
    with Viewer(server.port) as viewer:
        viewer.subscribe(f"{node.name}/image")
        shown = viewer.seen[f"{node.name}/image"]
        watch(peer, viewer, lambda: len(shown) >= 5, "pictures", camera.send)
        numbers = [one.timestamp.seconds - 1000 for one in shown]
        assert min(numbers) >= GOP and numbers == sorted(set(numbers)), "nothing before the first key frame, and each once"
        for number, one in zip(numbers, shown):
            picture_rgb = picture(one)
            assert picture_rgb.shape == (HEIGHT, WIDTH, 3) and abs(brightness(picture_rgb) - shade(number)) < 6
    assert server.end() == 0, server.said

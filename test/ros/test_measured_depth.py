# SPDX-License-Identifier: Apache-2.0
"""A depth sensor beside the camera, over DDS: what it measured is in depth, or diagnostics say why not."""

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from peer import BEST_EFFORT, FRAME_ID, LATCHED, camera_info, compressed, image
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

PIXELS = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
MEASURED_MM = np.full((48, 64), 3000, np.uint16)
MEASURED_MM[:, :20] = 0


class Robot:
    """Publishes an image every time with one more second on its stamp, and perhaps depth."""

    def __init__(self, peer, node) -> None:
        self.peer, self.name, self.stamp_s = peer, node.name, 100.0
        self.depth = peer.subscribe(f"{node.name}/depth/image_rect", Image, BEST_EFFORT)
        self.source = peer.subscribe(f"{node.name}/depth/source", Image, BEST_EFFORT)
        self.pixels = PIXELS

    def show(self, message=None, topic: str = "depth/image") -> None:
        self.stamp_s += 1
        if message is not None:
            seconds = int(self.stamp_s)
            message.header.stamp.sec, message.header.stamp.nanosec = seconds, 5_000_000
            self.peer.publish(f"{self.name}/{topic}", message)
        self.peer.publish(f"{self.name}/camera_info", camera_info(64, 48))
        self.peer.publish(f"{self.name}/image", image(self.pixels, stamp_s=self.stamp_s))

    def sources_after(self, message, topic: str = "depth/image") -> set[int]:
        """Where depth is from once the sensor has been heard, or from the newest image without it."""
        wanted = (lambda seen: 2 in seen) if message is not None else bool

        def seen() -> set[int]:
            return set(self.source[-1].data) if self.source else set()

        self.peer.until(lambda: wanted(seen()), "depth with its source", every=lambda: self.show(message, topic))
        return seen()


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["raw", "compressedDepth"])
def test_measured_depth_is_published_and_the_rest_is_the_networks(peer, start_node, transport: str) -> None:
    node = start_node("-p", "depth.source:=fused", "-p", f"depth.transport:={transport}", "-p", "depth.wait:=0.5")
    robot = Robot(peer, node)
    if transport == "raw":
        found = robot.sources_after(image(MEASURED_MM, "16UC1"))
    else:
        png = bytes(12) + cv2.imencode(".png", MEASURED_MM)[1].tobytes()
        found = robot.sources_after(compressed(png, "16UC1; compressedDepth png"), "depth/image/compressedDepth")
    assert found >= {1, 2}
    stamp = robot.source[-1].header.stamp
    (depth,) = peer.until(lambda: [one for one in robot.depth if one.header.stamp == stamp], "the same frame's depth")
    depth_m = np.frombuffer(depth.data, np.float32).reshape(48, 64)
    np.testing.assert_allclose(depth_m[:, 20:], 3.0)
    beside = depth_m[:, 16:20]  # brought to the measured scale
    assert np.isfinite(beside).any() and abs(np.nanmedian(beside) - 3.0) < 0.3


@pytest.mark.slow
def test_depth_that_does_not_fit_is_named_and_the_frame_is_answered(peer, start_node) -> None:
    node = start_node("-p", "depth.source:=fused", "-p", "depth.wait:=0.2")
    robot = Robot(peer, node)
    assert 1 in (sources := robot.sources_after(None)) and 2 not in sources
    peer.until(lambda: peer.says(node.name, "camera", "no depth image within 0.02 s of the camera's"), "a missing sensor", every=robot.show)
    elsewhere = image(MEASURED_MM, "16UC1")
    elsewhere.header.frame_id = "depth_optical_frame"
    faults = {
        "in the frame 'depth_optical_frame'": elsewhere,
        "depth images are 64x20, the camera's 64x48": image(MEASURED_MM[:20].copy(), "16UC1"),
        "depth has the encoding 'rgb8'": image(PIXELS, "rgb8"),
    }
    for words, message in faults.items():
        peer.until(lambda words=words: peer.says(node.name, "camera", words), words, every=lambda message=message: robot.show(message))
    answered = len(robot.depth)
    peer.until(lambda: len(robot.depth) > answered, "an answer", every=robot.show)
    assert robot.sources_after(image(MEASURED_MM[::2, ::2].copy(), "16UC1")) >= {1, 2}  # half the size is well


SENSOR = "depth_optical_frame"
SHIFT_M = 0.01


def beside_the_camera() -> TFMessage:
    one = TransformStamped(child_frame_id=SENSOR)
    one.header.frame_id = FRAME_ID
    one.transform.translation.x, one.transform.rotation.w = SHIFT_M, 1.0
    return TFMessage(transforms=[one])


@pytest.mark.slow
def test_depth_in_a_frame_of_its_own_is_registered_here(peer, start_node) -> None:
    """The sensor stands to the right: by 1 cm, which at 1 m is 5 pixels of this camera, and at 4 m hardly more than one."""
    node = start_node("-p", "depth.source:=camera", "-p", "depth.wait:=0.2")
    robot = Robot(peer, node)
    scene_mm = np.full((48, 64), 4000, np.uint16)
    scene_mm[10:38, 20:40] = 1000

    def measured():
        message = image(scene_mm, "16UC1")
        message.header.frame_id = SENSOR
        return message

    for words, help_ in (
        ("or the sensor's camera_info on", lambda: None),
        (
            "nobody has published a transform of the frame",
            lambda: peer.publish(f"{node.name}/depth/image/camera_info", camera_info(64, 48)),
        ),
    ):
        peer.until(lambda words=words: peer.says(node.name, "camera", words), words, every=lambda h=help_: (h(), robot.show(measured())))
    peer.publish("/tf_static", beside_the_camera(), LATCHED)
    assert 2 in robot.sources_after(measured())
    stamp = robot.source[-1].header.stamp
    (depth,) = peer.until(lambda: [one for one in robot.depth if one.header.stamp == stamp], "the same frame's depth")
    depth_m = np.frombuffer(depth.data, np.float32).reshape(48, 64)
    np.testing.assert_allclose(depth_m[14:34, 27:43], 1.0, rtol=1e-3)
    np.testing.assert_allclose(depth_m[14:34, 48:62], 4.0, rtol=1e-3)
    peer.until(lambda: dict(_values(peer, node)).get("depth registered here") == "yes", "it said")
    peer.silence("/tf_static")


@pytest.mark.slow
def test_a_sensors_camera_info_that_was_published_once_is_heard(peer, start_node) -> None:
    topic = "/eyes/depth/camera_info"
    peer.publish(topic, camera_info(64, 48), LATCHED)
    node = start_node("-p", "depth.source:=camera", "-r", f"~/depth/image/camera_info:={topic}")
    robot = Robot(peer, node)
    elsewhere = image(MEASURED_MM, "16UC1")
    elsewhere.header.frame_id = SENSOR
    words = "nobody has published a transform of the frame"  # so all else is there
    peer.until(lambda: peer.says(node.name, "camera", words), words, every=lambda: robot.show(elsewhere))
    peer.silence(topic)


def _values(peer, node):
    status = peer.status(node.name, "camera")
    return [(one.key, one.value) for one in status.values] if status else []


@pytest.mark.slow
def test_depth_that_does_not_lie_on_the_image_is_named(peer, start_node) -> None:
    node = start_node("-p", "depth.source:=fused", "-p", "depth.wait:=0.2")
    robot = Robot(peer, node)
    draw = np.random.default_rng(1)
    objects = np.zeros((48, 64), np.uint8)
    for _ in range(9):
        x, y, width, height = draw.integers((0, 0, 8, 6), (50, 36, 20, 16))
        objects[y : y + height, x : x + width] = draw.integers(1, 8)
    robot.pixels = np.repeat((objects * 30)[..., None], 3, 2)
    depth_mm = (4000 - 400 * objects.astype(int)).astype(np.uint16)
    shifted_mm = np.roll(depth_mm, 6, axis=1)
    words = "better when they are moved by -6 pixels to the right and 0 down"
    peer.until(lambda: peer.says(node.name, "camera", words), words, every=lambda: robot.show(image(shifted_mm, "16UC1")))
    peer.until(
        lambda: not peer.says(node.name, "camera", "does not lie on"), "well again", every=lambda: robot.show(image(depth_mm, "16UC1"))
    )

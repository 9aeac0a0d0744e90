# SPDX-License-Identifier: Apache-2.0
"""Costs of the node beside its network: a frame in; 50 detections, mask and depth out; a network that costs nothing.

    scripts/run python -m mtl_perception.ros.benchmark.node_overhead [--rounds 6] [--frames 90] [--encoding rgb8] [--points]

Three processes over DDS, as on a robot: this one is the camera and the reader; one is the perception node with an
engine that returns constants; one is the floor, the least that a Python node can do: it takes the image serialised
and publishes constant serialised bytes of the same sizes. Both get the same images and camera_info at 30 Hz, in turns
of some seconds, so that whatever else the machine does meets both. A frame takes from the camera's publish() until
the last of its three outputs has arrived.

The bar: median at most 1.35 times the floor's, 95th percentile at most twice the median, all frames delivered. With
--points the cloud of 640x480 points (6.1 MB) is read too, and the median may be 1.15 times the floor's.
On a busy machine `chrt -r 1 scripts/run python ...` (as root) keeps the others away.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import rclpy
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from mtl_perception.core.interrupts import noted
from mtl_perception.ros.awake import processors_awake
from mtl_perception.ros.benchmark.processes import beside
from mtl_perception.ros.constant_engine import ConstantEngine

MODULE = "mtl_perception.ros.benchmark.node_overhead"
WIDTH, HEIGHT, BOXES, RATE_HZ = 640, 480, 50, 30.0
OUTPUTS = {
    "depth/image_rect": Image,
    "segmentation/mask": Image,
    "detections": Detection2DArray,
}  # in the node's order
LARGEST_RATIO, LARGEST_RATIO_WITH_POINTS, LARGEST_SPREAD = 1.35, 1.15, 2.0
CAMERA_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
OUTPUT_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=90, help="frames per round and node")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--encoding", choices=("rgb8", "bgr8"), default="rgb8", help="of the camera; bgr8 has to be turned")
    parser.add_argument("--points", action="store_true", help="read the point cloud too")
    parser.add_argument("--serve", choices=("node", "floor"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    outputs = OUTPUTS | ({"points": PointCloud2} if options.points else {})
    if options.serve:
        return serve_node() if options.serve == "node" else serve_floor(outputs)
    more = ["--points"] if options.points else []
    with beside(MODULE, ["--serve", "floor", *more], ["--serve", "node"]), processors_awake():
        floor, node = measure(outputs, options.rounds, options.frames, options.encoding)
    return report(floor, node, options.encoding, options.points)


@dataclass
class Arm:
    """One of the two nodes: publishers to it, and what came back. Times are in seconds."""

    name: str
    camera: Node
    outputs: Mapping[str, type]
    sent_s: float = 0.0
    arrived: set[str] = field(default_factory=set)
    recording: bool = False
    rounds: list[list[float]] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        self.image = self.camera.create_publisher(Image, f"/{self.name}/image", CAMERA_QOS)
        self.info = self.camera.create_publisher(CameraInfo, f"/{self.name}/camera_info", CAMERA_QOS)
        for topic, message_type in self.outputs.items():
            self.camera.create_subscription(
                message_type,
                f"/{self.name}/{topic}",
                lambda _, topic=topic: self._on_output(topic),
                OUTPUT_QOS,
                raw=True,
            )

    def send(self, image: bytes, info: bytes) -> None:
        self.arrived.clear()
        self.info.publish(info)
        self.sent_s = time.perf_counter()
        self.image.publish(image)

    def _on_output(self, topic: str) -> None:
        newly = topic not in self.arrived  # else an answer to an earlier frame has taken its place
        self.arrived.add(topic)
        if newly and len(self.arrived) == len(self.outputs) and self.recording:
            self.rounds[-1].append(time.perf_counter() - self.sent_s)


def measure(outputs: Mapping[str, type], rounds: int, frames: int, encoding: str) -> tuple[Arm, Arm]:
    camera = rclpy.create_node("camera")
    floor, node = Arm("floor", camera, outputs), Arm("perception", camera, outputs)
    executor = EventsExecutor()
    executor.add_node(camera)
    image = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=WIDTH * 3)
    image.header.frame_id = "camera_color_optical_frame"
    image.data.frombytes(np.random.default_rng(0).integers(0, 256, HEIGHT * WIDTH * 3, np.uint8).tobytes())
    info = CameraInfo(height=HEIGHT, width=WIDTH, k=[500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0])
    image_bytes, info_bytes = serialize_message(image), serialize_message(info)

    def run(arm: Arm, count: int) -> None:
        due_s = time.perf_counter()
        for _ in range(count):
            arm.send(image_bytes, info_bytes)
            due_s += 1 / RATE_HZ
            while (left_s := due_s - time.perf_counter()) > 0:
                executor.spin_once(timeout_sec=left_s)

    def settle() -> None:
        """Late answers come in before they can be taken for those of the next frame."""
        end_s = time.perf_counter() + 0.2
        while (left_s := end_s - time.perf_counter()) > 0:
            executor.spin_once(timeout_sec=left_s)

    for arm in (floor, node):
        for _ in range(60):  # until both sides have found each other and every buffer has been touched
            run(arm, 15)
            if len(arm.arrived) == len(outputs):
                break
        else:
            raise SystemExit(f"{arm.name} does not answer")
    for number in range(rounds):
        for arm in (floor, node) if number % 2 == 0 else (node, floor):
            run(arm, 5)
            settle()
            arm.rounds.append([])
            arm.recording = True
            run(arm, frames)
            arm.recording = False
            arm.sent += frames
    executor.remove_node(camera)
    camera.destroy_node()
    return floor, node


def report(floor: Arm, node: Arm, encoding: str, points: bool) -> int:
    largest = LARGEST_RATIO_WITH_POINTS if points else LARGEST_RATIO
    print(
        f"{WIDTH}x{HEIGHT} {encoding} at {RATE_HZ:.0f} Hz in; {BOXES} detections, mask, depth{', points' if points else ''} out; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':12}{'median ms':>10}{'p95 ms':>10}{'p95/median':>12}{'delivered':>11}")
    for arm in (floor, node):
        times_ms = 1e3 * np.concatenate(arm.rounds)
        median, p95 = np.median(times_ms), np.percentile(times_ms, 95)
        print(f"{arm.name:12}{median:10.2f}{p95:10.2f}{p95 / median:12.2f}{len(times_ms) / arm.sent:11.1%}")
    ratios = [np.median(ours) / np.median(least) for ours, least in zip(node.rounds, floor.rounds)]
    ratio = float(np.median(ratios))
    print(f"node / floor {ratio:.2f} (median of {len(ratios)} rounds, {min(ratios):.2f} to {max(ratios):.2f}), at most {largest}")
    met = ratio <= largest and p95 / median <= LARGEST_SPREAD and len(times_ms) == node.sent
    print("within the bar" if met else "NOT within the bar")
    return 0 if met else 1


def serve_node() -> int:
    from mtl_perception.ros.main import main as run_node

    arguments = ["--ros-args", "-p", "model:=free", "--log-level", "error"]
    return run_node(arguments, lambda parameters: ConstantEngine(BOXES))


def serve_floor(outputs: Mapping[str, type]) -> int:
    stop = noted()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("floor")
    constants = [
        (
            node.create_publisher(message_type, f"/floor/{topic}", OUTPUT_QOS),
            serialize_message(_output(topic)),
        )
        for topic, message_type in outputs.items()
    ]

    def on_image(serialised: bytes) -> None:
        for publisher, constant in constants:
            publisher.publish(constant)

    node.create_subscription(Image, "/floor/image", on_image, CAMERA_QOS, raw=True)
    node.create_subscription(CameraInfo, "/floor/camera_info", lambda serialised: None, CAMERA_QOS, raw=True)
    executor = EventsExecutor()
    executor.add_node(node)
    while not stop.requested:
        executor.spin_once(timeout_sec=0.2)
    rclpy.try_shutdown()
    return 0


def _output(topic: str) -> Image | PointCloud2 | Detection2DArray:
    """A message of the size that the node sends."""
    if topic == "detections":
        one = Detection2D(results=[ObjectHypothesisWithPose()])
        one.header.frame_id, one.results[0].hypothesis.class_id = "camera_color_optical_frame", "bottle"
        return Detection2DArray(header=one.header, detections=[one] * BOXES)
    if topic == "points":
        from mtl_perception.ros.outputs.points import Cloud

        cloud = Cloud(HEIGHT, WIDTH).message
        cloud.header.frame_id = "camera_color_optical_frame"
        return cloud
    bytes_per_pixel, encoding = (4, "32FC1") if topic.startswith("depth") else (1, "mono8")
    image = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=WIDTH * bytes_per_pixel)
    image.data.frombytes(bytes(HEIGHT * image.step))
    return image


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Whether the node's memory stays flat: a camera at 30 Hz over DDS for some minutes or hours.

    scripts/run python -m mtl_perception.ros.benchmark.soak [--minutes 60] [--model free|lite|PATH] [--bad-every 30] [--csv out/soak.csv]

This process is the camera (small images, camera_info and a transform with each) and reads every output; the node is another,
with an engine that returns constants or with a network. Every so many frames comes one message that is none, on each topic, for
what is kept of an error is memory too. The node's resident memory is written down every few seconds; after a warm-up of a tenth
of the time, three minutes at most, its slope is that of a straight line through it (least squares).

The bar: at most 5 MB an hour, the node alive, and no ten seconds without an answer. How many frames are answered depends on what
else the machine does: the node drops those that a newer one overtakes.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from mtl_perception.msg import TrackArray
from mtl_perception.ros.benchmark.processes import beside
from mtl_perception.ros.constant_engine import ConstantEngine

MODULE = "mtl_perception.ros.benchmark.soak"
WIDTH, HEIGHT, RATE_HZ, FRAME = 160, 120, 30.0, "camera_optical_frame"
NODE = "/soak"
OUTPUTS = {
    "detections": Detection2DArray,
    "detections_3d": Detection3DArray,
    "tracks": TrackArray,
    "markers": MarkerArray,
    "segmentation/mask": Image,
    "segmentation/confidence": Image,
    "depth/image_rect": Image,
    "depth/camera_info": CameraInfo,
    "points": PointCloud2,
    "overlay": Image,
}
COUNTED = "detections"
LARGEST_SLOPE_MB_H, LONGEST_SILENCE_S = 5.0, 10.0
SAMPLE_EVERY_S, LONGEST_WARM_UP_S = 5.0, 180.0
QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
NO_MESSAGE = b"\0\1\0\0"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--model", default="free", help="free: an engine that returns constants; or as the node's parameter model")
    parser.add_argument("--bad-every", type=int, default=30, help="frames between two bad messages; 0 for none")
    parser.add_argument("--csv", type=Path, help="write seconds and MB here")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.model)
    with beside(MODULE, ["--serve", "--model", options.model]) as (node,):
        samples, sent, answered, silence_s = soak(node, 60 * options.minutes, options.bad_every)
    if options.csv:
        options.csv.parent.mkdir(parents=True, exist_ok=True)
        with options.csv.open("w", newline="") as file:
            csv.writer(file).writerows([("seconds", "MB"), *samples])
    return report(samples, sent, answered, silence_s, node.returncode)


def serve(model: str) -> int:
    from mtl_perception.ros.main import load_model
    from mtl_perception.ros.main import main as run_node

    arguments = ["--ros-args", "-r", f"__node:={NODE[1:]}", "-p", f"model:={model}", "-p", "tracking.enabled:=true"]
    load = (lambda parameters: ConstantEngine()) if model == "free" else load_model
    return run_node([*arguments, "-p", "output_frame:=base_link", "--log-level", "error"], load)


def soak(node: subprocess.Popen, duration_s: float, bad_every: int) -> tuple[list[tuple[float, float]], int, int, float]:
    """(seconds, MB) of the node, how many frames were sent and answered in ``duration_s`` from the first answer on, and the
    longest time in seconds without an answer."""
    camera = rclpy.create_node("soak_camera")
    executor = SingleThreadedExecutor()
    executor.add_node(camera)
    arrived = dict.fromkeys(OUTPUTS, 0)
    heard_s, silence_s = time.monotonic(), 0.0

    def count(topic: str) -> None:
        nonlocal heard_s, silence_s
        arrived[topic] += 1
        if topic == COUNTED:
            silence_s, heard_s = max(silence_s, time.monotonic() - heard_s), time.monotonic()

    for topic, kind in OUTPUTS.items():
        camera.create_subscription(kind, f"{NODE}/{topic}", lambda _, topic=topic: count(topic), QOS, raw=True)
    topics = ((f"{NODE}/image", Image), (f"{NODE}/camera_info", CameraInfo), ("/tf", TFMessage))
    publishers = [camera.create_publisher(kind, topic, QOS) for topic, kind in topics]
    pixels = np.random.default_rng(0).integers(0, 256, (8, HEIGHT, WIDTH, 3), np.uint8)
    frames = 0

    def send() -> None:
        nonlocal frames
        for publisher, message in zip(publishers, messages(camera, pixels[frames % len(pixels)])):
            publisher.publish(message)
        frames += 1
        if bad_every and frames % bad_every == 0:
            spin(executor, 0.5 / RATE_HZ)  # or it would take the place of the frame that waits
            for publisher in publishers:
                publisher.publish(NO_MESSAGE)

    until_s = time.monotonic() + 300
    while not all(arrived.values()):
        if node.poll() is not None or time.monotonic() > until_s:
            raise SystemExit(f"no answer on {', '.join(topic for topic, number in arrived.items() if not number)}")
        send()
        spin(executor, 1 / RATE_HZ)

    samples, frames, before, silence_s = [], 0, arrived[COUNTED], 0.0
    started_s = due_s = heard_s = time.monotonic()
    while time.monotonic() - started_s < duration_s and node.poll() is None:
        send()
        due_s = max(due_s + 1 / RATE_HZ, time.monotonic() - 1)  # after a halt of the machine: not all at once
        spin(executor, due_s - time.monotonic())
        at_s = time.monotonic() - started_s
        if at_s >= len(samples) * SAMPLE_EVERY_S:
            samples.append((round(at_s, 1), memory_mb(node.pid)))
            if len(samples) % 60 == 0:
                print(f"{at_s / 60:6.1f} min {samples[-1][1]:8.1f} MB", flush=True)
    spin(executor, 1.0)
    executor.shutdown()
    camera.destroy_node()
    return samples, frames, arrived[COUNTED] - before, max(silence_s, time.monotonic() - heard_s)


def messages(camera: rclpy.node.Node, pixels: np.ndarray) -> tuple[Image, CameraInfo, TFMessage]:
    stamp = camera.get_clock().now().to_msg()
    image = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH)
    image.data.frombytes(pixels.tobytes())
    info = CameraInfo(height=HEIGHT, width=WIDTH, k=[130.0, 0.0, WIDTH / 2, 0.0, 130.0, HEIGHT / 2, 0.0, 0.0, 1.0])
    links = []
    for parent, child in (("odom", "base_link"), ("base_link", FRAME)):
        link = TransformStamped(child_frame_id=child)
        link.header.frame_id, link.header.stamp, link.transform.rotation.w = parent, stamp, 1.0
        links.append(link)
    for message in (image, info):
        message.header.frame_id, message.header.stamp = FRAME, stamp
    return image, info, TFMessage(transforms=links)


def spin(executor: SingleThreadedExecutor, duration_s: float) -> None:
    until_s = time.monotonic() + duration_s
    while (left_s := until_s - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left_s)


def memory_mb(process_id: int) -> float:
    """Resident memory."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 2)


def slope_mb_per_h(samples: list[tuple[float, float]]) -> float:
    """Of the line of least squares through (seconds, MB)."""
    seconds, mb = np.array(samples).T
    return float(np.polyfit(seconds / 3600, mb, 1)[0])


def report(samples: list[tuple[float, float]], sent: int, answered: int, silence_s: float, status: int) -> int:
    warm_up_s = min(LONGEST_WARM_UP_S, samples[-1][0] / 10)
    after = [sample for sample in samples if sample[0] >= warm_up_s]
    if len(after) < 3:
        raise SystemExit("too short: give more --minutes")
    slope = slope_mb_per_h(after)
    print(
        f"{sent} frames of {WIDTH}x{HEIGHT} at {RATE_HZ:.0f} Hz, {answered} answered, at most {silence_s:.1f} s without an answer; "
        f"exit status of the node {status}; load {os.getloadavg()[0]:.1f}"
    )
    print(f"resident memory {after[0][1]:.1f} MB after {after[0][0]:.0f} s, {after[-1][1]:.1f} MB after {after[-1][0]:.0f} s")
    print(f"slope {slope:.2f} MB/h over {(after[-1][0] - after[0][0]) / 60:.1f} min, at most {LARGEST_SLOPE_MB_H:g}")
    met = slope <= LARGEST_SLOPE_MB_H and silence_s <= LONGEST_SILENCE_S and status == 0
    print("within the bar" if met else "NOT within the bar")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

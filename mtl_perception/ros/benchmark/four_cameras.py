# SPDX-License-Identifier: Apache-2.0
"""Four cameras on one node: latency and share of answers of each, while another is dead or sends as fast as it can.

    scripts/run python -m mtl_perception.ros.benchmark.four_cameras [--seconds 6] [--network-ms 10]

Two processes over DDS: this one is the cameras, 320x240 at 30 Hz each, and the reader of four masks; the other is the node
with a network that only waits. A frame takes from the camera's publish() until its mask has arrived. The same is measured
with all four, with one of them dead, and with one that sends at 120 Hz.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import rclpy
from rclpy.experimental import EventsExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from mtl_perception.ros.awake import processors_awake
from mtl_perception.ros.benchmark.processes import beside
from mtl_perception.ros.constant_engine import ConstantEngine

MODULE = "mtl_perception.ros.benchmark.four_cameras"
CAMERAS = ("front", "left", "right", "rear")
WIDTH, HEIGHT, RATE_HZ = 320, 240, 30.0
CASES = {"all four": {}, "rear is dead": {"rear": 0.0}, "rear at 120 Hz": {"rear": 120.0}}
CAMERA_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
MASK_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="of each case")
    parser.add_argument("--network-ms", type=float, default=5.0, help="what the network takes for one image")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.network_ms / 1e3)
    with beside(MODULE, ["--serve", "--network-ms", str(options.network_ms)]):
        print(f"{WIDTH}x{HEIGHT}, network {options.network_ms:g} ms; median and p95 in ms, answered share of the frames sent")
        rig = Rig()
        for case, rates in CASES.items():
            with processors_awake():
                rig.run(options.seconds, {camera: rates.get(camera, RATE_HZ) for camera in CAMERAS})
            print(f"{case:16}" + "  ".join(rig.summary(camera) for camera in CAMERAS))
    return 0


class Rig:
    """The cameras and the reader of their masks. A frame's stamp says which one it is."""

    def __init__(self) -> None:
        self._node = rclpy.create_node("rig")
        self._executor = EventsExecutor()
        self._executor.add_node(self._node)
        self._image = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH)
        self._image.header.frame_id = "camera_optical_frame"
        self._image.data.frombytes(bytes(HEIGHT * WIDTH * 3))
        self._serialised = bytearray(serialize_message(self._image))
        self._publishers = {c: self._node.create_publisher(Image, f"/perception/{c}/image", CAMERA_QOS) for c in CAMERAS}
        for camera in CAMERAS:
            self._node.create_subscription(
                Image, f"/perception/{camera}/segmentation/mask", lambda data, c=camera: self._on_mask(c, data), MASK_QOS, raw=True
            )
        self._sent_s: dict[tuple[str, int], float] = {}
        self._number = 0
        self._reset()
        while not all(self.times_s.values()):  # until both sides have found each other
            self.run(0.5, dict.fromkeys(CAMERAS, RATE_HZ), reset=False)

    def _reset(self) -> None:
        self.times_s: dict[str, list[float]] = {camera: [] for camera in CAMERAS}
        self.sent = dict.fromkeys(CAMERAS, 0)

    def run(self, duration_s: float, rates_hz: dict[str, float], reset: bool = True) -> None:
        if reset:
            self._reset()
        start_s = time.perf_counter()
        due_s = {camera: start_s + 0.002 * i for i, camera in enumerate(CAMERAS) if rates_hz[camera]}
        while time.perf_counter() - start_s < duration_s:
            camera = min(due_s, key=due_s.get)
            while (left_s := due_s[camera] - time.perf_counter()) > 0:
                self._executor.spin_once(timeout_sec=left_s)
            due_s[camera] += 1 / rates_hz[camera]
            self._send(camera)
        end_s = time.perf_counter() + 0.3
        while (left_s := end_s - time.perf_counter()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def summary(self, camera: str) -> str:
        times_ms = 1e3 * np.array(self.times_s[camera])
        if not len(times_ms):
            return f"{camera} -"
        share = len(times_ms) / self.sent[camera]
        return f"{camera} {np.median(times_ms):.1f} {np.percentile(times_ms, 95):.1f} {share:.0%}"

    def _send(self, camera: str) -> None:
        self._number += 1
        self._serialised[4:8] = self._number.to_bytes(4, "little")  # seconds of the stamp
        self._sent_s[camera, self._number] = time.perf_counter()
        self.sent[camera] += 1
        self._publishers[camera].publish(bytes(self._serialised))

    def _on_mask(self, camera: str, data: bytes) -> None:
        sent_s = self._sent_s.pop((camera, int.from_bytes(data[4:8], "little")), None)
        if sent_s is not None:
            self.times_s[camera].append(time.perf_counter() - sent_s)


def serve(delay_s: float) -> int:
    from mtl_perception.ros.main import main as run_node

    arguments = ["--ros-args", "-p", f"cameras:=[{', '.join(CAMERAS)}]", "--log-level", "fatal"]
    return run_node(arguments, lambda parameters: ConstantEngine(delay_s=delay_s))


if __name__ == "__main__":
    sys.exit(main())

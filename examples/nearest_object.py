# SPDX-License-Identifier: Apache-2.0
"""A ROS node that reads boxes and depth of the node ``perception``, and says which object is nearest.

scripts/run python examples/nearest_object.py    # beside a node that runs
scripts/run python examples/nearest_object.py --ros-args -r __ns:=/robot1    # of the node /robot1/perception
"""

import signal
import threading

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2D, Detection2DArray


class NearestObject(Node):
    """Boxes and depth of one image have the same stamp: whichever comes first waits for the other."""

    def __init__(self) -> None:
        super().__init__("nearest_object")
        self._waiting: dict[tuple[int, int], Detection2DArray | Image] = {}
        self.create_subscription(Detection2DArray, "perception/detections", self._take, 1)
        self.create_subscription(Image, "perception/depth/image_rect", self._take, 1)  # metres, 32FC1

    def _take(self, message: Detection2DArray | Image) -> None:
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        other = self._waiting.pop(stamp, None)
        if other is None or type(other) is type(message):
            self._waiting = {stamp: message}  # the newest alone: a frame that lost its other half is forgotten
            return
        boxes, depth = (message, other) if isinstance(message, Detection2DArray) else (other, message)
        self._report(boxes, depth)

    def _report(self, boxes: Detection2DArray, depth: Image) -> None:
        depth_m = np.frombuffer(depth.data, np.float32).reshape(depth.height, depth.width)
        found = [(median_depth_m(depth_m, box), box.results[0].hypothesis.class_id) for box in boxes.detections]
        found = [pair for pair in found if np.isfinite(pair[0])]
        if found:
            distance_m, name = min(found)
            self.get_logger().info(f"nearest: {name} at {distance_m:.2f} m")


def median_depth_m(depth_m: np.ndarray, box: Detection2D) -> float:
    """Returns the median of the depth in the middle half of a box; NaN where none is known."""
    x, y = box.bbox.center.position.x, box.bbox.center.position.y
    half_width, half_height = box.bbox.size_x / 4, box.bbox.size_y / 4
    rows = slice(max(0, int(y - half_height)), int(y + half_height) + 1)
    columns = slice(max(0, int(x - half_width)), int(x + half_width) + 1)
    known_m = depth_m[rows, columns][np.isfinite(depth_m[rows, columns])]
    return float(np.median(known_m)) if known_m.size else float("nan")


def main() -> None:
    """Runs the node until Ctrl-C or SIGTERM."""
    # Not rclpy's own handler: it raises KeyboardInterrupt wherever the node is, and out of the middle of a take that is a RuntimeError.
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = NearestObject()
    while not ended.is_set():
        rclpy.spin_once(node, timeout_sec=0.2)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Subscription of a laser scanner, matched by stamp with the camera's images."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import LaserScan

from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.transforms import TransformError
from mtl_perception.ros.cdr import LaserScanView, read_laser_scan
from mtl_perception.ros.node.nearest import KEPT, NearestByStamp
from mtl_perception.ros.transforms import Place

_TOLERANCE_NS = 100_000_000  # scanners turn at 5 to 40 Hz
_MOST_RANGES = 100_000


class Laser:
    """Subscribes to ``scan`` on construction, until ``close``. Callbacks and ``points_at`` may run on different threads.

    Attributes:
        topic: full name.
        problem: why the last image had no points; empty if it had.
    """

    def __init__(self, node: Node, topics: str) -> None:
        self._node = node
        self._scans: NearestByStamp[LaserScanView] = NearestByStamp(_TOLERANCE_NS)
        self.problem = ""
        qos = QoSProfile(depth=KEPT, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._subscription = node.create_subscription(LaserScan, f"{topics}/scan", self._on_scan, qos, raw=True)
        self.topic = self._subscription.topic_name

    def hold(self, stamp_ns: int) -> None:
        """Keep the scans of this stamp until ``points_at`` is asked for it, however long the network takes."""
        self._scans.hold(stamp_ns)

    def points_at(self, stamp_ns: int, place: Place) -> np.ndarray | None:
        """(N, 3) metres in the camera's optical frame at ``place``; None, with the reason in ``problem``, if there is no scan."""
        scan = self._scans.at(stamp_ns)
        if scan is None:
            self.problem = f"no scan within {self._scans.tolerance_s:g} s of the camera's image: does a laser publish on this topic?"
            return None
        try:
            to_camera = place.from_frame(scan.frame_id)
        except TransformError as error:
            self.problem = str(error)
            return None
        self.problem = ""
        return scan_points_m(scan) @ to_camera[:3, :3].T + to_camera[:3, 3]

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)

    def _on_scan(self, serialised: bytes) -> None:
        scan = read_laser_scan(serialised)
        if len(scan.ranges_m) > _MOST_RANGES or not np.isfinite((scan.angle_min, scan.angle_increment)).all():
            raise ConversionError(
                f"scan has {len(scan.ranges_m)} ranges from {scan.angle_min} in steps of {scan.angle_increment} rad, "
                f"expected finite angles and at most {_MOST_RANGES} ranges"
            )
        self._scans.put(scan.stamp.nanoseconds, scan)


def scan_points_m(scan: LaserScanView) -> np.ndarray:
    """(N, 3) metres in the scanner's frame; ranges outside the scanner's limits, or not finite, give no point."""
    ranges_m = scan.ranges_m.astype(np.float64)
    angles = scan.angle_min + scan.angle_increment * np.arange(len(ranges_m))
    used = np.isfinite(ranges_m) & (ranges_m >= scan.range_min_m) & (ranges_m <= scan.range_max_m)
    flat = np.stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))], 1) * np.where(used, ranges_m, 0.0)[:, None]
    return flat[used]

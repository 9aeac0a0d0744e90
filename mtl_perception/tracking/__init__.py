# SPDX-License-Identifier: Apache-2.0
"""Identity over time: detections of successive frames become tracks. Free of ROS and of torch."""

from mtl_perception.tracking.settings import TrackerSettings
from mtl_perception.tracking.track import Track
from mtl_perception.tracking.tracker import Tracker

__all__ = ["Track", "Tracker", "TrackerSettings"]

# SPDX-License-Identifier: Apache-2.0
"""From an image to a Scene, free of ROS."""

from mtl_perception.inference.backends import BackendError
from mtl_perception.inference.device import DeviceError
from mtl_perception.inference.engine import Engine

__all__ = ["BackendError", "DeviceError", "Engine"]

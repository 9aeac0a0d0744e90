# SPDX-License-Identifier: Apache-2.0
"""Detections, segmentation and metric depth from one multi-task network, as a ROS 2 node."""

from pkgutil import extend_path

__version__ = "0.1.0"

# The generated messages (mtl_perception.msg) lie in the colcon install, these modules also in the source tree.
# Run from the source tree, the package is both folders.
__path__ = extend_path(__path__, __name__)

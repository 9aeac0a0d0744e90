# SPDX-License-Identifier: Apache-2.0
"""Detections, segmentation and metric depth from one multi-task network, as a ROS 2 node."""

__version__ = "0.1.0"

# SPDX-License-Identifier: Apache-2.0
"""Where objects are: point clouds and 3D boxes from a camera's depth. Knows no ROS and no network."""

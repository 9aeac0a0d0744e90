# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 room: camera topics in, scenes out. The only folder that imports rclpy or messages."""

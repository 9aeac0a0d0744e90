# SPDX-License-Identifier: Apache-2.0
"""A camera that publishes 640x480 at 30 Hz, best effort, with Fast DDS as installed, until it is ended."""

import signal
import sys
import time

import rclpy
from peer import BEST_EFFORT, stamped
from sensor_msgs.msg import Image

if __name__ == "__main__":
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    node = rclpy.create_node("untuned_camera")
    publisher = node.create_publisher(Image, sys.argv[1], BEST_EFFORT)
    image = Image(height=480, width=640, encoding="bgr8", step=1920)
    image.data.frombytes(bytes(480 * 1920))
    while not stop:
        publisher.publish(stamped(image))
        time.sleep(1 / 30)
    node.destroy_node()
    rclpy.shutdown()

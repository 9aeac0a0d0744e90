# SPDX-License-Identifier: Apache-2.0
"""A process that stands still for a while, as on a machine that swaps, is still known and heard when it goes on."""

import signal
import subprocess
import sys

import pytest
from peer import BEST_EFFORT
from std_msgs.msg import String

# By itself Fast DDS forgets a process after 20 s.
STANDS_STILL_S = 25.0

ECHO = """
import signal, threading
import rclpy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
ended = threading.Event()
signal.signal(signal.SIGINT, lambda *_: ended.set())
rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
node = rclpy.create_node("stalled")
publisher = node.create_publisher(String, "/stalled/out", 10)
node.create_subscription(String, "/stalled/in", publisher.publish, 10)
while not ended.is_set():
    rclpy.spin_once(node, timeout_sec=0.2)
node.destroy_node()
rclpy.shutdown()
"""


@pytest.mark.slow
def test_a_process_that_stood_still_is_known_and_heard_again(peer):
    process = subprocess.Popen([sys.executable, "-c", ECHO])
    try:
        heard = peer.subscribe("/stalled/out", String, BEST_EFFORT)
        call = lambda: peer.publish("/stalled/in", String(data="?"))  # noqa: E731
        peer.until(lambda: heard and "stalled" in peer.node.get_node_names(), "an echo", every=call)
        process.send_signal(signal.SIGSTOP)
        peer.spin_for(STANDS_STILL_S, every=call)
        assert "stalled" in peer.node.get_node_names()
        process.send_signal(signal.SIGCONT)
        heard.clear()
        peer.until(lambda: heard, "an echo of a process that goes on", every=call)
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0

# SPDX-License-Identifier: Apache-2.0
"""The processes that are measured, beside this one, which is their camera and reader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.signals import SignalHandlerOptions

from mtl_perception.core.interrupts import raised


@contextmanager
def beside(module: str, *arguments: Sequence[str]) -> Iterator[list[subprocess.Popen]]:
    """A process of ``module`` for each list of arguments, and rclpy in this one, all of a ROS domain of their own unless
    ``ROS_DOMAIN_ID`` is set; at the end, also by Ctrl-C, they are interrupted and waited for."""
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    served = [subprocess.Popen([sys.executable, "-m", module, *one]) for one in arguments]
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        with raised():
            yield served
    finally:
        for process in served:
            process.send_signal(signal.SIGINT)
        for process in served:
            process.wait()
        rclpy.try_shutdown()

# SPDX-License-Identifier: Apache-2.0
"""A Foxglove server beside the node, for people whose laptop has no ROS.

It is a process of its own that reads the node's topics as any other reader does. It reads a topic only while somebody looks
at it, so that the node runs no head for nobody; it reads best effort and only the newest message, so that it holds up
nobody; and each viewer has a short queue of its own in which new messages replace old ones, so that a slow one costs the
others nothing.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable

import foxglove
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.interrupts import Interruption, noted
from mtl_perception.ros.foxglove.bridge import Bridge, Settings
from mtl_perception.ros.foxglove.gate import Gate, OneLineOfAKind
from mtl_perception.ros.names import topics_of

_LOOK_EVERY_S = 0.2
_BACKLOG = 32
"""Messages that wait for one viewer."""
_LONGEST = 300


class FoxgloveError(ValueError):
    """The server can't start; the text says why."""


def serve(settings: Settings, on_start: Callable[[str], None] = lambda address: None) -> None:
    """Serve until SIGINT or SIGTERM. ``on_start`` hears the server's address.

    Raises:
        FoxgloveError: host and port can't be had.
        ValueError: as ``topics_of``.
    """
    topics_of(settings.node, settings.camera)
    _log_to_stderr()
    context = foxglove.Context()
    stop = noted()
    try:
        gate = Gate(settings.host, settings.port, settings.viewers)
    except (OSError, OverflowError) as error:
        raise FoxgloveError(
            f"can't listen on {settings.host}:{settings.port} ({error}); "
            "is another server running there? Choose another --port, or a --host that is this machine's"
        ) from None
    server = None
    try:
        # Viewers come through the gate; the server itself can't be reached from elsewhere.
        server = foxglove.start_server(
            name=f"mtl_perception {settings.node}", host="127.0.0.1", port=0, context=context, message_backlog_size=_BACKLOG
        )
        gate.start(server.port)
        host = socket.gethostname() if settings.host == "0.0.0.0" else settings.host
        on_start(f"ws://{host}:{gate.port}")
        _run(settings, context, stop)
    finally:
        gate.stop()
        if server is not None:
            server.stop()


def _log_to_stderr() -> None:
    """The SDK logs through Python, and quotes what viewers send."""
    handler = logging.StreamHandler()
    handler.addFilter(OneLineOfAKind())
    handler.setFormatter(_CutFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    foxglove.set_log_level("WARNING")


class _CutFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return cut(super().format(record), _LONGEST)


def _run(settings: Settings, context: foxglove.Context, stop: Interruption) -> None:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("perception_foxglove")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        bridge = Bridge(node, settings, context)
        looked_s = 0.0
        while not stop.requested:
            executor.spin_once(timeout_sec=_LOOK_EVERY_S)
            if time.monotonic() - looked_s > _LOOK_EVERY_S:
                bridge.look()
                looked_s = time.monotonic()
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()

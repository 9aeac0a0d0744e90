# SPDX-License-Identifier: Apache-2.0
"""Runs the node until it is told to stop, and leaves nothing behind."""

from __future__ import annotations

import sys
import time
from typing import Any

if __name__ == "__main__":  # before what takes seconds to load
    from mtl_perception.core.interrupts import end_at_once

    end_at_once()

import rclpy
from rclpy.context import Context
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from mtl_perception.core.interrupts import Interruption, noted
from mtl_perception.core.resources import find_model
from mtl_perception.ros.node.memory import GrowthLimit
from mtl_perception.ros.node.node import LoadEngine, PerceptionNode
from mtl_perception.ros.node.parameters import Parameters
from mtl_perception.ros.node.start import START_ERRORS, ParameterFiles, check_names, explain, ignored_parameters

_WAKE_EVERY_S = 0.2
_SWITCH_INTERVAL_S = 5e-4
_PAUSE_S = 0.01
"""After an error of the executor: one that stays must not take a whole core."""


def main(args: list[str] | None = None, load_engine: LoadEngine | None = None) -> int:
    """Run ``perception`` until SIGINT or SIGTERM.

    Args:
        args: ROS arguments (``--ros-args -p model:=... --params-file ...``); None for those of the process.
        load_engine: from the parameters to an engine; None for ``load_model``.

    Returns:
        The process's exit status: 1 when a parameter is wrong or the node could not start itself.
    """
    # The worker holds the interpreter lock while it fills messages: let the camera's callback in sooner.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # Own handlers: rclpy's end the context first, and then the node could no longer say goodbye to its peers.
    stop = noted()
    try:
        arguments = sys.argv if args is None else args
        check_names(arguments)
        files = ParameterFiles(arguments)
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = PerceptionNode(load_engine or load_model, GrowthLimit())
        files.require_for(node.get_fully_qualified_name())
    except START_ERRORS as error:
        rclpy.logging.get_logger("perception").fatal(explain(error))
        rclpy.try_shutdown()
        return 1
    if ignored := ignored_parameters(node):
        node.get_logger().warning(ignored)
    try:
        return _run(node, stop)
    finally:
        rclpy.try_shutdown()


def _run(node: PerceptionNode, stop: Interruption) -> int:
    executor = choose_executor()
    executor.add_node(node)
    try:
        if node.parameters["autostart"] and not _autostart(node):
            return 1
        while rclpy.ok() and not stop.requested and not node.is_finalized:
            _spin_once(executor, node)
        return 0
    finally:
        executor.remove_node(node)
        if not node.is_finalized:
            node.trigger_shutdown()
        node.destroy_node()
        executor.shutdown()


def _spin_once(executor: Executor, node: PerceptionNode) -> None:
    """Let callbacks run. What the executor itself raises, such as on a message that it cannot take, is not the node's end."""
    try:
        executor.spin_once(timeout_sec=_WAKE_EVERY_S)
    except ExternalShutdownException:
        raise
    except Exception as error:
        node.problems.note("executor", error)
        time.sleep(_PAUSE_S)


def load_model(parameters: Parameters) -> Any:
    """An ``Engine`` as the parameters ask for it. Raises ValueError or OSError with a full sentence."""
    path = find_model(parameters["model"])
    from mtl_perception.inference.engine import Engine  # torch takes seconds to import

    asked = (parameters[name] for name in ("device", "precision", "backend", "compile"))
    return Engine.load(path, *asked)


def _autostart(node: PerceptionNode) -> bool:
    success = TransitionCallbackReturn.SUCCESS
    return node.trigger_configure() == success and node.trigger_activate() == success


def choose_executor(context: Context | None = None) -> Executor:
    """The one that costs least. It wants ``spin_once`` with a finite timeout: its ``spin`` burns a core."""
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor(context=context)
    return EventsExecutor(context=context)


if __name__ == "__main__":
    sys.exit(main())

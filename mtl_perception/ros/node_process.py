# SPDX-License-Identifier: Apache-2.0
"""A perception node in a process of its own, for those who feed it and listen to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtl_perception.core.transforms import TF, TF_STATIC

NODE_COMMAND = (sys.executable, "-m", "mtl_perception.ros.main")
"""Command that starts the node; ROS arguments are appended."""

_STOP_LIMIT_S = 10.0


def ros_arguments(namespace: str, parameters: Mapping[str, Any], params_file: Path | None = None) -> list[str]:
    """Arguments that put a node with these parameters into ``namespace``, its clock and transforms with it."""
    arguments = ["--ros-args", "-r", f"__ns:={namespace}"]
    for topic in ("/clock", TF, TF_STATIC):
        arguments += ["-r", f"{topic}:={namespace}{topic}"]
    if params_file is not None:
        arguments += ["--params-file", str(params_file)]
    for name, value in parameters.items():
        # As JSON, which is YAML too: a model named 7 then stays a string.
        arguments += ["-p", f"{name}:={json.dumps(value)}"]
    return arguments


@contextmanager
def node_process(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen]:
    """The node, logging to ``log``; stopped at the end. Its own session keeps Ctrl-C away from it."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True, env=environment)
    try:
        yield process
    finally:
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(end)
                try:
                    process.wait(_STOP_LIMIT_S)
                except subprocess.TimeoutExpired:
                    continue


def last_words(log: Path) -> str:
    """The end of the node's log, for an error message."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return "its last words:\n  " + "\n  ".join(lines[-12:]) if lines else "it said nothing"

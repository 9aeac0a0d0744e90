# SPDX-License-Identifier: Apache-2.0
"""Nodes in processes of their own: the test is the camera and the reader, over real DDS."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from peer import PATIENCE_S

STAND_IN = (str(Path(__file__).with_name("node_process.py")),)
REAL = ("-m", "mtl_perception.ros.main")


class NodeProcess:
    """``perception`` under a name of its own. The stand-in's engine goes by the parameter model."""

    def __init__(self, name: str, *arguments: str, model: str = "free", program: tuple[str, ...] = STAND_IN) -> None:
        self.name = f"/{name}"
        command = [
            sys.executable,
            *program,
            "--ros-args",
            "-r",
            f"__node:={name}",
            "-p",
            f"model:={model}",
            "-p",
            "backend:=torch",  # others take a minute to convert a network that is new to them
            *arguments,
        ]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.log = ""
        self._interrupted = False

    def interrupt(self) -> None:
        # Once: Python gives SIGINT back its default while it ends, and a second one would then kill what ends well.
        if not self._interrupted and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self._interrupted = True

    def let_pass(self, frames: int = 1) -> None:
        """Let a gated engine go on with so many frames; see ``node_process``."""
        self.process.stdin.write("x" * frames)
        self.process.stdin.flush()

    def end(self) -> int:
        """The exit status of a node that ends by itself, or was told to."""
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        """The exit status after SIGINT; what was logged is in ``log``."""
        self.interrupt()
        try:
            _, log = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()  # which shows in its status
            _, log = self.process.communicate()
        self.log += log
        return self.process.returncode


@contextmanager
def nodes(prefix: str) -> Iterator[Callable[..., NodeProcess]]:
    """Starts nodes, each under another name; in the end all of them must stop in good order."""
    started: list[NodeProcess] = []

    def start(*arguments: str, **options) -> NodeProcess:
        started.append(NodeProcess(f"{prefix}_{len(started)}", *arguments, **options))
        return started[-1]

    try:
        yield start
    finally:
        for node in started:
            node.interrupt()
        statuses = [node.stop() for node in started]
    assert not any("Traceback" in node.log for node in started), [node.log for node in started]
    assert set(statuses) <= {0, 1}, (statuses, [node.log for node in started])

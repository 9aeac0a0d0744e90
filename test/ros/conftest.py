# SPDX-License-Identifier: Apache-2.0
"""The node runs in a process of its own; the test is the camera and the reader, over real DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BENCHMARKS = str(HERE.parents[1] / "benchmarks")  # where the free engine is
sys.path[:0] = [str(HERE), BENCHMARKS]
os.environ["PYTHONPATH"] = os.pathsep.join([BENCHMARKS, os.environ.get("PYTHONPATH", "")])

# Nobody else's nodes: every run of the tests has a domain of its own.
os.environ["ROS_DOMAIN_ID"] = str(os.getpid() % 100 + 1)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

from peer import Peer  # noqa: E402


class NodeProcess:
    """``perception`` under a name of its own, with an engine named by the parameter model (see node_process.py)."""

    def __init__(self, name: str, *arguments: str, model: str = "free") -> None:
        self.name = f"/{name}"
        command = [sys.executable, str(HERE / "node_process.py"), "--ros-args", "-r", f"__node:={name}", "-p", f"model:={model}"]
        self.process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)
        self.log = ""

    def stop(self) -> int:
        """The exit status after SIGINT; what was logged is in ``log``."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        _, log = self.process.communicate(timeout=30)
        self.log += log
        return self.process.returncode


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


@pytest.fixture(scope="module")
def start_node(request) -> Iterator:
    """Starts nodes that end with the module; each gets another name."""
    started: list[NodeProcess] = []

    def start(*arguments: str, model: str = "free") -> NodeProcess:
        started.append(NodeProcess(f"{Path(request.module.__file__).stem}_{len(started)}", *arguments, model=model))
        return started[-1]

    yield start
    statuses = [node.stop() for node in started]
    assert not any("Traceback" in node.log for node in started), [node.log for node in started]
    assert set(statuses) <= {0, 1}

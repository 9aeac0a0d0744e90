# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from skipped_module import skipped_without

if TYPE_CHECKING:
    from nodes import NodeProcess
    from peer import Peer


def pytest_pycollect_makemodule(module_path, parent):
    return skipped_without("rclpy", "needs ROS: run with scripts/run", module_path, parent)


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    from peer import Peer

    with Peer() as peer:
        yield peer


@pytest.fixture
def start_node(request) -> Iterator[Callable[..., NodeProcess]]:
    from nodes import nodes

    with nodes(re.sub(r"\W+", "_", request.node.name).strip("_")) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_node(request) -> Iterator[Callable[..., NodeProcess]]:
    """As ``start_node``, for nodes that several tests use."""
    from nodes import nodes

    with nodes(Path(request.module.__file__).stem) as start:
        yield start

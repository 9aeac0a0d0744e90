# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nodes import NodeProcess, nodes
from peer import Peer


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


@pytest.fixture
def start_node(request) -> Iterator[Callable[..., NodeProcess]]:
    with nodes(re.sub(r"\W+", "_", request.node.name).strip("_")) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_node(request) -> Iterator[Callable[..., NodeProcess]]:
    """As ``start_node``, for nodes that several tests use."""
    with nodes(Path(request.module.__file__).stem) as start:
        yield start

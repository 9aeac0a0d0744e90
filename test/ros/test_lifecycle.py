# SPDX-License-Identifier: Apache-2.0
"""Transitions over services, failure with a reason, and an end that leaves nothing behind."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from nodes import NodeProcess
from peer import image, since
from sensor_msgs.msg import Image

PIXELS = np.zeros((48, 64, 3), np.uint8)


def test_the_whole_cycle(peer, start_node):
    node = start_node("-p", "autostart:=false")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    send = lambda: peer.publish(f"{node.name}/image", image(PIXELS))  # noqa: E731

    assert peer.state(node.name) == "unconfigured"
    assert peer.node.count_publishers(f"{node.name}/segmentation/mask") == 0
    for _ in range(2):  # a second round must work like the first
        assert peer.change_state(node.name, "configure")
        assert peer.state(node.name) == "inactive"
        inactive_s = time.time()
        peer.diagnostics.clear()
        peer.until(lambda: peer.says(node.name, "model", "inactive"), "diagnostics", every=send)
        assert since(inactive_s, masks) == []

        active_s = time.time()
        assert peer.change_state(node.name, "activate")
        assert peer.state(node.name) == "active"
        peer.until(lambda: len(since(active_s, masks)) >= 3, "masks", every=send)

        assert peer.change_state(node.name, "deactivate")
        deactivated_s = time.time()
        peer.diagnostics.clear()
        peer.until(lambda: peer.says(node.name, "model", "inactive"), "diagnostics", every=send)
        assert since(deactivated_s, masks) == []

        assert peer.change_state(node.name, "cleanup")
        assert peer.state(node.name) == "unconfigured"
        peer.until(lambda: peer.node.count_publishers(f"{node.name}/segmentation/mask") == 0, "publishers gone")
        peer.until(lambda: peer.says(node.name, "model", "unconfigured"), "diagnostics")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-p", "model:=missing.safetensors"), "model file missing.safetensors does not exist"),
        (("-p", "device:=cuda"), "this machine has no CUDA device"),
        (("-p", "tasks:=[lanes]"), "tasks has 'lanes', expected 'all'"),
    ],
)
def test_configure_fails_with_a_reason(peer, start_node, arguments, words):
    node = start_node("-p", "autostart:=false", *arguments)
    assert not peer.change_state(node.name, "configure")
    assert peer.state(node.name) == "unconfigured"
    peer.until(lambda: peer.says(node.name, "model", words), "diagnostics")
    assert peer.told(node.name, "model").level == DiagnosticStatus.ERROR
    assert node.stop() == 0
    assert words in node.log


def test_a_transition_that_is_not_possible_is_refused(peer, start_node):
    node = start_node("-p", "autostart:=false")
    assert not peer.change_state(node.name, "activate")
    assert peer.state(node.name) == "unconfigured"
    assert peer.change_state(node.name, "configure")


def test_shutdown_ends_the_process(peer, start_node):
    node = start_node("-p", "autostart:=false")
    assert peer.change_state(node.name, "configure")
    peer.change_state(node.name, "shutdown")
    assert node.end() == 0


def test_a_wrong_parameter_ends_with_status_1(start_node):
    node = start_node("-p", "transport:=zip")
    assert node.end() == 1
    node.stop()
    assert "transport is 'zip', expected one of raw, compressed" in node.log


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_no_shared_memory(peer, number):
    """Whatever the node made in /dev/shm, it takes away; other processes may come and go meanwhile."""
    node = NodeProcess(f"signalled_{number}")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(lambda: masks, "a mask", every=lambda: peer.publish(f"{node.name}/image", image(PIXELS)))
    held = shared_memory_of(node.process.pid)
    os.kill(node.process.pid, number)
    assert node.end() == 0
    node.stop()
    assert "Traceback" not in node.log
    others = set().union(*(shared_memory_of(int(path.name)) for path in Path("/proc").glob("[0-9]*")))
    assert [path for path in held - others if path.exists()] == []
    assert held


def shared_memory_of(process_id: int) -> set[Path]:
    """Files below /dev/shm that a process has mapped; none if it has ended, or is somebody else's."""
    try:
        lines = Path(f"/proc/{process_id}/maps").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return set()
    return {Path(line.split(maxsplit=5)[5]) for line in lines if "/dev/shm/" in line and "lttng" not in line}

# SPDX-License-Identifier: Apache-2.0
"""Processes of tests that run at the same time have domains of their own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import domain
import pytest

SUPPORT = Path(__file__).parent / "support"
TAKE = "import domain, sys; print(domain.take_domain(), flush=True); sys.stdin.read()"


def test_many_processes_have_many_domains() -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", TAKE], cwd=SUPPORT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(12)
    ]
    try:
        taken = [int(process.stdout.readline()) for process in started]
    finally:
        for process in started:
            process.communicate()
    assert len({*taken, int(os.environ["ROS_DOMAIN_ID"])}) == len(started) + 1


def test_a_domain_in_which_a_node_listens_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("", 0))
        monkeypatch.setattr(domain, "_FIRST_PORT", participant.getsockname()[1] - 250 * 5)
        monkeypatch.setattr(domain, "DOMAINS", range(5, 6))
        with pytest.raises(RuntimeError, match="no ROS domain of 5 to 5 is free"):
            domain.take_domain()


def test_a_domain_is_free_again_when_its_process_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", TAKE], cwd=SUPPORT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    taken = int(process.stdout.readline())
    monkeypatch.setattr(domain, "DOMAINS", range(taken, taken + 1))
    with pytest.raises(RuntimeError):
        domain.take_domain()
    process.kill()
    process.communicate()
    assert domain.take_domain() == taken

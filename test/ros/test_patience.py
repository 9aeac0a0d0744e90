# SPDX-License-Identifier: Apache-2.0
"""A limit by the clock ends what a busy machine only delays."""

import subprocess
import sys
import time

import pytest

from mtl_perception.ros.patience import Patience


def wait(program: str, limit_s: float, longest_s: float) -> tuple[bool, float]:
    """Whether patience with a process that runs ``program`` was over within ``longest_s``, and after how long."""
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        patience, began_s = Patience(process.pid, limit_s), time.monotonic()
        while time.monotonic() - began_s < longest_s:
            if patience.is_over():
                return True, time.monotonic() - began_s
            time.sleep(0.05)
        return False, longest_s
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_process_that_works_gets_longer_than_the_limit() -> None:
    assert wait("while True: pass", 4.5, 12.0) == (False, 12.0)


@pytest.mark.slow
def test_one_that_sleeps_does_not() -> None:
    is_over, after_s = wait("import time; time.sleep(100)", 6.0, 300.0)
    assert is_over and after_s >= 6.0


def test_one_that_is_gone_does_not() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    patience = Patience(process.pid, 4.0)
    time.sleep(4.2)
    assert patience.is_over()

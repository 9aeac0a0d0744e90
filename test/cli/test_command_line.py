# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C at any moment ends a command as Ctrl-C, also where a module turns it into an error of its own."""

import subprocess
import sys

import pytest
import typer

from mtl_perception.cli.command_line import errors_in_one_line
from mtl_perception.core.interrupts import interruptions

# Imports rclpy again and again, interrupted a quarter of a millisecond later each time; prints how each import ended.
INTERRUPTED_IMPORTS = """
import os, signal, numpy, yaml
from mtl_perception.core.interrupts import interruptions

def ends(after_s):
    end = 130
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, after_s)
        try:
            with interruptions():
                import rclpy
            end = 0
        except KeyboardInterrupt:
            pass
        except Exception:
            end = 1
        signal.setitimer(signal.ITIMER_REAL, 0)  # what comes behind this block would end the process as SIGINT does
    except KeyboardInterrupt:  # it came when the import was over
        pass
    return end

found = []
while found[-5:] != [0] * 5 and len(found) < 400:
    child = os.fork()
    if child == 0:
        os._exit(ends(0.00025 * 1.04 ** len(found)))  # however long it takes: some two hundred moments
    found.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(*found)
"""


@pytest.mark.slow
def test_an_import_of_rclpy_that_is_interrupted_is_no_missing_rclpy():
    pytest.importorskip("rclpy")
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORTS], capture_output=True, text=True)
    ends = [int(end) for end in done.stdout.split()]
    assert ends.count(130) > 10 and ends.count(0) >= 5, done.stderr
    assert set(ends) == {0, 130}


def test_an_error_made_of_ctrl_c_is_ctrl_c(capsys):
    with pytest.raises(typer.Exit) as ended, errors_in_one_line():
        try:
            try:
                raise KeyboardInterrupt
            except KeyboardInterrupt as interrupt:  # as pybind11 does
                raise ImportError("initialization failed") from interrupt
        except ImportError as error:  # as require_ros does
            raise ImportError(f"this command needs ROS 2 ({error})") from None
    assert ended.value.exit_code == 130 and capsys.readouterr().err == "interrupted\n"


def test_other_errors_stay_what_they_are():
    with pytest.raises(ImportError, match="no such module"), interruptions():
        try:
            raise ValueError("before")
        except ValueError:
            raise ImportError("no such module") from None


@pytest.mark.parametrize(
    ("opened", "sentence"),
    [
        ("/nowhere/model.onnx", "error: /nowhere/model.onnx: No such file or directory\n"),
        (OSError(28, "can't write a.png: No space left on device"), "error: can't write a.png: No space left on device\n"),
        (OSError("a robot's words"), "error: a robot's words\n"),
    ],
)
def test_errors_of_files_are_told_without_their_number(opened: str | OSError, sentence: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(typer.Exit), errors_in_one_line():
        if isinstance(opened, OSError):
            raise opened
        open(opened)
    assert capsys.readouterr().err == sentence

# SPDX-License-Identifier: Apache-2.0
"""Real processes, interrupted at many moments: they end with status 130 and at most one line, never with a trace."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import write_config
from shapes import write_shapes

from mtl_perception.core.interrupts import heard, kept_from_children, raised

MOMENTS = 8
LOADED_AFTER_S = 20.0
"""Seconds, on however busy a machine. What has loaded and waits spends no processor time, so it would be waited for in vain."""
ENDED = (130, 0, -signal.SIGINT, -signal.SIGTERM)
"""The negative ones in the last moments of the interpreter, which then has put the system's own handlers back."""
COMMAND = [sys.executable, "-m", "mtl_perception"]


def started(arguments: list[str], folder: Path) -> subprocess.Popen:
    """In a session of its own, as under a terminal; from the moment on at which the package itself answers signals."""
    # The tool that measures coverage catches SIGTERM itself, before the package is there.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    process = subprocess.Popen(
        arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while process.poll() is None and not catches_sigterm(process.pid):
        time.sleep(0.002)
    return process


def catches_sigterm(pid: int) -> bool:
    """Python by itself catches SIGINT alone."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def processor_s(process: subprocess.Popen) -> float:
    """How far it has got, on however busy a machine."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def interrupted(arguments: list[str], folder: Path, after_s: float, number: int) -> tuple[int, str, str]:
    """Status, standard output and errors of a process whose whole group gets a signal after so much of its work."""
    process = started(arguments, folder)
    end_s = time.monotonic() + LOADED_AFTER_S
    while process.poll() is None and processor_s(process) < after_s and time.monotonic() < end_s:
        time.sleep(0.002)
    if process.poll() is None:
        os.killpg(process.pid, number)
    out, errors = process.communicate(timeout=300)
    return process.returncode, out, errors


def whole_work_s(arguments: list[str], folder: Path) -> float:
    process = started(arguments, folder)
    spent_s = 0.0
    while process.poll() is None:
        spent_s = processor_s(process) if Path(f"/proc/{process.pid}/stat").exists() else spent_s
        time.sleep(0.01)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return spent_s


def moments(whole_s: float) -> Iterator[tuple[float, int]]:
    for moment in range(MOMENTS):
        yield whole_s * moment / MOMENTS, (signal.SIGINT, signal.SIGTERM)[moment % 2]


@pytest.mark.slow
@pytest.mark.parametrize("command", [["info", "lite"], ["evaluate", "nosuch", "nodata"], ["moveit"]], ids=lambda command: command[0])
def test_a_command_that_loads_ends_with_one_line(tmp_path: Path, command: list[str]) -> None:
    found = []
    for after_s, number in [(0.0, signal.SIGINT), (0.1, signal.SIGTERM), (0.3, signal.SIGINT), (0.6, signal.SIGINT), (1.0, signal.SIGTERM)]:
        status, _, errors = interrupted([*COMMAND, *command], tmp_path, after_s, number)
        assert "Traceback" not in errors and "ignored" not in errors, errors
        if status == 130:
            assert errors == "interrupted\n"
        found.append(status)
    assert found[0] == 130  # the first moment at which anybody can be heard


@pytest.mark.slow
def test_training_ends_with_one_line_at_any_moment(tmp_path: Path) -> None:
    write_shapes(tmp_path / "shapes", 6)
    config = write_config(tmp_path, steps=4, workers=1)
    command = [*COMMAND, "train", str(config), "--restart"]
    found = []
    for after_s, number in moments(whole_work_s(command, tmp_path)):
        status, out, errors = interrupted(command, tmp_path, after_s, number)
        assert "Traceback" not in out + errors and len(errors.splitlines()) <= 1, (after_s, errors)
        assert status in ENDED, (after_s, status, errors)
        found.append(status)
    assert found.count(130) >= MOMENTS // 2


@pytest.mark.slow
def test_rendering_ends_with_one_line_at_any_moment(tmp_path: Path) -> None:
    """Its processes load for as long as it does."""
    pytest.importorskip("mujoco")
    command = [*COMMAND, "render", "--rooms", "2", "--views", "1", "--workers", "2", "--renderer", "classic", "--out"]
    done = subprocess.run([*command, "whole"], cwd=tmp_path, capture_output=True, text=True)
    if "driver" in done.stderr or "OpenGL" in done.stderr:
        pytest.skip(done.stderr)
    for moment, after_s in enumerate((0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)):
        status, out, errors = interrupted([*command, f"part{moment}"], tmp_path, after_s, signal.SIGINT)
        assert "Traceback" not in out + errors and len(errors.splitlines()) <= 1, (after_s, errors)
        assert status in ENDED, (after_s, status, errors)


@pytest.mark.slow
def test_a_node_that_loads_ends_without_a_trace(tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    command = [sys.executable, "-m", "mtl_perception.ros.main", "--ros-args", "-p", "autostart:=false"]
    found = []
    for after_s, number in [
        (0.0, signal.SIGINT),
        (0.05, signal.SIGTERM),
        (0.1, signal.SIGINT),
        (0.2, signal.SIGINT),
        (0.4, signal.SIGTERM),
        (0.5, signal.SIGINT),
    ]:
        status, out, errors = interrupted(command, tmp_path, after_s, number)
        assert "Traceback" not in out + errors and "ignored" not in errors, (after_s, errors)
        assert status in ENDED and (status == 0 or errors == "interrupted\n"), (after_s, status, errors)
        found.append(status)
    assert found[0] == 130


WITHIN_AN_IMPORT = """
import os, signal, sys
from mtl_perception.core.interrupts import raised
os.makedirs("within")
open("within/interrupted.py", "w").write("import os, signal\\nos.kill(os.getpid(), signal.SIGINT)\\nfor _ in range(10**5): pass\\nloaded = True\\n")
sys.path.insert(0, "within")
try:
    with raised():
        try:
            import interrupted
        except BaseException as error:
            print("broken", type(error))
        print("loaded", interrupted.loaded, flush=True)
        while True:
            pass
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_import_is_not_interrupted_but_what_comes_after_it(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHIN_AN_IMPORT], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stdout == "loaded True\ninterrupted\n", done.stderr


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    with pytest.raises(KeyboardInterrupt), raised():
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == before


def test_children_do_not_hear_ctrl_c_until_they_want_to() -> None:
    code = "import signal, sys; sys.stdin.readline(); print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with kept_from_children():
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    child.send_signal(signal.SIGINT)
    assert child.communicate("\n") == ("True\n", "")
    heard()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])

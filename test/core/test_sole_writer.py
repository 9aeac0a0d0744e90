# SPDX-License-Identifier: Apache-2.0
"""Two processes never write to one folder of results, whichever command they run."""

import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.core.resources import resource
from mtl_perception.core.sole_writer import FolderInUse, sole_writer

HOLD = """
import sys, time
from pathlib import Path
from mtl_perception.core.sole_writer import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(FolderInUse, match=f"another process is writing to {out}; wait for its end, or choose another folder"):
            with sole_writer(out):
                pass
        with sole_writer(tmp_path / "other"):
            pass
        first.send_signal(signal.SIGKILL)
    with sole_writer(out):
        pass


def test_a_folder_stays_if_something_is_in_it_or_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    for name, is_left in (("before", True), ("empty", False), ("written", True)):
        with sole_writer(tmp_path / name):
            if name == "written":
                (tmp_path / name / "result").touch()
        assert (tmp_path / name).exists() is is_left


def test_what_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, words in (
        (tmp_path / "file", "file is a file, expected a folder"),
        (Path("/proc/nowhere"), "can't write to /proc/nowhere: "),
    ):
        with pytest.raises(OSError, match=words):
            with sole_writer(path):
                pass


def test_a_folder_that_others_own_is_named_before_any_work() -> None:
    mine = os.geteuid()
    if mine == 0:  # root may write anywhere
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        with pytest.raises(OSError, match="^can't write to /usr: it is read-only; choose another folder$"):
            with sole_writer(Path("/usr")):
                pass
    finally:
        os.seteuid(mine)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["predict", "{bag}", "--device", "cpu", "--out", "{out}"],
        ["evaluate", "lite", "{bag}", "--device", "cpu", "--report", "{out}"],
        ["import", "rosbag2", "{bag}", "--out", "{out}"],
        ["autolabel", "{bag}", "--teacher", "lite", "--out", "{out}"],
        ["label", "{out}", "--no-browser", "--model", "none"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_fills_a_folder_asks_for_it(tmp_path: Path, command: list[str]) -> None:
    names = {"bag": resource("bags/demo"), "out": tmp_path}
    with sole_writer(tmp_path):
        done = CliRunner().invoke(app, [part.format(**names) for part in command])
        assert done.exit_code == 1 and f"error: another process is writing to {tmp_path}" in done.output, done.output
        assert not list(tmp_path.iterdir())

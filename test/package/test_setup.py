# SPDX-License-Identifier: Apache-2.0
"""scripts/setup: it does nothing twice, and says what a machine lacks before it downloads anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("CMakeLists.txt", "package.xml", "pyproject.toml", "setup.py", "scripts", "msg", "overlay")
PYTHON = Path(sys.executable).resolve()
"""Not the one on the PATH: a shim of pyenv needs the rest of that PATH, and an environment's python3 its folder."""
NEEDED = (
    "awk",
    "bash",
    "cat",
    "cut",
    "df",
    "dirname",
    "find",
    "flock",
    "g++",
    "make",
    "mkdir",
    "python3",
    "rm",
    "sed",
    "sha256sum",
    "sort",
    "uname",
    "xargs",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing is set up."""
    folder = tmp_path / "checkout"
    for name in COPIED:
        source = ROOT / name
        folder.mkdir(exist_ok=True)
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder)
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH of its own, from which a test takes a tool away or puts another in its place."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(PYTHON if name == "python3" else shutil.which(name))
    return folder


def replace(tools: Path, name: str, script: str) -> None:
    (tools / name).unlink()
    (tools / name).write_text(f"#!/bin/sh\n{script}\n")
    (tools / name).chmod(0o755)


def refusal(checkout: Path, **environment: str) -> str:
    """What scripts/setup says when it refuses; it must have made no .venv."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(["scripts/setup"], cwd=checkout, env={**clean, **environment}, capture_output=True, text=True)
    assert result.returncode == 1
    assert not (checkout / ".venv").exists()
    return result.stderr


def test_nothing_is_done_when_nothing_changed() -> None:
    """Before anything else it looks whether there is anything to do: a set-up in earnest is none of a test's business."""
    if subprocess.run([ROOT / "scripts" / "setup", "--check"]).returncode != 0:
        pytest.skip("files changed since the last set-up: run make setup")
    result = subprocess.run([ROOT / "scripts" / "setup"], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_look_says_that_there_is_something_to_do_and_does_nothing(checkout: Path) -> None:
    assert subprocess.run(["scripts/setup", "--check"], cwd=checkout, capture_output=True).returncode == 1
    assert sorted(path.name for path in checkout.iterdir()) == sorted(COPIED)


def test_another_ros_is_refused_by_name(checkout: Path) -> None:
    message = refusal(checkout, ROS_DISTRO="humble")
    assert "'humble'" in message and "jazzy" in message


def test_a_python_that_cannot_import_the_sourced_ros_is_named(checkout: Path, tools: Path) -> None:
    replace(tools, "python3", 'echo "ModuleNotFoundError: No module named rclpy" >&2; exit 1')
    message = refusal(checkout, ROS_DISTRO="jazzy", PATH=str(tools))
    assert str(tools / "python3") in message and "rclpy" in message and "PYTHON=" in message


def test_a_missing_compiler_is_named_with_the_command_that_installs_it(checkout: Path, tools: Path) -> None:
    (tools / "g++").unlink()
    assert "sudo apt install g++" in refusal(checkout, PATH=str(tools))


def test_a_missing_venv_module_is_named(checkout: Path, tools: Path) -> None:
    python = PYTHON
    replace(tools, "python3", f'case "$*" in *ensurepip*) exit 1;; esac; exec {python} "$@"')
    assert "sudo apt install python3-venv" in refusal(checkout, PATH=str(tools))


@pytest.mark.parametrize(("version", "expected"), [("309", "too old"), ("315", "too new")])
def test_a_python_out_of_range_is_refused(checkout: Path, tools: Path, version: str, expected: str) -> None:
    python = PYTHON
    replace(tools, "python3", f'case "$*" in *version_info*) echo {version}; exit;; esac; exec {python} "$@"')
    message = refusal(checkout, PATH=str(tools))
    assert expected in message and "make PYTHON=" in message


def test_a_full_disk_is_noticed_before_the_download(checkout: Path, tools: Path) -> None:
    replace(tools, "df", 'echo "Filesystem 1M-blocks Used Available Use% Mounted"; echo "/dev/x 100 90 1234 90% /"')
    message = refusal(checkout, PATH=str(tools))
    assert "1234 MB" in message and "9000 MB" in message


def test_a_machine_for_which_pypi_has_no_ros_is_told_so(checkout: Path, tools: Path) -> None:
    replace(tools, "uname", "echo Linux aarch64")
    message = refusal(checkout, PATH=str(tools))
    assert "aarch64" in message and "Install ROS 2 Jazzy" in message


def test_a_folder_that_messages_cannot_be_made_in_is_refused(checkout: Path, tools: Path) -> None:
    """CMake drops letters beyond ASCII from the lists that rosidl writes; spaces are no harm."""
    moved = checkout.rename(checkout.with_name("prüf stand"))
    message = refusal(moved, PATH=str(tools))
    assert str(moved) in message and "ASCII" in message


@pytest.mark.slow
def test_a_venv_that_does_not_see_the_sourced_ros_is_refused(checkout: Path, tools: Path) -> None:
    """One's own is not to be lost, and what is in that of a set-up that was interrupted before ROS was sourced would hide the ROS."""
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    stale = checkout / "build/mtl_perception/CMakeCache.txt"
    stale.parent.mkdir(parents=True)
    stale.touch()
    answers = 'case "$*" in *"import rclpy"*) echo /opt/ros/jazzy; exit;; *"import numpy"*) echo numpy==1.26.4; exit;; esac'
    replace(tools, "python3", f'{answers}; exec {PYTHON} "$@"')
    (tools / "grep").symlink_to(shutil.which("grep"))
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "PYTHONPATH", "VIRTUAL_ENV")}
    offline = {
        **clean,
        "ROS_DISTRO": "jazzy",
        "PATH": str(tools),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
    }
    refused = subprocess.run(["scripts/setup"], cwd=checkout, env=offline, capture_output=True, text=True)
    assert refused.returncode == 1 and "the .venv that is there" in refused.stderr and "Remove it" in refused.stderr, refused.stderr
    assert "include-system-site-packages = false\n" in (checkout / ".venv/pyvenv.cfg").read_text()
    shutil.rmtree(checkout / ".venv")
    assert subprocess.run(["scripts/setup"], cwd=checkout, env=offline, capture_output=True).returncode != 0, "there is no index"
    assert "include-system-site-packages = true\n" in (checkout / ".venv/pyvenv.cfg").read_text()
    assert not stale.exists(), "it would name the headers of the Python before"
    # Not in build/, which `make clean` empties: scripts/extra wants it later.
    assert (checkout / ".venv/constraints.txt").read_text() == "numpy==1.26.4\n"


def test_the_executable_finds_a_python_whose_path_has_a_space(tmp_path: Path) -> None:
    python, executable = tmp_path / "my robot/python3", tmp_path / "perception"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    text = (ROOT / "scripts/perception.in").read_text().replace("@Python3_EXECUTABLE@", str(python))
    compile(text, executable, "exec")
    executable.write_text(text)
    executable.chmod(0o755)
    said = subprocess.run([executable, "--ros-args", "a b"], capture_output=True, text=True, check=True).stdout
    assert said == f"{executable}|--ros-args|a b|"


@pytest.mark.slow
def test_a_set_up_that_fails_does_not_count(checkout: Path, tools: Path) -> None:
    """pip cannot reach an index: the next run must start again, not build."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "PYTHONPATH", "VIRTUAL_ENV")}
    offline = {**clean, "PATH": str(tools), "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    result = subprocess.run(["scripts/setup"], cwd=checkout, env=offline, capture_output=True, text=True)
    assert result.returncode != 0
    assert not (checkout / ".venv" / "setup-stamp").exists()
    assert not (checkout / "install").exists()

# SPDX-License-Identifier: Apache-2.0
"""scripts/run: the environment that a command finds."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = ROOT / "scripts" / "run"
PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE" if os.environ.get("ROS_DISTRO", "jazzy") == "jazzy" else "FASTDDS_DEFAULT_PROFILES_FILE"
SET_BY_RUN = (PROFILE, "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")

pytestmark = pytest.mark.skipif(not (ROOT / "install" / "setup-stamp").is_file(), reason="nothing is built: run make setup")

# Prints the size in bytes of the shared memory that this node sends through.
NODE = """
import pathlib, re, time, rclpy
rclpy.init()
node = rclpy.create_node("with_shared_memory")
mapped = set(re.findall(r"/dev/shm/fast(?:rtps|dds)_[0-9a-f]{16}$", pathlib.Path("/proc/self/maps").read_text(), re.MULTILINE))
print(max(pathlib.Path(path).stat().st_size for path in mapped))
node.destroy_node()
rclpy.shutdown()
"""


def run(*command: str, script: Path = RUN, **environment: str) -> subprocess.CompletedProcess:
    fresh = {name: value for name, value in os.environ.items() if name not in SET_BY_RUN}
    return subprocess.run([script, *command], env={**fresh, **environment}, capture_output=True, text=True)


def test_a_node_gets_shared_memory_with_room_for_images() -> None:
    result = run("python", "-c", NODE)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 64 * 1024 * 1024


def test_freed_image_buffers_are_kept() -> None:
    values = run("printenv", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_").stdout.split()
    assert [int(value) for value in values] == [4 << 30, 8 << 30]


def test_what_the_user_has_set_stays() -> None:
    theirs = {PROFILE: "/their/profile.xml", "MALLOC_TRIM_THRESHOLD_": "1", "RMW_IMPLEMENTATION": "rmw_other"}
    assert run("printenv", *theirs, **theirs).stdout.split() == list(theirs.values())


def test_the_modules_come_from_the_source_tree_and_the_messages_with_them(tmp_path: Path) -> None:
    code = (
        "import os; os.chdir(r'%s'); import mtl_perception.core.scene as s, mtl_perception.msg as m; print(s.__file__); print(m.__file__)"
    )
    scene, message = run("python", "-c", code % tmp_path).stdout.split()
    assert Path(scene) == ROOT / "mtl_perception" / "core" / "scene.py"
    assert Path(message).is_relative_to(ROOT / "install")


def test_the_commands_exit_status_comes_back() -> None:
    assert run("sh", "-c", "exit 7").returncode == 7


def test_without_a_command_it_says_how_to_use_it() -> None:
    result = run()
    assert result.returncode == 1 and "no command" in result.stderr


@pytest.mark.parametrize("name", ["no_such_program", "/no/such/program"])
def test_a_program_that_is_not_there_is_named(name: str) -> None:
    result = run(name)
    assert result.returncode == 1 and result.stderr.startswith(f"scripts/run: error: there is no program '{name}'")


@pytest.mark.skipif(shutil.which("ros2") is not None, reason="this ROS has ros2")
def test_without_ros2_it_says_how_the_node_is_started() -> None:
    result = run("ros2", "launch", "mtl_perception", "robot.launch.py")
    assert result.returncode == 1 and "mtl-perception run" in result.stderr and "make setup" in result.stderr


def test_another_ros_is_refused_by_name() -> None:
    result = run("true", ROS_DISTRO="humble")
    assert result.returncode == 1
    assert "'humble'" in result.stderr and "jazzy" in result.stderr


def test_before_the_set_up_it_names_the_command_to_run(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = Path(shutil.copy(RUN, tmp_path / "scripts"))
    result = run("true", script=script)
    assert result.returncode == 1 and "make setup" in result.stderr

# SPDX-License-Identifier: Apache-2.0
"""What colcon lays onto a robot: everything that the node and its tools need, without rendered rooms, studies and benchmarks of components."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS: run with scripts/run")

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed"),
]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the Python package, installed by the rule that stands in CMakeLists.txt."""
    folder = tmp_path_factory.mktemp("robot")
    rule = re.search(r"^install\(\n {2}DIRECTORY mtl_perception\n.*?^\)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE | re.DOTALL)[
        0
    ]
    project = ["cmake_minimum_required(VERSION 3.14)", "project(modules LANGUAGES NONE)", "set(PYTHON_INSTALL_DIR python)"]
    rule = rule.replace("DIRECTORY mtl_perception", f'DIRECTORY "{ROOT}/mtl_perception"')
    (folder / "CMakeLists.txt").write_text("\n".join([*project, rule]) + "\n")
    for command in (["-S", folder, "-B", folder / "build"], ["--install", folder / "build", "--prefix", folder / "installed"]):
        subprocess.run(["cmake", *command], check=True, capture_output=True)
    return folder / "installed" / "python"


@pytest.fixture(scope="module")
def environment(modules: Path) -> dict[str, str]:
    """Of a Python that is started with ``-S``: it finds the installed modules, their messages and other packages, and not the
    source tree, which an editable installation would add."""
    paths = [Path(path) for path in os.environ["PYTHONPATH"].split(os.pathsep) if path]
    others = modules.with_name("others")
    others.mkdir()
    for path in paths:
        if path.resolve() == ROOT or not (path / "mtl_perception").is_dir():
            continue
        for entry in path.iterdir():  # the build's: messages, and modules as links
            if entry.name != "mtl_perception":
                (others / entry.name).symlink_to(entry)
        if (path / "mtl_perception" / "msg").is_dir():
            (others / "mtl_perception").mkdir()
            (others / "mtl_perception" / "__init__.py").touch()
            for entry in (path / "mtl_perception").iterdir():
                if entry.name == "msg" or entry.suffix == ".so":
                    (others / "mtl_perception" / entry.name).symlink_to(entry)
    kept = [path for path in paths if path.resolve() != ROOT and not (path / "mtl_perception").is_dir()]
    search = [modules, others, *kept, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, search))}


def test_rendered_rooms_studies_and_benchmarks_of_components_are_left_out(modules: Path) -> None:
    left_out = ("simulation/", "studies/", "benchmark/components/", "ros/benchmark/", "__pycache__/")
    assert all(list((ROOT / "mtl_perception").glob(f"{folder}*.py")) for folder in left_out[:-1])
    wanted = {path.relative_to(ROOT) for path in (ROOT / "mtl_perception").rglob("*") if path.is_file()}
    wanted = {path for path in wanted if not any(f"/{folder}" in str(path) for folder in left_out)}
    assert {path.relative_to(modules) for path in modules.rglob("*") if path.is_file()} == wanted


def test_the_node_starts_and_ends(environment: dict[str, str], modules: Path, tmp_path: Path) -> None:
    code = (
        "import mtl_perception.core.scene as scene; print(scene.__file__, flush=True)\n"
        "from mtl_perception.ros.constant_engine import ConstantEngine\n"
        "from mtl_perception.ros.main import main\n"
        "raise SystemExit(main(['--ros-args', '-p', 'model:=free'], lambda parameters: ConstantEngine()))"
    )
    node = subprocess.Popen(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = []
    for line in node.stdout:
        said.append(line)
        if "in float32" in line:  # it is configured
            node.send_signal(signal.SIGINT)
    assert node.wait() == 0, "".join(said)
    assert Path(said[0].strip()).is_relative_to(modules)


@pytest.mark.parametrize("command", [["render", "--out", "rooms"], ["report", "transfer", "transfer.yaml"]])
def test_what_is_not_there_says_where_it_is(environment: dict[str, str], tmp_path: Path, command: list[str]) -> None:
    found = subprocess.run(
        [sys.executable, "-S", "-c", "from mtl_perception.cli.app import app; app()", *command],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert found.returncode == 1
    assert found.stderr.startswith("error: a robot's installation is without mtl_perception.")
    assert "pip install '.[simulation]'" in found.stderr and found.stderr.count("\n") == 1

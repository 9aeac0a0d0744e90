# SPDX-License-Identifier: Apache-2.0
"""What CONTRIBUTING asks of the code, where a machine can tell."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest
from imports import is_ros, source

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mtl_perception"
MODULES = sorted(PACKAGE.rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_only_the_ros_folder_knows_ros() -> None:
    """So that everything else runs on a training server. cv_bridge, where there is one, decodes rare encodings of bags too."""
    others = [path for path in MODULES if "ros" not in path.relative_to(PACKAGE).parts]
    found = {name(path): [module for module in source(path).roots - {"cv_bridge"} if is_ros(module)] for path in others}
    assert len(found) > 300
    assert {path: modules for path, modules in found.items() if modules} == {}


@pytest.mark.parametrize(
    "path", [path for path in (*MODULES, *sorted((ROOT / "examples").glob("*.py"))) if "rclpy.init(" in path.read_text()], ids=name
)
def test_programs_handle_ctrl_c_themselves(path: Path) -> None:
    """rclpy's handler raises KeyboardInterrupt in the middle of a take, where it becomes a RuntimeError: 3 of 40 readers under load
    ended with a trace. Nodes with a context of their own have no handler."""
    calls = [
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and ast.unparse(node.func) == "rclpy.init"
    ]
    assert calls
    assert [call.lineno for call in calls if not {"context", "signal_handler_options"} & {keyword.arg for keyword in call.keywords}] == []


TASKS = sorted(path.name for path in (PACKAGE / "tasks").glob("[!_]*") if path.is_dir())


def named(path: Path, task: str) -> list[int]:
    """Lines that name a task: its name as text, outside of docstrings, or an import from its folder."""
    folder = f"mtl_perception.tasks.{task}."
    texts = [line for line, text in source(path).texts if text == task]
    return [*texts, *dict.fromkeys(line for line, module in source(path).imports if f"{module}.".startswith(folder))]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_imports_no_other_task(task: str) -> None:
    others = [other for other in TASKS if other != task]
    assert [
        name(path) for path in (PACKAGE / "tasks" / task).rglob("*.py") for other in others if f"tasks.{other}" in path.read_text()
    ] == []


FOREIGN_FORMATS = ("data/importers", "data/exporters")
"""What a foreign format holds, such as boxes or lanes, is the format's own business and stands in its converter."""

WITH_DEPENDANTS = {
    "detection": ("tasks/instances/labels.py",),  # the one literal that says whose masks they are
    "segmentation": (),
    "instances": (),
    "depth": ("tasks/normals/labels.py",),  # the one literal that says what normals are made from
}
"""The answers that others are made of. 3D boxes, tracks, point clouds and markers (ros, spatial), ground truth and results in bags, the
rendered rooms and the demo ask for them by name; so do tables and pictures that show them side by side."""

DEPENDANTS = (
    "bags",
    "benchmark",
    "data/writer.py",  # a key of COCO's annotations
    "demo",
    "evaluation/__init__.py",  # re-exports their metrics
    "evaluation/ground_truth.py",  # topics of bags
    "evaluation/markdown.py",  # a table with all three side by side
    "evaluation/recorded.py",  # topics of bags
    "model/checkpoint.py",  # class names for the dependants
    "prediction",
    "ros",
    "simulation",
    "studies",
    "tasks/_coco.py",  # the same key
    "training/config.py",  # the tasks of a training that names none
)


@pytest.mark.parametrize("task", TASKS)
def test_nothing_outside_names_a_task(task: str) -> None:
    """But its folder, its line in the registry and its ROS writer: so a new task is these three."""
    own = (f"tasks/{task}", "tasks/_registry.py", f"ros/outputs/{task}.py", *FOREIGN_FORMATS)
    if task in WITH_DEPENDANTS:
        own += (*DEPENDANTS, *WITH_DEPENDANTS[task])
    others = [path for path in MODULES if not any(path.is_relative_to(PACKAGE / place) for place in own)]
    assert {name(path): lines for path in others if (lines := named(path, task))} == {}


def test_a_file_that_names_a_task_is_found(tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text('"""normals"""\nfrom mtl_perception.tasks.normals.metric import angle_deg\nkinds = {"normals": 1, "normal": normals}\n')
    assert named(path, "normals") == [3, 2]


BENCHMARKS = ("mtl_perception.benchmark.components", "mtl_perception.ros.benchmark")


def benchmarks_of(path: Path) -> list[str]:
    return [module for _, module in source(path).imports if f"{module}.".startswith(tuple(f"{name}." for name in BENCHMARKS))]


def test_no_test_imports_a_benchmark() -> None:
    """They are programs that measure; what they share with the tests, such as the engine that returns constants, stands elsewhere."""
    assert all(len(list((ROOT / name.replace(".", "/")).glob("*.py"))) > 3 for name in BENCHMARKS)
    using = {name(path): found for path in (ROOT / "test").rglob("*.py") if (found := benchmarks_of(path))}
    assert using == {}


def test_an_import_of_a_benchmark_is_found(tmp_path: Path) -> None:
    path = tmp_path / "some.py"
    path.write_text("import mtl_perception.benchmark.result\nfrom mtl_perception.ros import benchmark\n")
    assert benchmarks_of(path) == ["mtl_perception.ros.benchmark"]


def test_a_docstring_says_what_it_does_or_returns() -> None:
    found = {name(path): [line for line, text in source(path).notes if text.startswith("What ")] for path in MODULES}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_no_drawer_for_everything() -> None:
    assert [name(path) for path in MODULES if path.stem in ("utils", "util", "helpers", "common", "misc")] == []


def test_every_source_file_names_its_licence() -> None:
    folders = ("mtl_perception", "test", "launch", "scripts")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    files += [ROOT / "setup.py", ROOT / "CMakeLists.txt", ROOT / "Makefile", *(ROOT / "scripts").glob("[!.]*[!t]")]
    files = [path for path in files if path.is_file() and path.stat().st_size and "__pycache__" not in path.parts]
    missing = [name(path) for path in files if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:300]]
    assert missing == []


def tracked(*options: str) -> list[str]:
    """What ``git ls-files`` lists. Containers check out as another user, which git refuses to read unless told."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


needs_git = pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="not a git checkout")


@needs_git
def test_nothing_is_committed_that_git_is_told_to_leave() -> None:
    assert len(tracked()) > 1000
    assert tracked("--cached", "--ignored", "--exclude-standard") == []


@needs_git
def test_no_committed_link_leads_out_of_the_repository() -> None:
    """A link to a folder of one machine leads nowhere on all others, and says where that machine keeps its data."""
    links = [line.split("\t")[1] for line in tracked("--stage") if line.startswith("120000")]
    targets = {link: (ROOT / link).readlink() for link in links}
    assert [
        link for link, to in targets.items() if to.is_absolute() or not (ROOT / link).parent.joinpath(to).resolve().is_relative_to(ROOT)
    ] == []

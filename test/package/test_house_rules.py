# SPDX-License-Identifier: Apache-2.0
"""What CONTRIBUTING asks of the code, where a machine can tell."""

from pathlib import Path

import pytest
from imports import is_ros, roots_of_imports

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "mtl_perception"
MODULES = sorted(PACKAGE.rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in MODULES if "ros" not in path.relative_to(PACKAGE).parts], ids=name)
def test_only_the_ros_folder_knows_ros(path: Path) -> None:
    """So that everything else runs on a training server. cv_bridge, where there is one, decodes rare encodings of bags too."""
    assert {module for module in roots_of_imports(path) - {"cv_bridge"} if is_ros(module)} == set()


@pytest.mark.parametrize("path", sorted((PACKAGE / "tasks").glob("[!_]*.py")), ids=name)
def test_a_task_imports_no_other_task(path: Path) -> None:
    others = {other.stem for other in path.parent.glob("[!_]*.py")} - {path.stem}
    text = path.read_text()
    assert [other for other in others if f"mtl_perception.tasks.{other}" in text or f"from .{other}" in text] == []


def test_no_drawer_for_everything() -> None:
    assert [name(path) for path in MODULES if path.stem in ("utils", "util", "helpers", "common", "misc")] == []


def test_every_source_file_names_its_licence() -> None:
    folders = ("mtl_perception", "test", "benchmarks", "launch", "scripts")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    files += [ROOT / "setup.py", ROOT / "CMakeLists.txt", ROOT / "Makefile", *(ROOT / "scripts").glob("[!.]*[!t]")]
    files = [path for path in files if path.is_file() and path.stat().st_size and "__pycache__" not in path.parts]
    missing = [name(path) for path in files if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:300]]
    assert missing == []

# SPDX-License-Identifier: Apache-2.0
"""The files that describe the package agree with each other and with the code."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from imports import is_ros, source

import mtl_perception

ROOT = Path(__file__).parents[2]
PACKAGE_XML = ElementTree.parse(ROOT / "package.xml").getroot()
# Come with every message package; and this package itself.
IMPLIED = {"builtin_interfaces", "mtl_perception"}
OPTIONAL = {"people_msgs"}  # not released for every ROS; without it there is no such topic


def in_pyproject(key: str) -> str:
    return re.search(rf'^{key} = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE).group(1)


def test_one_version() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE).group(1)
    assert PACKAGE_XML.findtext("version") == in_pyproject("version") == mtl_perception.__version__ == cited
    assert f"\n## {cited}" in (ROOT / "CHANGELOG.md").read_text()


def test_one_licence() -> None:
    assert PACKAGE_XML.findtext("license") == in_pyproject("license") == "Apache-2.0"


def test_package_xml_names_every_ros_package_that_is_imported() -> None:
    listed = {element.text for tag in ("depend", "exec_depend") for element in PACKAGE_XML.iter(tag)}
    files = [*(ROOT / "mtl_perception").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    imported = {module for path in files for module in source(path).roots if is_ros(module)}
    assert "rclpy" in imported and "launch_ros" in imported
    assert imported - IMPLIED - OPTIONAL <= listed


def test_the_tutorial_names_every_python_package_that_colcon_does_not_bring() -> None:
    """Those of pyproject.toml, but for the two that come with ROS."""
    listed = re.search(r"^dependencies = \[(.+?)^\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL).group(1)
    needed = set(re.findall(r'^  "([a-z-]+)', listed, re.MULTILINE)) - {"numpy", "pyyaml"}
    line = re.search(r"^pip install (torch .+)$", (ROOT / "docs" / "tutorial.md").read_text(), re.MULTILINE).group(1)
    assert set(line.split()) == needed


def test_every_message_is_built() -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text()
    messages = sorted(path.name for path in (ROOT / "msg").glob("*.msg"))
    assert messages and all(f'"msg/{name}"' in cmake for name in messages)


def test_the_image_asks_for_the_versions_that_the_package_asks_for() -> None:
    asked = re.findall(r'"((?:torch|torchvision)>=[^"]+)"', (ROOT / "Dockerfile").read_text())
    assert len(asked) == 2
    assert [one for one in asked if f'  "{one}",\n' not in (ROOT / "pyproject.toml").read_text()] == []

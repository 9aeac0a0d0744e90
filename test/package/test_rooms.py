# SPDX-License-Identifier: Apache-2.0
"""The contracts of ``[tool.importlinter]`` in pyproject.toml: which room may import which."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytest.importorskip("importlinter")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=folder, capture_output=True, text=True)


def test_no_room_imports_upwards_or_in_a_circle() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_a_node_starts_without_torchvision() -> None:
    """Which takes as long to import as PyTorch itself, and serves training and some encoders alone."""
    pytest.importorskip("rclpy")
    code = "import sys, mtl_perception.ros.main, mtl_perception.model.encoders; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

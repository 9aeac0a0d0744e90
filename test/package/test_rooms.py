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
    assert not is_loaded("torchvision", "mtl_perception.ros.main, mtl_perception.model.encoders")


@pytest.mark.slow
def test_a_process_that_reads_images_for_a_training_starts_without_torchvision() -> None:
    assert not is_loaded("torchvision", "mtl_perception.training.stream")


@pytest.mark.slow
def test_a_node_and_the_doctor_load_pytorch_with_a_network_only() -> None:
    pytest.importorskip("rclpy")
    assert not is_loaded("torch", "mtl_perception.ros.main, mtl_perception.ros.doctor.doctor")


def is_loaded(package: str, modules: str) -> bool:
    """Whether a process that imports ``modules`` has ``package`` loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}; print({package!r} in sys.modules)"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout == "True\n"

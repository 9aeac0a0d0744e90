# SPDX-License-Identifier: Apache-2.0
"""Shipped files are found wherever the package runs from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import setuptools

from mtl_perception.core.resources import find_model, resource, shipped_models

ROOT = Path(__file__).parents[2]


def run_python(code: str, folder: Path, **environment: str) -> str:
    """Run `code` in `folder` with nothing of this source tree on the path."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "AMENT_PREFIX_PATH")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**clean, **environment}, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_from_a_source_checkout() -> None:
    assert resource("config/robot.yaml") == ROOT / "config" / "robot.yaml"


def test_from_a_colcon_install(tmp_path: Path) -> None:
    prefix = next(
        (path for path in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if (Path(path) / "share/mtl_perception").is_dir()), None
    )
    if prefix is None:
        pytest.skip("no colcon install in AMENT_PREFIX_PATH: run with scripts/run")
    package = next(Path(prefix).rglob("*-packages/mtl_perception/core/resources.py"))
    code = "from mtl_perception.core.resources import resource; print(resource('config/robot.yaml'))"
    found = run_python(code, tmp_path, PYTHONPATH=str(package.parents[2]), AMENT_PREFIX_PATH=f"/nowhere:{prefix}")
    assert found == f"{prefix}/share/mtl_perception/config/robot.yaml"


@pytest.mark.skipif(int(setuptools.__version__.split(".")[0]) < 77, reason="pyproject.toml wants setuptools 77, which pip brings by itself")
def test_from_a_pip_install(tmp_path: Path) -> None:
    checkout, installed = tmp_path / "checkout", tmp_path / "installed"
    checkout.mkdir()
    for file in ("pyproject.toml", "setup.py", "README.md"):
        if (ROOT / file).exists():
            shutil.copy(ROOT / file, checkout)
    shutil.copytree(ROOT / "mtl_perception", checkout / "mtl_perception", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (checkout / "models").mkdir()
    (checkout / "models" / "little.safetensors").write_bytes(b"weights")
    (checkout / "models" / "little.md").write_text("card")
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(installed)], cwd=checkout, check=True, capture_output=True
    )
    code = "from mtl_perception.core.resources import find_model; import mtl_perception.core.scene; print(find_model('little'))"
    assert run_python(code, tmp_path, PYTHONPATH=str(installed)) == str(installed / "mtl_perception/models/little.safetensors")
    assert (installed / "mtl_perception/models/little.md").is_file()
    sources = {path.relative_to(checkout) for path in (checkout / "mtl_perception").rglob("*") if path.is_file()}
    assert [path for path in sources if not (installed / path).is_file()] == []


def test_a_model_may_be_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"weights")
    assert find_model(str(path)) == path


def test_an_unknown_model_is_named_with_those_there_are() -> None:
    with pytest.raises(FileNotFoundError) as error:
        find_model("enormous")
    assert "'enormous'" in str(error.value)
    assert all(name in str(error.value) for name in shipped_models())


def test_a_link_to_a_model_that_is_no_longer_shipped_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update leaves it in the install folder of a workspace that was built with links."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "kept.safetensors").write_bytes(b"weights")
    (tmp_path / "models" / "gone.safetensors").symlink_to(tmp_path / "elsewhere.safetensors")
    monkeypatch.setattr("mtl_perception.core.resources.roots", lambda: [tmp_path])
    assert list(shipped_models()) == ["kept"]


def test_a_missing_file_is_named_with_the_places_searched() -> None:
    with pytest.raises(FileNotFoundError, match="bags/other") as error:
        resource("bags/other")
    assert str(ROOT) in str(error.value)

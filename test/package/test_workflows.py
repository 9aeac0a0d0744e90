# SPDX-License-Identifier: Apache-2.0
"""The workflows are thin: they call make targets that exist, with tools of the versions that pyproject.toml pins."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
PREPARATION = ("apt-get", "sudo apt-get", "rosdep")  # what a bare machine lacks


def jobs(path: Path) -> dict[str, dict]:
    return yaml.safe_load(path.read_text())["jobs"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_job_calls_make_targets_that_exist(path: Path) -> None:
    for name, job in jobs(path).items():
        lines = [line for step in job["steps"] for line in step.get("run", "").splitlines()]
        called = re.findall(r"\bmake ([a-z-]+)", "\n".join(lines))
        assert called, f"{name} calls no make target"
        assert set(called) <= TARGETS, f"{name} of {path.name}"
        others = [line for line in lines if "make " not in line and not line.strip().startswith(PREPARATION)]
        assert others == [], f"{name} does something that nobody can do by make"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_job_ends_by_itself_and_may_only_read(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    assert [name for name, job in jobs(path).items() if "timeout-minutes" not in job] == []


def test_every_python_that_pyproject_allows_is_tested() -> None:
    oldest = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text()).group(1)
    newest = re.search(r'"\$version" -le 3(\d+)', (ROOT / "scripts" / "setup").read_text()).group(1)
    tested = jobs(ROOT / ".github" / "workflows" / "ci.yml")["quick"]["strategy"]["matrix"]["python"]
    assert tested == [f"3.{minor}" for minor in range(int(oldest), int(newest) + 1)]


def test_every_target_is_phony_and_explained() -> None:
    phony = set(re.search(r"^\.PHONY: (.+)", MAKEFILE, re.MULTILINE).group(1).split())
    assert phony == TARGETS
    assert sorted(TARGETS - set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))) == []


@pytest.mark.parametrize("path", [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / "CITATION.cff"], ids=lambda path: path.name)
def test_every_file_for_the_host_is_yaml(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_lint_runs_tools_of_the_versions_that_pyproject_pins() -> None:
    extra = re.search(r"^dev = \[(.+)\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE).group(1)
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    tools = {hook["entry"].split()[0] for hook in repository["hooks"]}
    assert all(tool.startswith(".venv/bin/") for tool in tools)
    assert {"ruff", "pyright", "codespell"} <= {tool.rpartition("/")[2] for tool in tools}
    assert all(re.search(rf'"{tool}(\[\w+\])?==', extra) for tool in ("ruff", "pyright", "codespell"))

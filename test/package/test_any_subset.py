# SPDX-License-Identifier: Apache-2.0
"""Any of the files of tests can be run, in any order: what they share stands in test/support."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from imports import source

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("test_*.py"))


def test_no_file_of_tests_is_imported() -> None:
    """Which ``conftest`` or ``test_x`` that would be goes by what was loaded before."""
    tests = {"conftest", *(file.stem for file in FILES)}
    found = {str(path.relative_to(TESTS)): source(path).roots & tests for path in TESTS.rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}


def test_helpers_stand_in_the_one_folder_that_is_on_the_path() -> None:
    files = {path for path in TESTS.rglob("*.py") if path.name != "conftest.py"}
    assert {path for path in files - set(FILES) if path.parent != TESTS / "support"} == set()


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 12])
def test_a_random_subset_is_collected(size: int) -> None:
    chosen = random.sample(FILES, size)  # without a seed: another one at each run
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *map(str, chosen)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=TESTS.parent)
    # 5: none of the files has a test that this machine can run.
    assert result.returncode in (0, 5), f"{' '.join(command)}\n{result.stdout}{result.stderr}"

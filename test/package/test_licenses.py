# SPDX-License-Identifier: Apache-2.0
"""docs/licenses.md is true of what is installed, and nothing that is needed to run is under the GPL."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

pytest.importorskip("tomllib", reason="reads pyproject.toml with what Python 3.11 brings")

import licenses

CONSTRAINTS = (licenses.ROOT / "scripts" / "constraints.txt").read_text()
WORDS = re.compile(r"Apache|BSD|MIT|HPND|ISC|PSF|MPL|Zlib|BSL|CC0|any-OSI|LicenseRef-NVIDIA-Proprietary")


@pytest.fixture(scope="module")
def rows() -> list[licenses.Row]:
    try:
        return licenses.rows()
    except SystemExit as error:
        pytest.skip(str(error))


def table() -> dict[str, tuple[str, str]]:
    lines = re.findall(r"^\| ([\w-]+) \| ([^|]+) \| ([^|]+) \|", licenses.PAGE.read_text(), re.MULTILINE)
    return {name: (version, text) for name, version, text in lines if name not in ("package", "---")}


def test_everything_that_is_needed_to_run_has_a_licence_that_is_no_gpl(rows: list[licenses.Row]) -> None:
    unfit = [row for row in rows if "GPL" in row.license or "General Public" in row.license or not WORDS.search(row.license)]
    assert unfit == []
    unfit = {text: names for text, names in licenses.ros_licences().items() if "GPL" in text or not WORDS.search(text)}
    assert unfit == {}


def test_the_page_names_all_of_it(rows: list[licenses.Row]) -> None:
    """With their licences; those of other versions may have changed, so they are judged by the test above alone."""
    page = table()
    assert sorted(row.name for row in rows if row.name not in page) == [], "run scripts/licenses.py"
    other = [row for row in rows if page[row.name][0] == row.version and page[row.name][1] != row.license]
    assert other == [], "run scripts/licenses.py"


def test_versions_of_the_page_are_the_tested_ones() -> None:
    wrong = [
        f"{name} {version}"
        for name, (version, _) in table().items()
        if not re.search(rf"^{name}=={re.escape(version)}( ;|$)", CONSTRAINTS, re.MULTILINE)
    ]
    assert wrong == [], "run scripts/lock, and then scripts/licenses.py in the environment of those versions"


def test_wheels_that_hold_libraries_under_the_gpl_are_named(rows: list[licenses.Row]) -> None:
    holding = {
        row.name for row in rows for path in distribution(row.name).files or [] if Path(path).name.startswith(licenses.GPL_LIBRARIES)
    }
    assert {name for name in holding if "GPL" not in licenses.NOTES.get(name, "")} == set()

# SPDX-License-Identifier: Apache-2.0
"""Every command that docs/import.md shows runs, on a source of the name that it shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from imported import write_text
from sources import SOURCES
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.data.exporters import registry as exporters
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.importers import registry as importers

DOCUMENT = (Path(__file__).parents[3] / "docs" / "import.md").read_text()
COMMANDS = re.findall(r"(?:`|^    )(mtl-perception (?:import|export) [^`\n]*--out[^`\n]*)", DOCUMENT, re.MULTILINE)


def call(command: str) -> tuple[int, str]:
    words = [word.strip("'") for word in command.split()[1:]]
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.stdout + result.stderr


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sources")
    for name, write in SOURCES.items():
        write(root / name)
    return root


COMMANDS = [command for command in COMMANDS if not re.search(r"FORMAT|SOURCE|DIR", command)]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_runs(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    for path in sources.iterdir():
        (tmp_path / path.name).symlink_to(path)
    write_text(tmp_path / "classes.yaml", re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[1])
    if command.startswith("mtl-perception export"):
        assert call("mtl-perception import own rooms --out kitchen")[0] == 0
    code, text = call(command)
    assert code == 0, text
    assert "done;" in text or "pictures as coco" in text
    if "import" in command:
        sides = ("train", "val", "test") if "--split" in command else ("",)
        for side in sides:
            folder = ImageFolder(tmp_path / "kitchen" / side)
            assert len(folder) and all(folder[i].labels for i in range(len(folder)))


def test_every_format_is_in_the_document() -> None:
    imports, exports = DOCUMENT.split("## Export")
    assert set(re.findall(r"^\| `([\w-]+)` \| `mtl", imports, re.MULTILINE)) == {entry.name for entry in importers.FORMATS}
    assert set(re.findall(r"^\| `([\w-]+)`", exports, re.MULTILINE)) == {entry.name for entry in exporters.FORMATS}
    code, text = call("mtl-perception import formats")
    assert code == 0 and all(entry.name in text for entry in importers.FORMATS)


def test_every_source_is_recognised(sources: Path) -> None:
    for entry in importers.FORMATS:
        found = [path for path in sources.iterdir() if path.name.removesuffix(".zip") in (entry.name, SAME.get(entry.name))]
        for path in found:
            if path.suffix != ".zip":
                assert importers.recognised(path)[0][0].name == entry.name, path


SAME = {"own": "rooms", "coco-panoptic": "panoptic", "7scenes": "seven-scenes", "rosbag2": "drive"}


def test_errors_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for command, words in (
        (f"import coco {tmp_path}/gone --out {tmp_path}/out", "gone does not exist"),
        (f"import coco {tmp_path}/empty --out {tmp_path}/out", "it looks like no other known format"),
        (f"import coco {tmp_path}/empty", "needs a SOURCE and --out DIR"),
        (f"import coco {tmp_path}/empty --out {tmp_path}/out --set images", "--set is 'images', expected NAME=VALUE"),
        (f"import coco {tmp_path}/empty --out {tmp_path}/out --split val=2", "--split is 'val=2', expected shares"),
        (f"import coco {tmp_path}/empty --out {tmp_path}/out --tasks boxes", "--tasks lists boxes, expected some of detection"),
        (f"import coco {tmp_path}/empty --out {tmp_path}/out --camera 1,2", "expected four numbers"),
        (f"import coco {tmp_path}/empty --out {tmp_path}/out --group (", "or a regular expression"),
        (f"import coco {tmp_path}/empty --out {tmp_path}/out --recipe nosuch", "recipe 'nosuch' is unknown"),
        (f"export {tmp_path}/empty --format coco --out {tmp_path}/out", "is a folder without dataset.json"),
        (f"export {tmp_path}/empty --precision int8", "--precision: for models alone"),
        ("export nosuch", "no model 'nosuch'"),
        ("export nosuch --workers 2", "--workers is for data sets"),
        ("export-model nosuch", "no model 'nosuch'"),
    ):
        code, text = call("mtl-perception " + command)
        assert code == 1 and words in text and text.count("error: ") == 1 and "Traceback" not in text, (command, text)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["import", "coco", "x", "--out", "y"], ["export", "data", "--format", "coco", "--out", "y"]])
def test_a_missing_library_is_named_with_what_brings_it(tmp_path: Path, arguments: list[str]) -> None:
    write_text(tmp_path / "data/dataset.json", "{}")
    code = f"import sys; sys.modules['msgspec'] = None; from mtl_perception.cli.app import app; app({arguments})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and "need msgspec: pip install 'mtl-perception[import]'" in done.stderr, done.stderr

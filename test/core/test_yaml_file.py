# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in a YAML file, what comes of it is a configuration or one sentence."""

import os
import re
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from mtl_perception.core.yaml_file import ConfigError, load_yaml, read_yaml

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{i + 1}: &a{i + 1} {{<<: [*a{i}, *a{i}, *a{i}]}}\n" for i in range(30))


class Wheel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    radius_m: float = Field(gt=0)
    tyre: Literal["rubber", "foam"] = "rubber"


class Robot(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    wheels: list[Wheel] = Field(default_factory=list, max_length=3)
    notes: str = ""


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "robot.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[" * 20_000, "line 1, column 51: it is nested more than 50 deep"),
        ("{a: " * 20_000, "nested more than 50 deep"),
        ("- " * 20_000 + "a", "nested more than 50 deep"),
        (LAUGHS, "line 6.*with its aliases it holds more than 100000 values"),
        (MERGES, "with its aliases it holds more than 100000 values"),
        ("a: &a [*a]", "an alias refers to what it is a part of"),
        ("a:\n\tb: 1\n", r"line 2, column 1: .*found character '\\t'.*indent with spaces"),
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: key 'a' is given twice"),
        (b"\x89PNG\r\n\x1a\n\0\0", "no text in UTF-8"),
        ("a: 1".encode("utf-16"), "no text in UTF-8"),
        ("a: \0", "is not valid YAML"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: !!int x", "a value can't be read"),
        ("a: !!bool maybe", "a value can't be read"),
        ("a: " + "9" * 10_000, "a value can't be read"),
        ("a: 2024-13-45", "a value can't be read"),
        ("{[a]: b}", "unhashable key"),
        ("a: *b", "undefined alias 'b'"),
        ("a: 1\n---\nb: 2\n", "found another document"),
        ("#" * 2_000_000, "larger than 1.0 MB"),
    ],
)
def test_what_is_no_configuration_is_told_in_one_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        load_yaml(write(tmp_path, content), once=True)
    message = str(refused.value)
    assert "robot.yaml" in message and "\n" not in message and len(message) < 600


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ConfigError, match="it is a folder, a pipe or a device; expected a file"):
            load_yaml(path)
    with pytest.raises(ConfigError, match="none.yaml does not exist"):
        load_yaml(tmp_path / "none.yaml")


def test_a_byte_order_mark_and_a_few_aliases_are_fine(tmp_path: Path) -> None:
    content = "\ufeffa: &a {x: 1}\nb: {<<: *a, y: 2}\nc: {<<: *a, x: 3}\n"
    assert load_yaml(write(tmp_path, content), once=True)["c"] == {"x": 3}
    assert load_yaml(write(tmp_path, "a: 1\na: 2\n")) == {"a": 2}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: r\nwheel: []", "^wheel is not a known key; did you mean 'wheels'[?]; known are: name, wheels, notes$"),
        ("name: r\nwheels: [{radius: 1}]", "wheels.0.radius_m is missing; wheels.0.radius is not a known key; did you mean 'radius_m'"),
        ("name: r\nwheels: [{radius_m: -2}]", "^wheels.0.radius_m: expected greater than 0, got -2$"),
        ("name: r\nwheels: [{radius_m: 1, tyre: steel}]", "^wheels.0.tyre: expected 'rubber' or 'foam', got 'steel'$"),
        ("name: [1, 2, 3]", "^name: expected a valid string, got a list of 3$"),
        ("wheels: []", "^name is missing$"),
        ("name:", "^name: expected a valid string, got nothing$"),
        (f"name: r\nwheels: [{{radius_m: {'x' * 5000}}}]", f"got '{'x' * 100}… [(]5000 characters[)]'$"),
        (f"name: r\n{'y' * 900}: 1", "^y{100}… [(]900 characters[)] is not a known key; known are: name, wheels, notes$"),
        ('name: r\n"\\e[31mred": 1', r"^\?\[31mred is not a known key"),
        ("name: r\nwheels: [{}, {}, {}]\na: 1\nb: 1\nc: 1", "a is not a known key.*; and 1 more$"),
    ],
)
def test_a_wrong_key_or_value_is_told_without_the_rest(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_yaml(write(tmp_path, content), Robot)
    said = str(refused.value).removeprefix(f"{tmp_path / 'robot.yaml'}: ")
    assert re.search(words, said), said
    assert len(said) < 800

# SPDX-License-Identifier: Apache-2.0
"""Checks of what the node is given at its start: arguments and parameter files, with what is wrong in one sentence.

rcl finds most of it too, but says so in the terms of its lexer, and a section for a node of another name it skips without a word.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rcl_interfaces.srv import ListParameters
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException, NameValidationException, ParameterException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.validate_namespace import validate_namespace
from rclpy.validate_node_name import validate_node_name

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.yaml_file import ConfigError, load_yaml

_PARAMETERS = "ros__parameters"
_LONGEST = 1000

START_ERRORS = (
    ConfigError,
    NameValidationException,
    ParameterException,
    rclpy_implementation.RCLError,
    rclpy_implementation.UnknownROSArgsError,
)
"""Errors of wrong arguments and parameter files; ``explain`` puts them into a sentence."""


def check_names(arguments: Sequence[str]) -> None:
    """Raises ConfigError for an invalid node name or namespace."""
    for argument in arguments:
        for what, keys, check, expected in (
            ("namespace", "__ns", validate_namespace, "letters, digits, _ and / with a / in front and none at the end, such as /robot1"),
            ("name of the node", "__node|__name", validate_node_name, "letters, digits and _, a letter first, such as perception"),
        ):
            given = re.fullmatch(rf"(?:[^:]*:)?(?:{keys}):=(.*)", argument)
            try:
                if given:
                    check(given[1])
            except (NameValidationException, ValueError):
                raise ConfigError(f"{what} is {cut(given[1])!r}, expected {expected}") from None


class ParameterFiles:
    """The files behind ``--params-file``.

    Args:
        arguments: of the process.

    Raises:
        ConfigError: a file is missing, no YAML, or no ROS parameter file.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._sections = {path: [pattern for pattern, _ in _sections(path)] for path in _paths(arguments)}

    def require_for(self, node: str) -> None:
        """Raises ConfigError for a file that has parameters, and none for ``node``, a full name."""
        for path, patterns in self._sections.items():
            if patterns and not any(_matches(pattern, node) for pattern in patterns):
                named = ", ".join(cut(pattern) for pattern in patterns[:5])
                raise ConfigError(f"{path} has parameters for {named} and none for {node}: name the section {node}, or /** for every node")


def ignored_parameters(node: Node) -> str | None:
    """A sentence about parameters that were given and that the node does not have, with similar names; None if there are none."""
    given = getattr(node, "_parameter_overrides", {})  # rclpy has no other way to them
    unknown = sorted(name for name in given if not node.has_parameter(name) and not name.startswith("qos_overrides."))
    if not unknown:
        return None
    known = node.list_parameters([], ListParameters.Request.DEPTH_RECURSIVE).names
    shown = []
    for name in unknown[:5]:
        near = difflib.get_close_matches(name, known, n=1)
        shown.append(cut(name) + (f" (did you mean {near[0]}?)" if near else ""))
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    return f"ignored, for this node has no such parameter: {', '.join(shown)}{more}"


def explain(error: Exception) -> str:
    """One of ``START_ERRORS`` in a sentence."""
    if isinstance(error, InvalidParameterValueException):  # which puts the name behind a reason that has it already
        return cut(str(error).partition("Reason: ")[2].rpartition(": ")[0], _LONGEST)
    if isinstance(error, InvalidParameterTypeException):
        text = cut(str(error).rpartition(": ")[0], _LONGEST)
        return text + (": write it with a point, such as 1.0" if "'INTEGER', expecting type 'DOUBLE'" in text else "")
    if isinstance(error, rclpy_implementation.UnknownROSArgsError):
        return f"arguments that ROS does not know: {cut(error, _LONGEST)}; see --help, and put names with spaces in quotes"
    if isinstance(error, rclpy_implementation.RCLError):
        return _in_our_words(cut(" ".join(str(error).split()), _LONGEST))
    return cut(error, _LONGEST)


def _in_our_words(text: str) -> str:
    """rcl's error without source locations, and with what was expected where it only names a token."""
    text = re.sub(r", at /\S*:\d+", "", text).removeprefix("failed to initialize rcl: ")
    given = re.search(r": '(.*?)'\. Error", text)
    for kind, expected in (
        ("remap rule", "FROM:=TO with names of letters, digits, _ and /, such as -r ~/image:=/camera/image_raw"),
        ("parameter override rule", "NAME:=VALUE with a value as in YAML, such as -p score_threshold:=0.5"),
        ("log level", "debug, info, warn, error or fatal"),
    ):
        if kind in text and given:
            return f"{given[1]} is not understood, expected {expected}"
    return text


def _paths(arguments: Sequence[str]) -> Iterator[Path]:
    is_ros = False
    for flag, value in zip(arguments, [*arguments[1:], ""]):
        if flag in ("--ros-args", "--"):
            is_ros = flag == "--ros-args"
        elif is_ros and flag == "--params-file" and value:
            yield Path(value)


def _sections(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(pattern of node names, parameters) of each section; namespaces may be nested."""
    content = load_yaml(path)
    if content is None:
        return
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {type(content).__name__}, expected names of nodes, below each {_PARAMETERS}")
    yield from _below(path, "", content)


def _below(path: Path, prefix: str, content: Mapping[Any, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in content.items():
        name = f"{prefix}/{str(key).strip('/')}"
        if not isinstance(value, dict):
            raise ConfigError(f"{path}: {cut(name)} holds {cut(value)!r}, expected {_PARAMETERS} below it")
        if _PARAMETERS in value:
            parameters = value[_PARAMETERS]
            if not isinstance(parameters, dict):
                raise ConfigError(f"{path}: {_PARAMETERS} of {cut(name)} holds {cut(parameters)!r}, expected names and values")
            _require_values(path, "", parameters)
            yield name, parameters
        else:
            yield from _below(path, name, value)


def _require_values(path: Path, prefix: str, parameters: Mapping[Any, Any]) -> None:
    for key, value in parameters.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            _require_values(path, f"{name}.", value)
        elif value is None:
            raise ConfigError(f'{path}: {cut(name)} has no value; an empty list is [], an empty text ""')
        elif isinstance(value, list) and len({type(one) for one in value}) > 1:
            raise ConfigError(f"{path}: {cut(name)} is {cut(value)}, expected values of one type")


def _matches(pattern: str, node: str) -> bool:
    """Matches as rcl does: * is one part of a name, ** any number of parts."""
    parts = [{"**": "(?:/[^/]+)*", "*": "/[^/]+"}.get(part, "/" + re.escape(part)) for part in pattern.strip("/").split("/")]
    return re.fullmatch("".join(parts), node) is not None

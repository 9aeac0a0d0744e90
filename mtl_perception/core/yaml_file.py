# SPDX-License-Identifier: Apache-2.0
"""Configurations from YAML files, with what is wrong in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mtl_perception.core.files import read_text
from mtl_perception.core.validation_text import problems, shown

ModelT = TypeVar("ModelT", bound=BaseModel)

MOST_BYTES = 2**20
"""A hundred times what a long configuration has; PyYAML takes seconds for it."""

_DEEPEST = 50
_MOST_VALUES = 100_000
"""Counted as often as they are referred to: a few lines of aliases of aliases stand for billions."""


class ConfigError(ValueError):
    """A configuration that can't be used; the message names the key, its value and what was expected."""


def read_yaml(path: Path | str, model: type[ModelT]) -> ModelT:
    """A configuration from a YAML file.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or holds a wrong key or value.
    """
    content = load_yaml(path, once=True)
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {type(content).__name__}, expected keys and values")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {problems(error, model, 'file')}") from None


def load_yaml(path: Path | str, once: bool = False) -> Any:
    """Returns the content of a YAML file: mappings, lists, strings, numbers, None.

    Args:
        once: whether a key may be given only once; else the last one counts.

    Raises:
        ConfigError: the file can't be read, or is no YAML that a configuration could be.
    """
    path = Path(path)
    try:
        text = read_text(path, MOST_BYTES)
    except FileNotFoundError:
        raise ConfigError(f"configuration {path} does not exist") from None
    except OSError as error:
        raise ConfigError(f"configuration {path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{error}; expected a YAML file") from None
    try:
        return yaml.load(text, _Once if once else _Loader)  # safe loaders
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {_place(error)}{_one_line(error)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())[:200]}") from None
    except Exception as error:  # of a tag such as !!int before something that is none, each type has its own
        raise ConfigError(f"{path} is not valid YAML: a value can't be read ({shown(str(error))})") from None


class _Loader(yaml.SafeLoader):
    """Refuses what is too deep or, through aliases, too large."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._composed = 0
        self._values: dict[int, int] = {}  # by node, itself and all below it

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"it is nested more than {_DEEPEST} deep", mark)
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._composed += 1
        if not is_alias:
            self._values[id(node)] = 1 + sum(self._values[id(part)] for part in _parts(node))
        elif id(node) not in self._values:
            raise yaml.composer.ComposerError(None, None, "an alias refers to what it is a part of", mark)
        if max(self._composed, self._values[id(node)]) > _MOST_VALUES:
            raise yaml.composer.ComposerError(None, None, f"with its aliases it holds more than {_MOST_VALUES} values", mark)
        return node


class _Once(_Loader):
    """Refuses keys that are given twice, too."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise yaml.composer.ComposerError(None, None, f"key {shown(key.value)} is given twice", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add((key.tag, key.value))
        return node


def _parts(node: yaml.Node | None) -> Iterator[yaml.Node]:
    for item in node.value if isinstance(node, yaml.CollectionNode) else ():
        yield from item if isinstance(item, tuple) else (item,)


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "


def _one_line(error: yaml.MarkedYAMLError) -> str:
    text = " ".join(" ".join(filter(None, (error.context, error.problem))).split())[:200]
    return text + ("; indent with spaces, YAML takes no tabs" if "'\\t'" in text else "")

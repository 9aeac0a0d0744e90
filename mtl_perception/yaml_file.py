# SPDX-License-Identifier: Apache-2.0
"""Configurations from YAML files, with what is wrong in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

ModelT = TypeVar("ModelT", bound=BaseModel)


class ConfigError(ValueError):
    """A configuration that can't be used; the message names the key, its value and what was expected."""


def read_yaml(path: Path | str, model: type[ModelT]) -> ModelT:
    """A configuration from a YAML file.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or holds a wrong key or value.
    """
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {type(content).__name__}, expected keys and values")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {problems(error)}") from error


def load_yaml(path: Path | str) -> Any:
    """What a YAML file holds: mappings, lists, strings, numbers, None.

    Raises:
        ConfigError: the file can't be read, or is no YAML that a configuration could be.
    """
    path = Path(path)
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"configuration {path} does not exist") from None
    except OSError as error:
        raise ConfigError(f"configuration {path} can't be read: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        hint = "; indent with spaces, YAML takes no tabs" if "'\\t'" in text else ""
        raise ConfigError(f"{path} is not valid YAML: {text}{hint}") from None


def problems(error: ValidationError) -> str:
    """Each wrong key with what is wrong and what was given."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {repr(e['input'])[:200]})" for e in error.errors()
    )

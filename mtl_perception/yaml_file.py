# SPDX-License-Identifier: Apache-2.0
"""Configurations from YAML files, with what is wrong in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

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
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"configuration {path} does not exist") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {type(content).__name__}, expected keys and values")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {problems(error)}") from error


def problems(error: ValidationError) -> str:
    """Each wrong key with what is wrong and what was given."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {repr(e['input'])[:200]})" for e in error.errors()
    )

# SPDX-License-Identifier: Apache-2.0
"""The tasks of networks, which need torch."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pydantic import ValidationError

from mtl_perception.core.validation_text import did_you_mean, problems, shown
from mtl_perception.tasks._base import Task
from mtl_perception.tasks._registry import NAMES

TASKS: dict[str, type[Task]] = {name: import_module(f"{__package__}.{name}.task").TASK for name in NAMES}
"""Kind → task."""


def build_task(kind: str, settings: dict[str, Any]) -> Task:
    """A task from its kind and its settings as they stand in a checkpoint's card or a training configuration.

    Raises:
        ValueError: the kind is not known, or a setting is.
    """
    if kind not in TASKS:
        raise ValueError(
            f"task kind {shown(kind)} is not known to this version; expected one of: {', '.join(TASKS)}{did_you_mean(kind, TASKS)}"
        )
    try:
        return TASKS[kind](TASKS[kind].Settings.model_validate(settings))
    except ValidationError as error:
        raise ValueError(f"settings of task '{kind}' are not valid: {problems(error, TASKS[kind].Settings, kind)}") from None

# SPDX-License-Identifier: Apache-2.0
"""What a training run is told, typed and checked before anything heavy starts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mtl_perception.network import MAX_STRIDE
from mtl_perception.tasks import TASKS


class ConfigError(ValueError):
    """A configuration that can't be used; the message names the key, its value and what was expected."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Strict):
    """One part of the schedule, at one resolution.

    Attributes:
        until: share of the whole schedule at which this stage ends.
        max_zoom: how much narrower than the whole image a training window may be.
    """

    until: float = Field(gt=0, le=1)
    width: int = Field(gt=0, multiple_of=MAX_STRIDE)
    height: int = Field(gt=0, multiple_of=MAX_STRIDE)
    batch_size: int = Field(gt=1)
    max_zoom: float = Field(2.0, ge=1)


class TrainingConfig(_Strict):
    """A training run.

    Attributes:
        minutes: length of the schedule in time spent training; on a machine that others use too, the learning rate
            then still reaches its end. Exactly one of ``minutes`` and ``steps`` is given.
        tasks: the tasks to train, with their weight in the sum of losses.
        start_from: a checkpoint whose weights the run begins with; heads for other labels begin anew.
        balance_classes: weigh segmentation classes by the inverse root of their share of pixels.
    """

    name: str
    variant: Literal["lite", "base", "large"]
    data: Path
    output: Path
    start_from: Path | None = None
    minutes: float | None = Field(None, gt=0)
    steps: int | None = Field(None, gt=0)
    stages: list[Stage] = Field(min_length=1)
    tasks: dict[str, float] = Field(default_factory=lambda: dict.fromkeys(TASKS, 1.0), min_length=1)
    balance_classes: bool = True
    learning_rate: float = Field(1.5e-3, gt=0)
    weight_decay: float = Field(0.03, ge=0)
    warmup_steps: int = Field(300, ge=0)
    gradient_norm: float = Field(5.0, gt=0)
    ema_decay: float = Field(0.998, ge=0, lt=1)
    device: str = "auto"
    workers: int = Field(1, ge=0)
    threads: int | None = Field(None, gt=0)
    seed: int = 0

    @model_validator(mode="after")
    def _consistent(self) -> TrainingConfig:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give exactly one of 'minutes' and 'steps'")
        ends = [stage.until for stage in self.stages]
        if ends != sorted(set(ends)) or ends[-1] != 1.0:
            raise ValueError(f"stages end at {ends}; expected rising values of 'until', the last one 1.0")
        for task, weight in self.tasks.items():
            if task not in TASKS:
                raise ValueError(f"task '{task}' is not known; expected some of: {', '.join(TASKS)}")
            if weight <= 0:
                raise ValueError(f"task '{task}' has weight {weight}, expected more than 0; leave the task out instead")
        return self



def read_config(path: Path | str) -> TrainingConfig:
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
        return TrainingConfig.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']} (got {e['input']!r})" for e in error.errors())
        raise ConfigError(f"{path}: {problems}") from error

# SPDX-License-Identifier: Apache-2.0
"""The configuration of a transfer report, and the training runs that follow from it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mtl_perception.core.validation_text import problems
from mtl_perception.core.yaml_file import ConfigError, read_yaml
from mtl_perception.training.config import TrainingConfig

_OF_A_RUN = ("name", "output", "seed", "data_share", "tasks")
"""Keys of a training configuration that the plan sets for each run."""


class TransferConfig(BaseModel):
    """Single-task networks against multi-task set-ups: same encoder, data and schedule.

    Attributes:
        output: folder of runs, tables and pages.
        tasks: each is trained alone and all together.
        factors: by task, its weight in the sum of losses of the multi-task networks, 1 if not given.
        test: data folders or bags that every network is scored on, all as one set, each for what it is labelled for; no part of the
            training data.
        test_images: at most so many of each, spread over all.
        base: a training configuration, without what the plan sets for each run (name, output, seed, data_share, tasks).
        setups: by name, the keys of ``base``, and of its ``architecture``, that a multi-task set-up replaces, or ``factors`` of its
            own; an empty mapping is the base itself.
        alone: by task, the keys of ``base`` that its single-task network replaces, such as ``data`` where only some folders are labelled
            for the task.
        shares: of the training data, for the data-efficiency curve; the tables show the largest.
        efficiency: set-ups that are trained on every share, as the single-task networks are; the first if None.
        once: set-ups that are trained with the first seed alone, however many the others have.
        rates: learning rates that every set-up, each single-task network too, is tried at with the first seed. The one with the best
            validation score is that set-up's from there on; the test set has no say. Needs ``validation`` in ``base``.
        lengths: further values of ``steps`` at which everything is trained, to see how Δm goes with the length of training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Path
    tasks: list[str] = Field(min_length=2)
    factors: dict[str, float] = Field(default_factory=dict)
    test: list[Path] = Field(min_length=1)
    test_images: int | None = Field(None, gt=0)
    base: dict[str, Any]
    setups: dict[str, dict[str, Any]] = Field(min_length=1)
    alone: dict[str, dict[str, Any]] = Field(default_factory=dict)
    shares: list[float] = Field(default_factory=lambda: [1.0], min_length=1)
    efficiency: list[str] | None = None
    once: list[str] = Field(default_factory=list)
    rates: list[Annotated[float, Field(gt=0)]] = Field(default_factory=list)
    lengths: list[Annotated[int, Field(gt=0)]] = Field(default_factory=list)

    @field_validator("test", mode="before")
    @classmethod
    def _several(cls, test: Any) -> Any:
        return test if isinstance(test, list) else [test]

    @field_validator("setups", mode="before")
    @classmethod
    def _empty_is_the_base(cls, setups: Any) -> Any:
        if not isinstance(setups, dict):
            return setups
        return {name: {} if changes is None else changes for name, changes in setups.items()}

    @model_validator(mode="after")
    def _consistent(self) -> TransferConfig:
        for where, keys in (("base", self.base), *self._changes()):
            taken = sorted(set(keys) & set(_OF_A_RUN))
            if taken:
                raise ValueError(f"{where} has '{taken[0]}', which the report sets for each run; leave it out")
        if any(not 0 < share <= 1 for share in self.shares) or len(set(self.shares)) < len(self.shares):
            raise ValueError(f"shares are {self.shares}, expected different values in (0, 1]")
        self._check_sweep()
        strange = sorted(set(self.alone) - set(self.tasks))
        if strange:
            raise ValueError(f"alone names task '{strange[0]}', expected some of: {', '.join(self.tasks)}")
        for key, named in (("efficiency", self.efficiency or ()), ("once", self.once)):
            unknown = sorted(set(named) - set(self.setups))
            if unknown:
                raise ValueError(f"{key} names '{unknown[0]}', expected some of: {', '.join(self.setups)}")
        for where, factors in (
            ("", self.factors),
            *((f"setups.{name}: ", changes.get("factors", {})) for name, changes in self.setups.items()),
        ):
            strange = sorted(set(factors) - set(self.tasks)) if isinstance(factors, dict) else [factors]
            if strange:
                raise ValueError(f"{where}factors name task '{strange[0]}', expected some of: {', '.join(self.tasks)}")
        slugs = [_slug(name) for name in self.setups]
        if len(set(slugs)) < len(slugs) or "single" in [slug.split("-")[0] for slug in slugs]:
            raise ValueError("names of setups must differ in their letters and digits, and not begin with 'single'")
        return self

    def _changes(self) -> list[tuple[str, dict[str, Any]]]:
        """Where keys of the base are replaced, and by what."""
        return [(f"{where}.{name}", changes) for where in ("setups", "alone") for name, changes in getattr(self, where).items()]

    def _check_sweep(self) -> None:
        if len(self.rates) == 1 or len(set(self.rates)) < len(self.rates):
            raise ValueError(f"rates are {self.rates}, expected at least two different ones to choose from, or none")
        if self.rates and self.base.get("validation") is None:
            raise ValueError(
                "rates are chosen on validation images, never on the test set; give 'validation' in 'base', or leave 'rates' out"
            )
        for where, changes in self._changes():
            chosen = sorted({"learning_rate", "validation"} & set(changes)) if self.rates else []
            if chosen:
                raise ValueError(f"{where} has '{chosen[0]}', but 'rates' are swept for every network alike; leave one of them out")
        if self.lengths and (
            self.base.get("steps") is None or self.base["steps"] in self.lengths or len(set(self.lengths)) < len(self.lengths)
        ):
            raise ValueError(f"lengths are {self.lengths}, expected different numbers of steps beside the 'steps' of 'base'")


@dataclass(frozen=True)
class PlannedRun:
    """One network to train and score.

    Attributes:
        setup: name of the set-up; "single TASK" for a single-task network.
        is_trial: whether it only helps to choose a learning rate; such a network never sees the test set.
    """

    setup: str
    share: float
    seed: int
    training: TrainingConfig
    is_trial: bool = False

    @property
    def result(self) -> Path:
        """The file that a finished run leaves."""
        return self.training.output.with_suffix(".json")


def read_transfer_config(path: Path | str) -> TransferConfig:
    """A configuration from a YAML file.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or holds a wrong key or value.
    """
    return read_yaml(path, TransferConfig)


def plan(config: TransferConfig, seeds: int, rates: Mapping[str, float] | None = None) -> list[PlannedRun]:
    """Every run that is scored: the whole table one seed after the other, then other lengths, then what less data does.

    Args:
        rates: by set-up, its learning rate; that of the base where it is not given.

    Raises:
        ConfigError: a set-up makes no valid training configuration; the text names it.
    """
    largest = max(config.shares)
    curve = set(config.efficiency if config.efficiency is not None else list(config.setups)[:1])
    runs = []
    less = sorted(set(config.shares) - {largest}, reverse=True)
    for shares, lengths in (([largest], [None]), ([largest], config.lengths), (less, [None])):
        for seed, steps, share in itertools.product(range(seeds), lengths, shares):
            for name, changes, tasks in _kinds(config):
                of_seed = seed == 0 or name not in config.once
                if name not in config.setups or (of_seed and (share == largest or name in curve)):
                    runs.append(_run(config, name, changes, tasks, share, seed, (rates or {}).get(name), steps))
    return runs


def plan_trials(config: TransferConfig) -> list[PlannedRun]:
    """The runs that choose learning rates, with the first seed and all the data: none without ``rates``.

    Raises:
        ConfigError: a set-up makes no valid training configuration; the text names it.
    """
    largest = max(config.shares)
    return [
        _run(config, name, changes, tasks, largest, 0, rate, is_trial=True)
        for rate in config.rates
        for name, changes, tasks in _kinds(config)
    ]


def _kinds(config: TransferConfig) -> list[tuple[str, dict[str, Any], list[str]]]:
    """Name, changes and tasks of each kind of network."""
    alone = [(f"single {task}", {"balancing": "fixed", **config.alone.get(task, {})}, [task]) for task in config.tasks]
    return alone + [(name, changes, config.tasks) for name, changes in config.setups.items()]


def remarks(runs: Sequence[PlannedRun]) -> list[str]:
    """Returns sentences for the reader of the report on set-ups that can't do what their name says, in sentences."""
    return list(dict.fromkeys(f"{run.setup}: {remark}" for run in runs for remark in run.training.remarks))


def _run(
    config: TransferConfig,
    setup: str,
    changes: dict[str, Any],
    tasks: list[str],
    share: float,
    seed: int,
    rate: float | None = None,
    steps: int | None = None,
    is_trial: bool = False,
) -> PlannedRun:
    changes = dict(changes)
    factors = changes.pop("factors", config.factors) if len(tasks) > 1 else {}
    special = (f"-{steps}-steps" if steps is not None else "") + (f"-rate-{rate:g}" if is_trial else "")
    content = {
        **config.base,
        **changes,
        "architecture": {**config.base.get("architecture", {}), **changes.get("architecture", {})},
        "name": setup,
        "output": config.output / "runs" / f"{_slug(setup)}-{share * 100:g}-{seed}{special.replace('.', '_')}.safetensors",
        "seed": seed,
        "data_share": share,
        "tasks": {task: factors.get(task, 1.0) for task in tasks},
    }
    content |= {"learning_rate": rate} if rate is not None else {}
    content |= {"steps": steps} if steps is not None else {}
    try:
        return PlannedRun(setup, share, seed, TrainingConfig.model_validate(content), is_trial)
    except ValidationError as error:
        raise ConfigError(f"setup '{setup}': {problems(error, TrainingConfig, 'set-up')}") from None


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")

# SPDX-License-Identifier: Apache-2.0
"""The result of an evaluation: one JSON file, keyed by set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mtl_perception.core.files import read_limited, write_atomically
from mtl_perception.core.validation_text import problems
from mtl_perception.evaluation.gain import relative_gain
from mtl_perception.evaluation.registry import METRICS

FORMAT_VERSION = 1
_MOST_BYTES = 64 * 2**20


class ResultError(ValueError):
    """A file of scores that can't be used; the message names it, what is wrong and what to do."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ModelResult(_Model):
    """Which model was scored.

    Attributes:
        gmac: multiply-adds of one image at the model's own input size, 10⁹.
        training: as the model's card has it.
    """

    name: str
    version: str
    tasks: list[str]
    encoder: str
    input_width: int
    input_height: int
    parameters: int
    gmac: float
    gmac_640x480: float
    size_bytes: int
    training: dict[str, Any] = Field(default_factory=dict)


class SetResult(_Model):
    """Scores on one set.

    Attributes:
        data: name of the folder or bag.
        description: how the data came about, as far as it says.
        left_out: classes of the data that the model does not know.
        tasks_left_out: tasks that the data is labelled for and the model does not do.
        problems: frames that could not be used.
        scores: task → measure → value; None where there is nothing to say. Tables lie in {row: {column: value}}.
        loss_of_first: task → measure → share by which it is worse than on the first set; negative is better.
    """

    data: str
    description: dict[str, Any] = Field(default_factory=dict)
    frames: int
    limit: int | None = None
    left_out: list[str] = Field(default_factory=list)
    tasks_left_out: list[str] = Field(default_factory=list)
    problems: list[str] = Field(default_factory=list)
    scores: dict[str, dict[str, Any]]
    loss_of_first: dict[str, dict[str, float | None]] = Field(default_factory=dict)


class EvaluationResult(_Model):
    """Scores of one model on one or several sets, the first of which the others are compared with."""

    format_version: int = FORMAT_VERSION
    mtl_perception: str
    command: str
    model: ModelResult
    device: str
    precision: str
    sets: dict[str, SetResult] = Field(default_factory=dict)

    def add(self, name: str, result: SetResult) -> None:
        """Put a set beside the others and tell how much worse it is than the first."""
        self.sets[name] = result
        first = next(iter(self.sets.values()))
        if result is not first:
            result.loss_of_first = _losses(first.scores, result.scores)

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all.

        Raises:
            OSError: it can't be written; the text names the file.
        """
        write_atomically(path, (self.model_dump_json(indent=2) + "\n").encode())


def read_result(path: Path) -> EvaluationResult:
    """A file that ``mtl-perception evaluate`` wrote.

    Raises:
        ResultError: it is missing, of a newer version or something else.
    """
    try:
        content = read_limited(path, _MOST_BYTES)
    except OSError as error:
        raise ResultError(f"{path} can't be read ({error.strerror}); expected a file written by evaluate --json") from None
    try:
        result = EvaluationResult.model_validate_json(content)
    except ValidationError as error:
        raise ResultError(
            f"{path} holds no scores of mtl-perception evaluate: {problems(error, EvaluationResult)}; run evaluate --json again"
        ) from None
    if result.format_version > FORMAT_VERSION:
        raise ResultError(f"{path} has format_version {result.format_version}, this version reads {FORMAT_VERSION}; upgrade mtl_perception")
    if not result.sets:
        raise ResultError(f"{path} holds no set: the evaluation was ended before its first one was done")
    return result


def _losses(first: dict[str, dict[str, Any]], scores: dict[str, dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    losses: dict[str, dict[str, float | None]] = {}
    for task, metric in METRICS.items():
        if task not in first or task not in scores:
            continue
        losses[task] = {}
        for measure, direction in metric.directions.items():
            gain = relative_gain(scores[task].get(measure), first[task].get(measure), direction)
            losses[task][measure] = None if gain != gain else round(0.0 - gain, 4)
    return losses

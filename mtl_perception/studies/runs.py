# SPDX-License-Identifier: Apache-2.0
"""Training and scoring one network of a report; what is done is not done again."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console

from mtl_perception import __version__
from mtl_perception.core.files import write_atomically
from mtl_perception.core.validation_text import problems
from mtl_perception.evaluation.results import EvaluationResult, SetResult
from mtl_perception.studies.plan import PlannedRun, TransferConfig
from mtl_perception.training.state import with_defaults

SET = "test"
"""Name of the scored data in results."""


class TransferError(RuntimeError):
    """A report can't go on; the text says why and what to do."""


class RunResult(BaseModel):
    """The result of a finished run.

    Attributes:
        training: the configuration that it was trained by.
        evaluation: None if training failed.
        failed: why, if it did.
        minutes: spent training.
        memory_mb: most that training took: of the device on a GPU, of the process on a CPU.
        latency_p50_ms: median over the test images from image to result, one at a time.
        is_trial: whether it was trained to choose a learning rate; its evaluation is None then, for the test set has no say in that.
        validation: score of the best validation, which chose the weights.
        history: of each validation its step and, by task, the measure that the task is chosen by.
    """

    model_config = ConfigDict(extra="forbid")

    setup: str
    share: float
    seed: int
    training: dict[str, Any]
    evaluation: EvaluationResult | None = None
    failed: str | None = None
    minutes: float | None = None
    memory_mb: float | None = None
    latency_p50_ms: float | None = None
    is_trial: bool = False
    validation: float | None = None
    history: list[tuple[int, dict[str, float]]] = []


def finished(runs: Sequence[PlannedRun]) -> dict[Path, RunResult]:
    """By their file, the results of those of ``runs`` that are done.

    Raises:
        TransferError: a result can't be read, or is of another configuration.
    """
    found = {}
    for run in runs:
        if not run.result.exists():
            continue
        try:
            result = RunResult.model_validate_json(run.result.read_bytes())
        except ValidationError as error:
            told = problems(error, RunResult)
            raise TransferError(f"{run.result} is no result of a run ({told}); delete it, and the run is done again") from None
        before, now = with_defaults(result.training), _plain(run)
        changed = sorted(key for key in now if before.get(key) != now[key])
        if changed:
            raise TransferError(
                f"{run.result} comes of another configuration ({', '.join(changed)} changed); choose another 'output', or delete "
                "the file, and the run is done again"
            )
        found[run.result] = result
    return found


def do(config: TransferConfig, run: PlannedRun, console: Console) -> RunResult:
    """Train and score one network; its result is written before it is given."""
    from mtl_perception.training import train
    from mtl_perception.training.errors import TrainingDiverged

    result = RunResult(setup=run.setup, share=run.share, seed=run.seed, training=_plain(run), is_trial=run.is_trial)
    try:
        checkpoint = train(run.training, console)
    except TrainingDiverged as error:
        result.failed = str(error)
        console.print(f"failed: {error}", style="red", highlight=False)
    else:
        _note_validation(checkpoint, result)
        if not run.is_trial:
            _score(config, run, checkpoint, result, console)
    write_atomically(run.result, (result.model_dump_json(indent=2) + "\n").encode())
    return result


def _note_validation(checkpoint: Path, result: RunResult) -> None:
    from mtl_perception.model.checkpoint import read_card
    from mtl_perception.training.state import RunFolder, read_validations

    best = read_card(checkpoint).training.get("validation")
    result.validation = None if best is None else best["score"]
    result.history = read_validations(RunFolder(checkpoint.with_suffix("")).validations)


def _score(config: TransferConfig, run: PlannedRun, checkpoint: Path, result: RunResult, console: Console) -> None:
    from mtl_perception.evaluation.command import describe_model
    from mtl_perception.evaluation.prefetch import prefetched
    from mtl_perception.evaluation.samples import open_samples
    from mtl_perception.evaluation.scenes import evaluate_engine
    from mtl_perception.evaluation.tables import plain
    from mtl_perception.inference.engine import Engine

    engine = Engine.load(checkpoint, run.training.device, "float32", "torch")
    latencies_ms: list[float] = []
    try:
        with ExitStack() as opened:
            sets = [opened.enter_context(open_samples(test, engine.card, config.test_images)) for test in config.test]
            frames = opened.enter_context(closing(prefetched(chain.from_iterable(sets))))
            evaluation = evaluate_engine(engine, frames, lambda scene, _: latencies_ms.append(1e3 * sum(scene.stage_s.values())))
    finally:
        engine.close()
    training = engine.card.training
    result.evaluation = EvaluationResult(
        mtl_perception=__version__,
        command=f"mtl-perception evaluate {checkpoint} {' '.join(map(str, config.test))}",
        model=describe_model(engine.card, checkpoint),
        device=engine.device,
        precision=engine.precision,
    )
    scores = {task: values for task, values in plain(evaluation.scores).items() if task in run.training.tasks}
    one = SetResult(
        data=", ".join(test.name for test in config.test), frames=len(evaluation.frames), limit=config.test_images, scores=scores
    )
    result.evaluation.add(SET, one)
    result.minutes, result.memory_mb = training.get("minutes"), training.get("memory_mb")
    result.latency_p50_ms = round(statistics.median(latencies_ms), 3)
    console.print(f"{run.setup}: " + ", ".join(_headline(scores)), highlight=False)


def _headline(scores: dict[str, dict[str, Any]]) -> Iterator[str]:
    from mtl_perception.evaluation.registry import METRICS

    for task, values in scores.items():
        value = values[METRICS[task].main]
        yield f"{METRICS[task].main} {'–' if value is None else format(value, '.3f')}"


def _plain(run: PlannedRun) -> dict[str, Any]:
    """A training configuration as it comes back from JSON."""
    return json.loads(run.training.model_dump_json())

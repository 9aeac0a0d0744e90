# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception evaluate``."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from mtl_perception import __version__
from mtl_perception.core.progress import frame_progress
from mtl_perception.core.resources import find_model
from mtl_perception.core.scene import Scene
from mtl_perception.core.sole_writer import sole_writer
from mtl_perception.core.unfinished import Unfinished, done_already, fingerprint
from mtl_perception.core.workers import Workers
from mtl_perception.evaluation.kept import KeptScores
from mtl_perception.evaluation.prefetch import prefetched
from mtl_perception.evaluation.processes import EngineSettings, scenes_of
from mtl_perception.evaluation.report import Report
from mtl_perception.evaluation.results import EvaluationResult, ModelResult, ResultError, SetResult
from mtl_perception.evaluation.samples import Samples, open_samples
from mtl_perception.evaluation.scenes import Evaluation, FrameScores, Image, evaluate_engine
from mtl_perception.evaluation.tables import plain, row_table, sets_table, tables_of
from mtl_perception.inference.engine import Engine
from mtl_perception.model.checkpoint import ModelCard


@dataclass(frozen=True)
class Options:
    """Options of an evaluation.

    Attributes:
        report: folder of index.html and scores.json; out/evaluate/NAME if None.
        json_file: a second place for the scores.
        limit: only so many images of each set, spread over all.
        backend: what runs a checkpoint; exported files choose for themselves.
        image, camera_info: topics, for bags that have several.
        workers: processes that look at images, each with a network of its own.
    """

    report: Path | None = None
    json_file: Path | None = None
    device: str = "auto"
    precision: str = "float32"
    backend: str = "torch"
    limit: int | None = None
    image: str | None = None
    camera_info: str | None = None
    workers: Workers = 1


def evaluate_model(model: str, data: Sequence[str], options: Options, console: Console) -> EvaluationResult:
    """Score a model on data folders and bags: tables to ``console``, and a folder with scores.json and index.html.

    Scores and report are written after each set, so that what is done stays when the run is ended; the same call goes on.

    Args:
        model: a shipped model's name, or a checkpoint.
        data: PATH or NAME=PATH of each set; the others are compared with the first.

    Raises:
        ValueError: the model, the data or the device can't be used; the text says why.
        OSError: there is no such file, or the results can't be written.
    """
    sets = named_sets(data)
    checkpoint = find_model(model)
    settings = EngineSettings(checkpoint, options.device, options.precision, options.backend)
    engine = settings.load()
    try:
        out = options.report or Path("out/evaluate") / engine.card.name
        places = [path for path in (out / "scores.json", options.json_file) if path is not None]
        for path in places:
            require_writable(path.parent)
        for path in sets.values():  # a wrong path is told before the first set has taken its time
            with open_samples(path, engine.card, 1, options.image, options.camera_info) as samples:
                _require_common_task(samples, engine, path)
        result = EvaluationResult(
            mtl_perception=__version__,
            command=_command(model, data, options),
            model=describe_model(engine.card, checkpoint),
            device=_device_name(engine),
            precision=engine.precision,
        )
        report = Report(engine.card)
        with sole_writer(out):
            unfinished = Unfinished(out / "unfinished", _fingerprint(checkpoint, sets, options))
            for number, (name, path) in enumerate(sets.items()):
                with open_samples(path, engine.card, options.limit, options.image, options.camera_info) as samples:
                    ask = None if options.workers == 1 else functools.partial(scenes_of, settings, options.workers)
                    kept = KeptScores(unfinished.folder / f"{number}.scores", engine.card)
                    evaluation = _score(engine, samples, f"{engine.card.name} on {name}", console, ask, kept)
                    one = _set_result(path, samples, evaluation, engine.tasks, options.limit)
                    for remark in _remarks(one):
                        console.print(remark, highlight=False)
                    if not one.scores:
                        raise ResultError(f"{path}: no frame could be scored; {' '.join(_remarks(one)) or 'none has labels'}")
                    result.add(name, one)
                    for place in places:
                        result.write(place)
                    report.add_set(name, one, evaluation, samples, engine)
                    report.write(result, out / "index.html")
            unfinished.finish()
    finally:
        engine.close()
    console.print(sets_table(result))
    if len(sets) == 1:
        for task, scores in one.scores.items():
            for title, rows in tables_of(scores).items():
                console.print(row_table(f"{task}, {title}", rows))
    for path in (out / "index.html", *places):
        console.print(f"  {path}", highlight=False)
    return result


def named_sets(data: Sequence[str]) -> dict[str, Path]:
    """Name → path of sets given as PATH or NAME=PATH; a path's own name where none is given.

    Raises:
        ValueError: two sets have the same name.
    """
    sets: dict[str, Path] = {}
    for text in data:
        name, is_named, path = text.partition("=")
        if not is_named or Path(text).exists():
            name, path = Path(text).resolve().name, text
        if name in sets:
            raise ValueError(f"two sets are called '{name}': {sets[name]} and {path}; name one of them: NAME={path}")
        sets[name] = Path(path)
    return sets


def require_writable(folder: Path) -> None:
    """Make sure before the work that its results can be written.

    Raises:
        OSError: they can't; the text names the folder.
    """
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OSError(error.errno, f"results can't be written to {folder}: {error.strerror}") from None


def describe_model(card: ModelCard, checkpoint: Path) -> ModelResult:
    """Returns what the scores say of the model that they belong to."""
    from mtl_perception.evaluation.cost import network_cost

    cost = network_cost(card)
    return ModelResult(
        name=card.name,
        version=card.version,
        tasks=list(card.tasks),
        encoder=card.architecture.encoder,
        input_width=card.input_width,
        input_height=card.input_height,
        parameters=cost.parameters,
        gmac=round(cost.gmac, 3),
        gmac_640x480=round(cost.gmac_640x480, 3),
        size_bytes=checkpoint.stat().st_size,
        training=card.training,
    )


def _fingerprint(checkpoint: Path, sets: Mapping[str, Path], options: Options) -> dict[str, Any]:
    """Returns what must be the same for an evaluation to go on."""
    labels = [file for path in sets.values() for file in (sorted(path.glob("*.*")) if path.is_dir() else [path]) if file.is_file()]
    return {
        "mtl_perception": __version__,
        "model": [str(checkpoint.resolve()), fingerprint([checkpoint])],
        "sets": [str(path.resolve()) for path in sets.values()],
        "labels": fingerprint(labels),
        "asked": [options.device, options.precision, options.backend, options.limit, options.image, options.camera_info],
    }


def _device_name(engine: Engine) -> str:
    import torch

    model = f" ({torch.cuda.get_device_name(engine.device)})" if engine.device.startswith("cuda") else ""
    return f"{engine.device}{model}" if engine.backend == "torch" else f"{engine.device}{model}, {engine.backend}"


def _score(
    engine: Engine,
    samples: Samples,
    what: str,
    console: Console,
    ask: Callable[[Iterator[Image]], Iterator[Scene]] | None,
    kept: KeptScores,
) -> Evaluation:
    done = len(kept.evaluator)
    if done:
        console.print(f"{what}: {done_already(done, len(samples))}", markup=False, highlight=False)
    with frame_progress(console, what, len(samples)) as show, closing(prefetched(samples.behind(done))) as frames:

        def on_frame(_: Scene, __: FrameScores) -> None:
            show(len(kept.evaluator))
            kept.keep()

        evaluation = evaluate_engine(engine, frames, on_frame, ask, kept.evaluator)
    kept.keep(always=True)
    return evaluation


def _set_result(path: Path, samples: Samples, evaluation: Evaluation, tasks: Sequence[str], limit: int | None) -> SetResult:
    return SetResult(
        data=path.name,
        description=samples.description,
        frames=len(evaluation.frames),
        limit=limit,
        left_out=sorted(samples.left_out),
        tasks_left_out=sorted(samples.tasks - set(evaluation.scores) - set(tasks)),
        problems=list(samples.problems),
        scores=plain(evaluation.scores),
    )


def _remarks(one: SetResult) -> Iterator[str]:
    """Returns sentences on what was not scored."""
    if one.tasks_left_out:
        yield f"labelled but not a task of this model, not scored: {', '.join(one.tasks_left_out)}"
    if one.left_out:
        yield f"not known to the model, not scored: {', '.join(one.left_out)}"
    if one.problems:
        more = f" (and {len(one.problems) - 3} more)" if len(one.problems) > 3 else ""
        yield f"not scored: {'; '.join(one.problems[:3])}{more}"


def _require_common_task(samples: Samples, engine: Engine, path: Path) -> None:
    kinds = {task.kind for task in engine.card.tasks.values()}
    if not samples.tasks & kinds:
        raise ResultError(
            f"{path} is labelled for {', '.join(sorted(samples.tasks)) or 'nothing'}, {engine.card.name} does "
            f"{', '.join(sorted(kinds))}: there is nothing to score"
        )


def _command(model: str, data: Sequence[str], options: Options) -> str:
    """The command line that does the same again, apart from where the results go."""
    words: list[Any] = ["mtl-perception", "evaluate", model, *data]
    for name, value in (("--limit", options.limit), ("--image", options.image), ("--camera-info", options.camera_info)):
        words += [name, value] if value is not None else []
    return shlex.join(str(word) for word in words)

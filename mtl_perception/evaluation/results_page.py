# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception results``: a folder of scores as one Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mtl_perception.core.files import read_text, write_atomically
from mtl_perception.core.validation_text import shown
from mtl_perception.core.yaml_file import ConfigError, load_yaml
from mtl_perception.evaluation.compare import Comparison, compare, comparison_rows
from mtl_perception.evaluation.markdown import class_rows, distance_rows, sets_rows, summary_rows
from mtl_perception.evaluation.registry import METRICS
from mtl_perception.evaluation.results import EvaluationResult, ResultError, read_result
from mtl_perception.evaluation.training_history import CAPTION, history_rows
from mtl_perception.reporting.numbers import figure, known, per_cent
from mtl_perception.reporting.tables import markdown as table
from mtl_perception.reporting.tables import verdict

INTRODUCTION, TARGETS = "introduction.md", "targets.yaml"


def write_results_page(folder: Path, page: Path, console: Console) -> None:
    """Write ``page`` from every scores file (``*.json``) of ``folder``.

    ``introduction.md`` of the folder stands on top, with a summary of all models before its first section. ``targets.yaml`` says
    what a model should reach on its first set, ``{NAME: {MEASURE: value}}``, and which sets are variants of that one and may be
    worse by which share: ``{losses: {SET: share}}``.

    Raises:
        ResultError: there is no file of scores, or one can't be used.
        OSError: the page can't be written.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise ResultError(f"{folder} holds no .json file; expected scores that evaluate --json wrote")
    results = [read_result(path) for path in paths]
    targets = _read_targets(folder / TARGETS)
    introduction = folder / INTRODUCTION
    opening, *sections = read_text(introduction).strip().split("\n\n## ") if introduction.is_file() else ["# Results"]
    several = sorted((result for result in results if len(result.model.tasks) > 1), key=lambda result: result.model.parameters)
    models = several or results
    parts = [opening, table(summary_rows(models)), *(f"## {section}" for section in sections)]
    for result in models:
        parts += _model_parts(result, targets)
    for comparison in _comparisons(results):
        parts += comparison_parts(comparison)
    note = f"<!-- Written by `mtl-perception results {folder} --out {page}`: change the scores or {INTRODUCTION} there. -->"
    write_atomically(page, ("\n\n".join([*parts, note]) + "\n").encode())
    console.print(f"{page} from {', '.join(path.name for path in paths)}", highlight=False)


def comparison_parts(comparison: Comparison) -> list[str]:
    """A comparison as paragraphs of Markdown."""
    seeds = max(max(column.seeds.values()) for column in comparison.networks)
    spread = f"Mean ± standard deviation over {seeds} seeds. " if seeds > 1 else "One seed each. "
    return [
        f"## Single-task against multi-task: {comparison.encoder}",
        f"{comparison.frames} frames of {comparison.set_name}. {spread}The first column is one network a task, of the same "
        "encoder, data and schedule; its costs are those of all of them together. In brackets and as Δm: better (+) or "
        "worse (−) than the single-task network, by mAP, mIoU and RMSE.",
        table(comparison_rows(comparison)),
        *(f"Note: {remark}." for remark in comparison.remarks),
    ]


def _comparisons(results: Sequence[EvaluationResult]) -> Iterator[Comparison]:
    """One for every encoder that has both kinds of network."""
    for encoder in dict.fromkeys(result.model.encoder for result in results):
        own = [result for result in results if result.model.encoder == encoder]
        tasks = [len(result.model.tasks) for result in own]
        if min(tasks) == 1 and max(tasks) > 1:
            yield compare(own)


def _model_parts(result: EvaluationResult, targets: dict[str, Any]) -> Iterator[str]:
    model, (first_name, first) = result.model, next(iter(result.sets.items()))
    network = f"{model.name} {model.version}"
    yield f"## {network}"
    yield (
        f"Encoder {model.encoder}; {', '.join(model.tasks)}. {model.parameters / 1e6:.2f} M parameters, "
        f"{model.gmac:.2f} G multiply-adds at its own input of {model.input_width}×{model.input_height}, {model.size_bytes / 1e6:.1f} MB."
    )
    stages = history_rows(model.training, network)
    if len(stages) > 1:
        yield "### Training"
        if len(stages) > 2:
            yield CAPTION
        yield table(stages, figures=False)
    yield "### Scores"
    yield f"On {result.device} in {result.precision}, by"
    yield f"```bash\n{result.command}\n```"
    yield table(sets_rows(result.sets))
    if rows := _target_rows(result, targets):
        yield f"Targets, on {first_name}:"
        yield table(rows)
    if losses := _loss_rows(result, targets.get("losses", {})):
        yield f"Loss against {first_name}, relative to the value there; negative is a gain:"
        yield table(losses)
    classes = class_rows(first)
    if len(classes) > 1:
        yield f"By class, on {first_name}:"
        yield table(classes)
    distances = distance_rows(first)
    if len(distances) > 1:
        yield f"Depth by distance, on {first_name}:"
        yield table(distances)
    for name, one in result.sets.items():
        for problem in one.problems:
            yield f"Not scored on {name}: {problem}."


def _target_rows(result: EvaluationResult, targets: dict[str, Any]) -> list[list[str]]:
    first = next(iter(result.sets.values()))
    own = targets.get(result.model.name, {})
    rows = [["", "target", "reached", ""]]
    for task, metric in METRICS.items():
        for measure, direction in metric.directions.items():
            value = first.scores.get(task, {}).get(measure)
            if measure in own and known(value):
                target = own[measure]
                is_met = value >= target if direction == "higher" else value <= target
                sign = "≥" if direction == "higher" else "≤"
                rows.append([measure, f"{sign} {target:g}", figure(value), verdict(is_met)])
    return rows if len(rows) > 1 else []


def _loss_rows(result: EvaluationResult, limits: dict[str, float]) -> list[list[str]]:
    measures = [(task, measure) for task, metric in METRICS.items() for measure in metric.headline]
    rows = [["set", *(measure for _, measure in measures), "limit", ""]]
    for name, limit in limits.items():
        if name not in result.sets:
            continue
        found = [result.sets[name].loss_of_first.get(task, {}).get(measure) for task, measure in measures]
        there = [loss for loss in found if loss is not None]
        if there:
            cells = [per_cent(loss) for loss in found]
            rows.append([name, *cells, f"≤ {per_cent(limit)}", verdict(max(there) <= limit)])
    return rows if len(rows) > 1 else []


def _read_targets(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = load_yaml(path) or {}
    except ConfigError as error:
        raise ResultError(str(error)) from None
    numbers = isinstance(content, dict) and all(
        isinstance(rows, dict) and all(known(value) for value in rows.values()) for rows in content.values()
    )
    if not numbers:
        expected = "{NAME: {MEASURE: number}, losses: {SET: share}}"
        raise ResultError(f"{path}: expected {expected}, found {shown(content)}")
    return content

# SPDX-License-Identifier: Apache-2.0
"""The numbers of a transfer report: means over seeds, Δm, costs, and what less data does."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mtl_perception.evaluation.compare import Column, Value, compare
from mtl_perception.evaluation.registry import METRICS
from mtl_perception.reporting.numbers import NONE, fixed
from mtl_perception.reporting.tables import ARROWS
from mtl_perception.studies.intervals import Interval, by_seed, paired_gains
from mtl_perception.studies.plan import TransferConfig
from mtl_perception.studies.runs import RunResult

_BESIDE = {"depth": ("AbsRel", "delta1")}
"""Measures of a task that the table shows beside its main one."""


@dataclass(frozen=True)
class Row:
    """A set-up, or as the first row all single-task networks together.

    Attributes:
        minutes, latency_ms: of all networks that it takes, in turn.
        memory_mb: of the one that takes most.
        gains: by task, how much better its main measure is than the single-task network's; nothing for the single-task networks.
        delta_m: the mean of these gains; None for the single-task networks, and where no seed is on both sides.
        rate: learning rate that was chosen for it on validation; None where none was.
    """

    column: Column
    minutes: Value | None
    memory_mb: float | None
    latency_ms: float | None
    gains: dict[str, Interval] = field(default_factory=dict)
    delta_m: Interval | None = None
    rate: float | None = None


@dataclass(frozen=True)
class Transfer:
    """
    Attributes:
        rows: the single-task networks first.
        curves: task → "single-task" or set-up → (share of the data, main measure), by rising share.
        reached: task → "single-task" or set-up → least share of the data with which it does what the single-task network does
            with all of it; NaN where it never does.
        failed: what could not be trained, in sentences.
        remarks: what a reader should know of set-ups that can't do what their name says, in sentences.
        facts: encoder, data, schedule and device, for the head of the page.
        by_length: set-up → (steps, Δm) by rising length of training; empty with one length.
        learning: task → "single-task" or set-up → (step, mean over seeds of the measure that the task is chosen by, on validation).
    """

    rows: list[Row]
    curves: dict[str, dict[str, list[tuple[float, float]]]]
    reached: dict[str, dict[str, float]]
    failed: list[str]
    facts: dict[str, str]
    remarks: list[str] = field(default_factory=list)
    by_length: dict[str, list[tuple[int, Interval]]] = field(default_factory=dict)
    learning: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "facts": self.facts,
            "rows": [dict(zip(self.table()[0], cells, strict=True)) for cells in self.table()[1:]],
            "delta_m": {row.column.name: None if row.delta_m is None else row.delta_m.plain()["mean"] for row in self.rows},
            "intervals": {
                row.column.name: {name: gain.plain() for name, gain in {**row.gains, "delta_m": row.delta_m}.items() if gain is not None}
                for row in self.rows[1:]
            },
            "by_length": {name: [[steps, gain.plain()] for steps, gain in points] for name, points in self.by_length.items()},
            "learning": self.learning,
            "curves": self.curves,
            "reached": {t: {n: None if math.isnan(v) else v for n, v in values.items()} for t, values in self.reached.items()},
            "failed": self.failed,
            "remarks": self.remarks,
        }

    def table(self) -> list[list[str]]:
        """As words, the first row its head."""
        tasks = [task for task in METRICS if task in self.rows[0].column.scores]
        measures = [(task, measure) for task in tasks for measure in (METRICS[task].main, *_BESIDE.get(task, ()))]
        head = [f"{m} {ARROWS[METRICS[t].directions[m]]}" for t, m in measures]
        costs = ["parameters", "GMAC", "memory", "training", "latency"]
        rows = [["", "seeds", *head, "Δm ↑", "shown", *costs]]
        for row in self.rows:
            column = row.column
            verdict = NONE if row.delta_m is None else row.delta_m.verdict
            cells = [_score(column.scores.get(task, {}).get(measure)) for task, measure in measures]
            seeds = str(min(column.seeds.values()))
            size = [fixed(column.parameters / 1e6, 2, "M"), fixed(column.gmac, 2)]
            rows.append([column.name, seeds, *cells, _gain(row.delta_m), verdict, *size, *_costs(row)])
        return rows

    def gain_table(self) -> list[list[str]]:
        """By how much each task is better than its single-task network, as words."""
        tasks = [task for task in METRICS if task in self.rows[0].column.scores]
        rows = [["", *(f"{task}, {METRICS[task].main}" for task in tasks), "Δm", "shown"]]
        for row in self.rows[1:]:
            found = [row.gains.get(task) for task in tasks] + [row.delta_m]
            shown = [f"{task}: {gain.verdict}" for task in tasks if (gain := row.gains.get(task)) is not None]
            same = {gain.verdict for gain in row.gains.values()}
            rows.append([row.column.name, *map(_gain, found), same.pop() if len(same) == 1 else "; ".join(shown)])
        return rows

    def length_table(self) -> list[list[str]]:
        """Δm by steps of training, as words; its head alone with one length."""
        steps = sorted({length for points in self.by_length.values() for length, _ in points})
        rows = [["", *(f"{length} steps" for length in steps)]]
        for name, points in self.by_length.items():
            of_length = dict(points)
            rows.append([name, *(f"{gain.text}, {gain.verdict}" if (gain := of_length.get(length)) else NONE for length in steps)])
        return rows


def tabulate(
    config: TransferConfig, results: Sequence[RunResult], remarks: Sequence[str] = (), rates: Mapping[str, float] | None = None
) -> Transfer | None:
    """Returns the table of ``results``; None as long as they hold no multi-task network or lack a single-task one.

    Args:
        remarks: see ``Transfer``.
        rates: by set-up, the learning rate that was chosen for it.
    """
    largest = max(config.shares)
    good = [result for result in results if result.evaluation is not None]
    whole = [result for result in good if result.share == largest]
    as_planned = [result for result in good if not _is_of_another_length(config, result)]
    main = [result for result in as_planned if result.share == largest]
    alone = {task for result in main for task in result.evaluation.model.tasks if len(result.evaluation.model.tasks) == 1}
    if alone != set(config.tasks) or not any(result.setup in config.setups for result in main):
        return None
    found = compare([result.evaluation for result in main])
    networks = {column.name: column for column in found.networks}
    rows = [_baseline_row(found.baseline, [r for r in main if r.setup not in config.setups])]
    for name in config.setups:
        if name in networks:
            row = _row(networks[name], [r for r in main if r.setup == name])
            gains, delta_m = _gains(config, main, name)
            rows.append(replace(row, gains=gains, delta_m=delta_m, rate=(rates or {}).get(name)))
    curves = _curves(config, as_planned)
    return Transfer(
        rows=rows,
        curves=curves,
        reached={task: _reached(task, lines) for task, lines in curves.items()},
        failed=[f"{r.setup}, seed {r.seed}, {r.share:.0%} of the data: {r.failed}" for r in results if r.failed is not None],
        facts=_facts(config, main, found.encoder, rates or {}),
        by_length=_by_length(config, whole),
        learning=_learning(config, main),
        remarks=list(remarks),
    )


def _gains(config: TransferConfig, results: Sequence[RunResult], name: str) -> tuple[dict[str, Interval], Interval | None]:
    alone: dict[int, dict[str, float]] = {}
    for task in config.tasks:
        for seed, scores in by_seed([r for r in results if r.setup == f"single {task}"], task).items():
            alone.setdefault(seed, {}).update(scores)
    try:
        return paired_gains(alone, by_seed([r for r in results if r.setup == name]))
    except ValueError:  # the seeds of one side are still to come
        return {}, None


def _steps(config: TransferConfig, result: RunResult) -> int | None:
    return result.training.get("steps", config.base.get("steps"))


def _is_of_another_length(config: TransferConfig, result: RunResult) -> bool:
    """Whether it was trained for one of the further ``lengths``, and not for as long as its set-up says."""
    changes = {**config.setups, **{f"single {task}": changes for task, changes in config.alone.items()}}.get(result.setup, {})
    return _steps(config, result) != changes.get("steps", config.base.get("steps"))


def _by_length(config: TransferConfig, whole: Sequence[RunResult]) -> dict[str, list[tuple[int, Interval]]]:
    found: dict[str, list[tuple[int, Interval]]] = {}
    for steps in sorted({*config.lengths, config.base.get("steps") or 0}) if config.lengths else []:
        of_length = [result for result in whole if _steps(config, result) == steps]
        for name in config.setups:
            delta_m = _gains(config, of_length, name)[1]
            if delta_m is not None:
                found.setdefault(name, []).append((steps, delta_m))
    return found


def _learning(config: TransferConfig, main: Sequence[RunResult]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for task in config.tasks:
        for name in ("single-task", *config.setups):
            setup = f"single {task}" if name == "single-task" else name
            by_step: dict[int, list[float]] = {}
            for step, scores in (entry for result in main if result.setup == setup for entry in result.history):
                if task in scores:
                    by_step.setdefault(step, []).append(scores[task])
            if len(by_step) > 1:
                points = [(float(step), statistics.fmean(values)) for step, values in sorted(by_step.items())]
                curves.setdefault(task, {})[name] = points
    return curves


def _row(column: Column, runs: Sequence[RunResult]) -> Row:
    return Row(
        column,
        _value([run.minutes for run in runs]),
        max((run.memory_mb for run in runs if run.memory_mb is not None), default=None),
        _middle([run.latency_p50_ms for run in runs]),
    )


def _baseline_row(column: Column, runs: Sequence[RunResult]) -> Row:
    by_setup: dict[str, list[RunResult]] = {}
    for run in runs:
        by_setup.setdefault(run.setup, []).append(run)
    rows = [_row(column, seeds) for seeds in by_setup.values()]
    known = [row.minutes.mean for row in rows if row.minutes is not None]
    latencies = [row.latency_ms for row in rows if row.latency_ms is not None]
    memories = [row.memory_mb for row in rows if row.memory_mb is not None]
    return Row(column, Value(sum(known)) if known else None, max(memories, default=None), sum(latencies) if latencies else None)


def _curves(config: TransferConfig, results: Sequence[RunResult]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    if len(config.shares) < 2:
        return {}
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for task in config.tasks:
        lines: dict[str, list[tuple[float, float]]] = {}
        for name in ("single-task", *config.setups):
            setup = f"single {task}" if name == "single-task" else name
            points = []
            for share in sorted(config.shares):
                of_share = [r.evaluation.sets for r in results if r.setup == setup and r.share == share]
                values = [sets["test"].scores.get(task, {}).get(METRICS[task].main) for sets in of_share]
                known = [value for value in values if value is not None]
                if known:
                    points.append((share, statistics.fmean(known)))
            if len(points) > 1:
                lines[name] = points
        if lines:
            curves[task] = lines
    return curves


def _reached(task: str, lines: dict[str, list[tuple[float, float]]]) -> dict[str, float]:
    if "single-task" not in lines:
        return {}
    level = lines["single-task"][-1][1]
    sign = 1 if METRICS[task].directions[METRICS[task].main] == "higher" else -1
    return {name: crossing([(x, sign * y) for x, y in points], sign * level) for name, points in lines.items()}


def crossing(points: Sequence[tuple[float, float]], level: float) -> float:
    """The least x at which straight lines between ``points``, x rising, come up to ``level``; NaN if they never do."""
    if points and points[0][1] >= level:
        return points[0][0]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if y0 < level <= y1:
            return x0 + (x1 - x0) * (level - y0) / (y1 - y0)
    return math.nan


def _facts(config: TransferConfig, main: Sequence[RunResult], encoder: str, rates: Mapping[str, float]) -> dict[str, str]:
    result = main[0].evaluation
    swept = {"learning rates, chosen on validation": ", ".join(f"{name} {rate:g}" for name, rate in rates.items())} if rates else {}
    last = config.base.get("stages", [{}])[-1]
    length = f"{config.base['steps']} steps" if config.base.get("steps") else f"{config.base.get('minutes')} minutes"
    return {
        "encoder": encoder,
        "tasks": ", ".join(config.tasks),
        "training": f"{result.model.training.get('data', '')}, {result.model.training.get('images', '?')} images",
        "schedule": f"{length} at {last.get('width')}×{last.get('height')}, batches of {last.get('batch_size')}",
        "test": f"{result.sets['test'].frames} images of {result.sets['test'].data}",
        "seeds": str(len({run.seed for run in main})),
        "device": str(result.model.training.get("device", result.device)),
        **swept,
    }


def _value(values: Sequence[float | None]) -> Value | None:
    known = [value for value in values if value is not None]
    return Value.of(known) if known else None


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _score(value: Value | None) -> str:
    return NONE if value is None else fixed(value.mean, 3, sd=value.sd)


def _gain(value: Interval | None) -> str:
    return NONE if value is None else value.text


def _costs(row: Row) -> list[str]:
    return [
        fixed(row.memory_mb, 0, "MB"),
        fixed(None if row.minutes is None else row.minutes.mean, 1, "min"),
        fixed(row.latency_ms, 1, "ms"),
    ]

# SPDX-License-Identifier: Apache-2.0
"""Scores as tables for the terminal, and as JSON."""

from __future__ import annotations

import math
from typing import Any

from rich.text import Text

from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.evaluation.registry import METRICS
from mtl_perception.evaluation.results import EvaluationResult, SetResult
from mtl_perception.reporting.numbers import figure, known, per_cent
from mtl_perception.reporting.tables import ARROWS


def sets_table(result: EvaluationResult) -> TerminalTable:
    """One row a measure, one column a set; beside its value how much better or worse it is than on the first."""
    several = len(result.sets) > 1
    caption = "per cent: better (+) or worse (−) than on the first set, by its own value" if several else ""
    table = TerminalTable(["", *result.sets], title=result.model.name, caption=caption)
    table.add_row("frames", *(str(one.frames) for one in result.sets.values()), end_section=True)
    for task, metric in METRICS.items():
        rows = measures_of(task, *result.sets.values())
        for measure in rows:
            cells = [_cell(one, task, measure) for one in result.sets.values()]
            label = f"{measure} {ARROWS[metric.directions[measure]]}"
            table.add_row(label, *cells, end_section=measure == rows[-1])
    return table


def row_table(title: str, rows: dict[str, dict[str, float | None]]) -> TerminalTable:
    """A table {row: {column: value}}, such as ``per_class``; columns in the order of their first mention."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    table = TerminalTable(["", *(column.replace("_", " ") for column in columns)], title=title)
    for name, row in rows.items():
        table.add_row(name, *(figure(row.get(column)) for column in columns))
    return table


def tables_of(scores: dict[str, Any]) -> dict[str, dict[str, dict[str, float | None]]]:
    """The tables among a task's scores: "per class" → row → column → value."""
    return {
        name.replace("_", " "): value
        for name, value in scores.items()
        if isinstance(value, dict) and value and all(isinstance(row, dict) for row in value.values())
    }


def measures_of(task: str, *sets: SetResult) -> list[str]:
    """The task's measures that at least one of the sets has a value of, in their order."""
    return [measure for measure in METRICS[task].directions if any(known(one.scores.get(task, {}).get(measure)) for one in sets)]


def plain(value: Any) -> Any:
    """The same for JSON: numbers of five digits, and None for NaN, which JSON has no word for."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def _cell(one: SetResult, task: str, measure: str) -> Text | str:
    """Value and change; both stay aligned in a column."""
    value = figure(one.scores.get(task, {}).get(measure))
    if not one.loss_of_first:
        return value
    loss = one.loss_of_first.get(task, {}).get(measure)
    change = "" if loss is None else per_cent(-loss, signed=True).replace(" ", "")
    return Text.assemble(value, " ", (f"{change:>5}", "dim"))

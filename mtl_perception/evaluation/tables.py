# SPDX-License-Identifier: Apache-2.0
"""Scores as tables for the terminal, and as JSON."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table

from mtl_perception.evaluation.registry import MEASURES

_ARROWS = {"higher": "↑", "lower": "↓"}


def score_table(scores: dict[str, dict], title: str) -> Table:
    """One row a measure, with the direction that is better."""
    table = Table(title=title, title_justify="left")
    for name, justify in (("task", "left"), ("measure", "left"), ("value", "right"), ("frames", "right")):
        table.add_column(name, justify=justify)
    for task, values in scores.items():
        for index, (measure, direction) in enumerate(MEASURES[task].items()):
            first = (task, str(values["frames"])) if index == 0 else ("", "")
            last = index == len(MEASURES[task]) - 1
            label = f"{measure} {_ARROWS[direction]}"
            table.add_row(first[0], label, three_digits(values[measure]), first[1], end_section=last)
    return table


def class_table(scores: dict[str, dict]) -> Table:
    """One row a class: AP of its boxes, IoU of its pixels."""
    precision, overlap = (
        {name: row[column] for name, row in scores.get(task, {}).get("per_class", {}).items()}
        for task, column in (("detection", "AP"), ("segmentation", "IoU"))
    )
    table = Table(title="by class", title_justify="left")
    table.add_column("class")
    table.add_column("AP ↑", justify="right")
    table.add_column("IoU ↑", justify="right")
    for name in dict.fromkeys((*overlap, *precision)):
        table.add_row(name, *(three_digits(values.get(name, math.nan)) for values in (precision, overlap)))
    return table


def three_digits(value: float) -> str:
    """.412, and – for a value that does not exist."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def plain(value: Any) -> Any:
    """The same for JSON: numbers of five digits, and None for NaN, which JSON has no word for."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value

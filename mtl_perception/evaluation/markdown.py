# SPDX-License-Identifier: Apache-2.0
"""Scores as Markdown tables, for documents and model cards."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from mtl_perception.evaluation.registry import METRICS
from mtl_perception.evaluation.results import SetResult
from mtl_perception.evaluation.tables import ARROWS, digits, known, measures_of, percent_of, whole_per_cent


def escaped(text: str) -> str:
    """Foreign text as Markdown that shows it: no HTML, no links, no new paragraph."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return plain.replace("[", "\\[").replace("`", "\\`")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a table, the first one its head; the first column is aligned left, the others right."""
    head, *body = rows
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in (head, rule, *body))


def sets_rows(sets: Mapping[str, SetResult]) -> list[list[str]]:
    """One row a measure, one column a set; beside its value how much better or worse it is than on the first."""
    rows = [["", *sets], ["frames", *(str(one.frames) for one in sets.values())]]
    for task, metric in METRICS.items():
        for measure in measures_of(task, *sets.values()):
            cells = []
            for one in sets.values():
                loss = one.loss_of_first.get(task, {}).get(measure)
                change = "" if loss is None else f" ({whole_per_cent(-loss)})"
                cells.append(digits(one.scores.get(task, {}).get(measure)) + change)
            rows.append([f"{measure} {ARROWS[metric.directions[measure]]}", *cells])
    return rows


def class_rows(one: SetResult) -> list[list[str]]:
    """One row a class: what its boxes, pixels and depth score, as far as the set says anything."""
    columns = [
        ("detection", "AP50", "AP50"),
        ("detection", "recall", "recall at .3"),
        ("detection", "precision", "precision at .3"),
        ("segmentation", "IoU", "IoU"),
        ("depth", "AbsRel", "AbsRel"),
    ]
    tables = {task: scores.get("per_class", {}) for task, scores in one.scores.items()}
    columns = [column for column in columns if tables.get(column[0])]
    names = dict.fromkeys(name for task in ("segmentation", "detection", "depth") for name in tables.get(task, {}))
    rows = [["class", *(title for _, _, title in columns)]]
    for name in names:
        cells = [digits(tables[task].get(name, {}).get(column)) for task, column, _ in columns]
        if any(cell != "–" for cell in cells):
            rows.append([escaped(name), *cells])
    return rows


def distance_rows(one: SetResult) -> list[list[str]]:
    """Error of depth by true distance; only a head if the set has no depth."""
    ranges = one.scores.get("depth", {}).get("by_distance", {})
    everything = sum(row["pixels"] for row in ranges.values())
    rows = [["true distance", "AbsRel", "RMSE, m", "mean error, m", "δ < 1.25", "share of pixels"]]
    for name, row in ranges.items():
        share = percent_of(row["pixels"], everything)
        bias = f"{row['bias']:+.3f}".replace("-", "−") if known(row["bias"]) else "–"
        rows.append([name, digits(row["AbsRel"]), digits(row["RMSE"]), bias, digits(row["delta1"]), share])
    return rows

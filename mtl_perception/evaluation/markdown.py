# SPDX-License-Identifier: Apache-2.0
"""Scores as Markdown tables, for documents and model cards."""

from __future__ import annotations

from collections.abc import Mapping

from mtl_perception.evaluation.registry import METRICS
from mtl_perception.evaluation.results import SetResult
from mtl_perception.evaluation.tables import measures_of
from mtl_perception.reporting.numbers import NONE, figure, fixed, part, per_cent
from mtl_perception.reporting.tables import ARROWS, escaped


def sets_rows(sets: Mapping[str, SetResult]) -> list[list[str]]:
    """One row a measure, one column a set; beside its value how much better or worse it is than on the first."""
    rows = [["", *sets], ["frames", *(str(one.frames) for one in sets.values())]]
    for task, metric in METRICS.items():
        for measure in measures_of(task, *sets.values()):
            cells = []
            for one in sets.values():
                loss = one.loss_of_first.get(task, {}).get(measure)
                change = "" if loss is None else f" ({per_cent(-loss, signed=True)})"
                cells.append(figure(one.scores.get(task, {}).get(measure)) + change)
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
        cells = [figure(tables[task].get(name, {}).get(column)) for task, column, _ in columns]
        if any(cell != NONE for cell in cells):
            rows.append([escaped(name), *cells])
    return rows


def distance_rows(one: SetResult) -> list[list[str]]:
    """Error of depth by true distance; only a head if the set has no depth."""
    ranges = one.scores.get("depth", {}).get("by_distance", {})
    everything = sum(row["pixels"] for row in ranges.values())
    rows = [["true distance", "AbsRel", "RMSE, m", "mean error, m", "δ < 1.25", "share of pixels"]]
    for name, row in ranges.items():
        share = part(row["pixels"], everything)
        rows.append([name, figure(row["AbsRel"]), figure(row["RMSE"]), fixed(row["bias"], 3, signed=True), figure(row["delta1"]), share])
    return rows

# SPDX-License-Identifier: Apache-2.0
"""Scores as Markdown tables, for documents and model cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mtl_perception.evaluation.registry import METRICS
from mtl_perception.evaluation.results import EvaluationResult, SetResult
from mtl_perception.evaluation.tables import measures_of
from mtl_perception.reporting.numbers import NONE, figure, fixed, part
from mtl_perception.reporting.tables import ARROWS, escaped


def sets_rows(sets: Mapping[str, SetResult]) -> list[list[str]]:
    """One row a measure, one column a set."""
    rows = [["", *sets], ["frames", *(str(one.frames) for one in sets.values())]]
    for task, metric in METRICS.items():
        for measure in measures_of(task, *sets.values()):
            cells = [figure(one.scores.get(task, {}).get(measure)) for one in sets.values()]
            rows.append([f"{measure} {ARROWS[metric.directions[measure]]}", *cells])
    return rows


def summary_rows(results: Sequence[EvaluationResult]) -> list[list[str]]:
    """One row for each model and set, one column for each headline measure that is known of any; of each model the first set, which
    its targets are for, and those that all models have."""
    measures = {
        f"{measure} {ARROWS[metric.directions[measure]]}": (task, measure)
        for task, metric in METRICS.items()
        for measure in metric.headline
    }
    rows = []
    for result in results:
        model = result.model
        costs = [f"{escaped(model.name)} {escaped(model.version)}", f"{model.parameters / 1e6:.2f} M", f"{model.gmac:.2f} G"]
        for place, (name, one) in enumerate(result.sets.items()):
            if place == 0 or all(name in other.sets for other in results):
                scores = [figure(one.scores.get(task, {}).get(measure)) for task, measure in measures.values()]
                rows.append([*costs, escaped(name), str(one.frames), *scores])
    head = ["model", "parameters", "multiply-adds", "set", "frames", *measures]
    kept = [i for i in range(len(head)) if i < 5 or any(row[i] != NONE for row in rows)]
    return [[row[i] for i in kept] for row in (head, *rows)]


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

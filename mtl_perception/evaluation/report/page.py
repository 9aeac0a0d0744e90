# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML file that needs nothing beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from mtl_perception import __version__
from mtl_perception.core.drawing import class_color
from mtl_perception.core.files import write_atomically
from mtl_perception.evaluation.registry import METRICS
from mtl_perception.evaluation.results import EvaluationResult, SetResult
from mtl_perception.evaluation.samples import Samples
from mtl_perception.evaluation.scenes import Evaluation
from mtl_perception.evaluation.tables import measures_of, tables_of
from mtl_perception.reporting.html import jpeg_uri, render_page
from mtl_perception.reporting.numbers import figure, fixed, known, per_cent
from mtl_perception.reporting.tables import ARROWS
from mtl_perception.tasks import TASKS


class Report:
    """Collects the sets one by one; their pictures are drawn at once, so that no image has to be kept."""

    def __init__(self, card: Any) -> None:
        self._card = card
        self._sets: list[dict[str, Any]] = []

    def add_set(self, name: str, one: SetResult, evaluation: Evaluation, samples: Samples, engine: Any) -> None:
        """Draw a set's charts, and its best, median and worst frames of each task.

        Args:
            engine: runs again on these frames, at the score threshold that it has.
        """
        panels_of = {kind: task.panels for kind, task in TASKS.items() if task.panels is not None}
        chosen = {task: _extremes(evaluation, task) for task in evaluation.scores if task in panels_of}
        indices = {frame.index for frames in chosen.values() for frame in frames.values()}
        stills: dict[tuple[str, int], dict[str, str]] = {}
        for index, (image_rgb, intrinsics, truth) in samples.some(indices):
            scene = engine(image_rgb, intrinsics)
            for task, frames in chosen.items():
                if any(frame.index == index for frame in frames.values()):
                    panels = panels_of[task](image_rgb, scene, truth, self._card)
                    stills[task, index] = {caption: jpeg_uri(picture) for caption, picture in panels.items()}
        tasks = []
        for task, scores in one.scores.items():
            rank = METRICS[task].rank
            pictures = [
                {
                    "caption": caption,
                    "name": samples.names[frame.index],
                    "value": f"{rank} {fixed(frame.scores[rank], 3)}",
                    "panels": stills[task, frame.index],
                }
                for caption, frame in chosen.get(task, {}).items()
                if (task, frame.index) in stills
            ]
            charts = evaluation.metrics[task].charts()
            tables = [_table(title, rows) for title, rows in tables_of(scores).items()]
            tasks.append(
                {
                    "name": task,
                    "tables": tables,
                    "charts": [chart._replace(picture=Markup(chart.picture)) for chart in charts],
                    "pictures": pictures,
                }
            )
        self._sets.append({"name": name, "result": one, "tasks": tasks})

    def write(self, result: EvaluationResult, path: Path) -> None:
        """Write the page.

        Raises:
            OSError: it can't be written.
        """
        content = {
            "result": result,
            "model": result.model,
            "sets": self._sets,
            "headline": _headline(result),
            "tasks": _score_rows(result),
            "version": __version__,
        }
        page = render_page(Path(__file__).with_name("report.html.j2"), content)
        write_atomically(path, page.encode())


def _extremes(evaluation: Evaluation, task: str) -> dict[str, Any]:
    """Caption → frame: the worst, the median and the best of a task, fewer of few frames."""
    ranked = evaluation.ranked(task)
    if not ranked:
        return {}
    places = {"worst": 0, "median": len(ranked) // 2, "best": len(ranked) - 1}
    if len(ranked) < 3:
        places.pop("median")
    if len(ranked) < 2:
        places.pop("best")
    return {caption: ranked[place] for caption, place in places.items()}


def _headline(result: EvaluationResult) -> list[dict[str, str]]:
    name, first = next(iter(result.sets.items()))
    figures = []
    for task, metric in METRICS.items():
        for measure, words in metric.headline.items():
            value = first.scores.get(task, {}).get(measure)
            if known(value):
                figures.append({"value": figure(value), "name": words, "remark": f"{name}; {metric.directions[measure]} is better"})
    return figures


def _score_rows(result: EvaluationResult) -> list[dict[str, Any]]:
    """One row a measure: its name, and (value, change against the first set) of each set."""
    rows = []
    for task, metric in METRICS.items():
        for index, measure in enumerate(measures := measures_of(task, *result.sets.values())):
            cells = []
            for one in result.sets.values():
                loss = one.loss_of_first.get(task, {}).get(measure)
                value = one.scores.get(task, {}).get(measure)
                change = "" if loss is None else per_cent(-loss, signed=True)
                cells.append({"value": figure(value), "change": change, "is_worse": loss is not None and loss > 0.005})
            direction = metric.directions[measure]
            rows.append(
                {
                    "task": task if index == 0 else "",
                    "is_last": index == len(measures) - 1,
                    "name": metric.names.get(measure, measure),
                    "arrow": ARROWS[direction],
                    "better": f"{direction} is better",
                    "cells": cells,
                }
            )
    return rows


def _table(title: str, rows: dict[str, dict[str, float | None]]) -> dict[str, Any]:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    is_class = title == "per class"
    return {
        "title": title,
        "columns": columns,
        "rows": [
            {
                "name": name,
                "color": "#{:02x}{:02x}{:02x}".format(*class_color(name)) if is_class else "",
                "cells": [figure(row.get(column)) for column in columns],
            }
            for name, row in rows.items()
        ],
    }

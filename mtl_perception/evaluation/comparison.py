# SPDX-License-Identifier: Apache-2.0
"""A comparison of multi-task with single-task networks, as numbers and as words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mtl_perception.evaluation.registry import METRICS
from mtl_perception.reporting.numbers import NONE, change, fixed, known, per_cent
from mtl_perception.reporting.tables import ARROWS


@dataclass(frozen=True)
class Value:
    """Mean over seeds, and their standard deviation where there is more than one; NaN and None where one of them is not known."""

    mean: float
    sd: float | None = None

    @classmethod
    def of(cls, values: Iterable[float]) -> Value:
        found = list(values)
        mean = statistics.fmean(found)
        return cls(mean, statistics.stdev(found) if len(found) > 1 and math.isfinite(mean) else None)


@dataclass(frozen=True)
class Column:
    """One kind of network, over its seeds; or, as the baseline, one single-task network for each task.

    Attributes:
        parameters, gmac, size_bytes: of all networks that are needed to do all tasks; gmac at 640×480.
        seeds: how many networks the scores of a task are averaged over.
        scores: task → measure → value.
        gains: task → share by which its main measure is better than the single-task network's.
        delta_m: mean of the gains; None for the baseline itself.
    """

    name: str
    parameters: int
    gmac: float
    size_bytes: int
    seeds: dict[str, int]
    scores: dict[str, dict[str, Value]]
    gains: dict[str, Value] = field(default_factory=dict)
    delta_m: Value | None = None


@dataclass(frozen=True)
class Comparison:
    """``baseline`` and the multi-task networks on one set.

    Attributes:
        remarks: where the networks were not trained alike, in sentences.
    """

    set_name: str
    frames: int
    encoder: str
    baseline: Column
    networks: list[Column]
    remarks: list[str]

    def plain(self) -> dict[str, Any]:
        """For JSON, with None for a gain that is not defined."""
        return {
            "set": self.set_name,
            "frames": self.frames,
            "encoder": self.encoder,
            "baseline": _plain_column(self.baseline),
            "networks": {column.name: _plain_column(column) for column in self.networks},
            "remarks": self.remarks,
        }


def comparison_rows(comparison: Comparison) -> list[list[str]]:
    """The table as words, the first row its head: measures, then Δm, parameters, multiply-adds and size."""
    columns = [comparison.baseline, *comparison.networks]
    rows = [["", *(column.name for column in columns)]]
    for task, metric in METRICS.items():
        for measure, direction in metric.directions.items():
            cells = [_cell(column, task, measure) for column in columns]
            if any(cell != NONE for cell in cells):
                rows.append([f"{measure} {ARROWS[direction]}", *cells])
    rows.append(["Δm ↑", *(NONE if column.delta_m is None else _share(column.delta_m) for column in columns)])
    rows.append(["parameters", *(fixed(column.parameters / 1e6, 2, "M") for column in columns)])
    rows.append(["multiply-adds at 640×480", *(fixed(column.gmac, 2, "G") for column in columns)])
    rows.append(["checkpoint", *(fixed(column.size_bytes / 1e6, 1, "MB") for column in columns)])
    return rows


def _cell(column: Column, task: str, measure: str) -> str:
    value = column.scores.get(task, {}).get(measure)
    if value is None:
        return NONE
    words = fixed(value.mean, 3, sd=value.sd)
    if measure == METRICS[task].main and task in column.gains:
        words += f" ({change(column.gains[task].mean)})"
    return words


def _share(value: Value) -> str:
    return per_cent(value.mean, 1, signed=True, sd=value.sd)


def _plain_column(column: Column) -> dict[str, Any]:
    def plain(value: Value) -> dict[str, float | None]:
        return {name: round(number, 5) if known(number) else None for name, number in (("mean", value.mean), ("sd", value.sd))}

    return {
        "parameters": column.parameters,
        "gmac_640x480": column.gmac,
        "size_bytes": column.size_bytes,
        "seeds": column.seeds,
        "scores": {task: {measure: plain(value) for measure, value in values.items()} for task, values in column.scores.items()},
        "gains": {task: plain(value) for task, value in column.gains.items()},
        "delta_m": None if column.delta_m is None else plain(column.delta_m),
    }

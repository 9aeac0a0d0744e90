# SPDX-License-Identifier: Apache-2.0
"""Charts of a task's metric, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtl_perception.core.drawing import class_color
from mtl_perception.reporting.charts import DIM, GOOD, WIDTH_IN, Chart, cells
from mtl_perception.reporting.numbers import fixed, part
from mtl_perception.tasks.depth.metric import DepthMetric
from mtl_perception.tasks.detection.metric import DetectionMetric
from mtl_perception.tasks.segmentation.metric import SegmentationMetric

_WORTH_A_NUMBER = 0.03
"""Share of a row of the confusion matrix from which it is written into its cell."""


_WORTH_A_BAR = 0.001
"""Share of pixels below which a range of depth is left to the table."""


class TitledChart(NamedTuple):
    """A picture of the report, as SVG, with its title and what to see in it."""

    title: str
    note: str
    picture: str


def detection_charts(metric: DetectionMetric) -> list[TitledChart]:
    """Precision over recall of each class, and how far scores can be believed."""
    charts = []
    curves = metric.curves()
    if curves:
        note = "Precision (upwards) over recall (to the right) of each class that occurs: solid at IoU .50, with its AP, dashed at IoU .75."
        charts.append(TitledChart("Precision and recall", note, _small_multiples(curves)))
    if metric.calibration[:, 0].any():
        count, right, scores = metric.calibration.T
        used = count > 0
        gap = np.abs(right[used] - scores[used]).sum() / count.sum()
        note = (
            "Share of boxes that are right at IoU .50 against their score. On the dashed line a score is a "
            "probability; below it the model is too sure of itself. Area of a dot: number of boxes. "
            f"Mean distance from the line: {fixed(gap, 3)}."
        )
        charts.append(TitledChart("Calibration", note, _calibration(metric.calibration)))
    return charts


def segmentation_charts(metric: SegmentationMetric) -> list[TitledChart]:
    """Draws the confusion matrix of the pixels."""
    note = "Each row: the pixels of one true class, and the share of them that were found to be the class of the column."
    return [TitledChart("Confusion matrix", note, _matrix(metric.confusion, metric.labels))]


def depth_charts(metric: DepthMetric) -> list[TitledChart]:
    """Error by true distance."""
    ranges = metric.compute()["by_distance"]
    everything = sum(row["pixels"] for row in ranges.values())
    ranges = {name: row for name, row in ranges.items() if row["pixels"] >= _WORTH_A_BAR * everything}
    if not ranges:
        return []
    note = "AbsRel of the pixels whose true depth lies in each range, and below it their mean error with its sign."
    return [TitledChart("Error by distance", note, _ranges(ranges))]


CHARTS: dict[str, Callable[[Any], list[TitledChart]]] = {
    "detection": detection_charts,
    "segmentation": segmentation_charts,
    "depth": depth_charts,
}
"""Task → its charts; a task without is told in tables."""


def _small_multiples(curves: dict[str, Any]) -> str:
    columns = min(6, len(curves))
    rows = -(-len(curves) // columns)
    shared = {"sharex": True, "sharey": True}
    chart = Chart("Precision over recall of each class", 0.4 + 1.4 * rows, min(WIDTH_IN, 0.6 + 1.6 * columns), (rows, columns), **shared)
    recall = np.linspace(0, 1, 101)
    for ax, (name, curve) in zip(chart.axes.flat, curves.items()):
        color = np.asarray(class_color(name)) / 255
        ax.plot(recall, curve.precision_75, color=color, linestyle="--", alpha=0.7)
        ax.plot(recall, curve.precision_50, color=color)
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        ax.set_title(f"{name}  {fixed(max(0.0, curve.precision_50.mean()), 2)}")
    for ax in chart.axes.flat[len(curves) :]:
        ax.set_visible(False)
    return chart.svg()


def _calibration(calibration: np.ndarray) -> str:
    count, right, scores = calibration[calibration[:, 0] > 0].T
    chart = Chart("Share of right boxes by score", 4.0, 4.4)
    ax = chart.ax
    ax.plot((0, 1), (0, 1), color=DIM, linestyle="--")
    ax.scatter(scores / count, right / count, s=12 + 240 * count / count.max(), color=GOOD, alpha=0.62)
    ax.set(xlim=(0, 1), ylim=(0, 1.03), aspect="equal", xlabel="score", ylabel="share that is right")
    return chart.svg()


def _matrix(confusion: np.ndarray, labels: Sequence[str]) -> str:
    totals = confusion.sum(axis=1)
    rows = np.flatnonzero(totals)
    columns = [*range(len(labels))] + ([len(labels)] if confusion[:, -1].any() else [])
    shares = confusion[np.ix_(rows, columns)] / totals[rows, None]
    words = [[f"{share * 100:.0f}" if share >= _WORTH_A_NUMBER else "" for share in row] for row in shares]
    names = [labels[column] if column < len(labels) else "nothing" for column in columns]
    chart = Chart("Confusion matrix, per cent of true pixels", 1.4 + 0.27 * len(rows), min(WIDTH_IN, 1.6 + 0.48 * len(columns)))
    cells(chart.ax, [labels[row] for row in rows], names, shares, words, "GnBu", 0.0, 1.0)
    chart.ax.tick_params(axis="x", rotation=45)
    return chart.svg()


def _ranges(ranges: dict[str, dict[str, float]]) -> str:
    everything = sum(row["pixels"] for row in ranges.values())
    names = [
        f"{name}\n{fixed(row['bias'], 2, 'm', signed=True)}\n{part(row['pixels'], everything)} of pixels" for name, row in ranges.items()
    ]
    chart = Chart("Relative error of depth by true distance", 2.8)
    bars = chart.ax.bar(names, [row["AbsRel"] for row in ranges.values()], color=GOOD, width=0.6)
    chart.ax.bar_label(bars, [fixed(row["AbsRel"], 3) for row in ranges.values()], padding=3)
    chart.ax.grid(axis="x", visible=False)
    chart.ax.set_ylabel("AbsRel")
    return chart.svg()

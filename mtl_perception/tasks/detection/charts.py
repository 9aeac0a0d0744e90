# SPDX-License-Identifier: Apache-2.0
"""Charts of detection: precision over recall of each class, and how far scores can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mtl_perception.core.drawing import class_color
from mtl_perception.reporting.charts import DIM, GOOD, WIDTH_IN, Chart, as_text
from mtl_perception.reporting.numbers import fixed
from mtl_perception.tasks._metric import TitledChart

if TYPE_CHECKING:
    from mtl_perception.tasks.detection.metric import DetectionMetric


def charts(metric: DetectionMetric) -> list[TitledChart]:
    """Draws the curves of the classes that occur, and the calibration where anything was found."""
    drawn = []
    curves = metric.curves()
    if curves:
        note = "Precision (upwards) over recall (to the right) of each class that occurs: solid at IoU .50, with its AP, dashed at IoU .75."
        drawn.append(TitledChart("Precision and recall", note, _small_multiples(curves)))
    if metric.calibration[:, 0].any():
        count, right, scores = metric.calibration.T
        used = count > 0
        gap = np.abs(right[used] - scores[used]).sum() / count.sum()
        note = (
            "Share of boxes that are right at IoU .50 against their score. On the dashed line a score is a "
            "probability; below it the model is too sure of itself. Area of a dot: number of boxes. "
            f"Mean distance from the line: {fixed(gap, 3)}."
        )
        drawn.append(TitledChart("Calibration", note, _calibration(metric.calibration)))
    return drawn


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
        ax.set_title(f"{as_text(name)}  {fixed(max(0.0, curve.precision_50.mean()), 2)}")
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

# SPDX-License-Identifier: Apache-2.0
"""Charts of a task's metric, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from mtl_perception.core.drawing import class_color
from mtl_perception.evaluation.tables import percent_of
from mtl_perception.reporting.svg import WIDTH, line, svg, text
from mtl_perception.tasks.depth.metric import DepthMetric
from mtl_perception.tasks.detection.metric import SCORE_BINS, DetectionMetric
from mtl_perception.tasks.segmentation.metric import SegmentationMetric

_WORTH_A_NUMBER = 0.03
"""Share of a row of the confusion matrix from which it is written into its cell."""


_WORTH_A_BAR = 0.001
"""Share of pixels below which a range of depth is left to the table."""


class Chart(NamedTuple):
    """A picture of the report, as SVG, with its title and what to see in it."""

    title: str
    note: str
    picture: str


def detection_charts(metric: DetectionMetric) -> list[Chart]:
    """Precision over recall of each class, and how far scores can be believed."""
    charts = []
    curves = metric.curves()
    if curves:
        note = "Precision (upwards) over recall (to the right) of each class that occurs: solid at IoU .50, with its AP, dashed at IoU .75."
        charts.append(Chart("Precision and recall", note, _small_multiples(curves)))
    if metric.calibration[:, 0].any():
        count, right, scores = metric.calibration.T
        used = count > 0
        gap = np.abs(right[used] - scores[used]).sum() / count.sum()
        note = (
            "Share of boxes that are right at IoU .50 against their score. On the dashed line a score is a "
            "probability; below it the model is too sure of itself. Area of a dot: number of boxes. "
            f"Mean distance from the line: {gap:.3f}."
        )
        charts.append(Chart("What a score is worth", note, _calibration(metric.calibration)))
    return charts


def segmentation_charts(metric: SegmentationMetric) -> list[Chart]:
    """Draws the confusion matrix of the pixels."""
    note = "Each row: the pixels of one true class, and the share of them that were found to be the class of the column."
    return [Chart("Confusion matrix", note, _matrix(metric.confusion, metric.labels))]


def depth_charts(metric: DepthMetric) -> list[Chart]:
    """Error by true distance."""
    ranges = metric.compute()["by_distance"]
    everything = sum(row["pixels"] for row in ranges.values())
    ranges = {name: row for name, row in ranges.items() if row["pixels"] >= _WORTH_A_BAR * everything}
    if not ranges:
        return []
    note = "AbsRel of the pixels whose true depth lies in each range, and below it their mean error with its sign."
    return [Chart("Error by distance", note, _ranges(ranges))]


CHARTS: dict[str, Callable[[Any], list[Chart]]] = {
    "detection": detection_charts,
    "segmentation": segmentation_charts,
    "depth": depth_charts,
}
"""Task → its charts; a task without is told in tables."""


def _small_multiples(curves: dict[str, Any]) -> str:
    columns, gap, head = 7, 18, 24
    side = (WIDTH - gap * (columns - 1)) / columns
    height = side * 0.75
    parts = []
    recall = np.linspace(0, 1, 101)
    for place, (name, curve) in enumerate(curves.items()):
        left, top = (place % columns) * (side + gap), (place // columns) * (height + head + gap) + head
        color = _rgb(name)
        parts.append(text(left, top - 8, name, "label"))
        parts.append(text(left + side, top - 8, f"{max(0.0, curve.precision_50.mean()):.2f}", "dim", "end"))
        for share in (0, 0.5, 1):
            parts.append(line("grid", left, top + height * share, left + side, top + height * share))
        dashed = ' stroke-dasharray="3 3" opacity="0.7"'
        for precision, dashes in ((curve.precision_75, dashed), (curve.precision_50, "")):
            places = zip(left + side * recall, top + height * (1 - precision))
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"{dashes}/>')
    rows = -(-len(curves) // columns)
    return svg(rows * (height + head + gap), "Precision over recall of each class", parts)


def _calibration(calibration: np.ndarray) -> str:
    left, top, side, bottom_space = 48, 10, 300, 44
    bottom = top + side

    def at(x: float, y: float) -> tuple[float, float]:
        return left + side * x, bottom - side * y

    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, y = at(share, share)
        parts.append(line("grid", left, y, left + side, y))
        parts.append(text(left - 8, y + 4, f"{share:g}", "dim", "end"))
        parts.append(text(x, bottom + 20, f"{share:g}", "dim", "middle"))
    parts.append(line("mark", *at(0, 0), *at(1, 1)))
    parts.append(text(left + side / 2, bottom + 38, "score", "dim", "middle"))
    most = calibration[:, 0].max()
    for place, (count, right, scores) in enumerate(calibration):
        if count:
            x, y = at(scores / count, right / count)
            low, high = place / SCORE_BINS, (place + 1) / SCORE_BINS
            words = f"{count:.0f} boxes of score {low:.2f} to {high:.2f}: {right / count:.0%} right"
            radius = 2.5 + 11 * (count / most) ** 0.5
            parts.append(f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{words}</title></circle>')
    return svg(bottom + bottom_space, "Share of right boxes by score", parts, width=left + side + 24)


def _matrix(confusion: np.ndarray, labels: Sequence[str]) -> str:
    totals = confusion.sum(axis=1)
    rows = np.flatnonzero(totals)
    columns = [*range(len(labels))] + ([len(labels)] if confusion[:, -1].any() else [])
    left, top = 84, 78
    cell = min(46.0, (WIDTH - left) / max(1, len(columns)))
    high = min(26.0, cell)
    parts = []
    for place, column in enumerate(columns):
        x = left + (place + 0.5) * cell
        name = labels[column] if column < len(labels) else "nothing"
        parts.append(f'<text class="dim" transform="translate({x + 4:.1f},{top - 10}) rotate(-45)">{escape(name)}</text>')
    for place, row in enumerate(rows):
        y = top + place * high
        parts.append(text(left - 8, y + high * 0.68, labels[row], "label", "end"))
        for other, column in enumerate(columns):
            share = confusion[row, column] / totals[row]
            found = labels[column] if column < len(labels) else "nothing"
            style = "hit" if row == column else "miss"
            parts.append(
                f'<rect class="{style}" x="{left + other * cell:.1f}" y="{y:.1f}" width="{cell - 1.5:.1f}" '
                f'height="{high - 1.5:.1f}" rx="2" fill-opacity="{0.06 + 0.94 * share:.3f}">'
                f"<title>{escape(labels[row])} taken for {escape(found)}: {share:.1%}</title></rect>"
            )
            if share >= _WORTH_A_NUMBER:
                tone = "over" if share > 0.5 else "small"
                parts.append(text(left + (other + 0.5) * cell - 1, y + high * 0.66, f"{share * 100:.0f}", tone, "middle"))
    return svg(top + len(rows) * high + 6, "Confusion of classes, per cent of true pixels", parts)


def _ranges(ranges: dict[str, dict[str, float]]) -> str:
    left, top, height = 52, 24, 160
    bottom = top + height
    step = (WIDTH - left) / len(ranges)
    high = max(row["AbsRel"] for row in ranges.values()) or 1.0
    everything = sum(row["pixels"] for row in ranges.values())
    parts = [line("mark", left, bottom, WIDTH, bottom), text(left - 8, bottom + 4, "0", "dim", "end")]
    for place, (name, row) in enumerate(ranges.items()):
        x, middle, tall = left + (place + 0.2) * step, left + (place + 0.5) * step, height * row["AbsRel"] / high
        parts.append(f'<rect class="bar" x="{x:.1f}" y="{bottom - tall:.1f}" width="{step * 0.6:.1f}" height="{tall:.1f}" rx="3"/>')
        parts.append(text(middle, bottom - tall - 7, f"{row['AbsRel']:.3f}", "label", "middle"))
        parts.append(text(middle, bottom + 22, name, "label", "middle"))
        words = f"{row['bias']:+.2f} m · {percent_of(row['pixels'], everything)} of pixels".replace("-", "−")
        parts.append(text(middle, bottom + 42, words, "dim", "middle"))
    return svg(bottom + 54, "Relative error of depth by true distance", parts)


def _rgb(name: str) -> str:
    return "#{:02x}{:02x}{:02x}".format(*class_color(name))

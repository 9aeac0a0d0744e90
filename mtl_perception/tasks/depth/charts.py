# SPDX-License-Identifier: Apache-2.0
"""The chart of depth: its error by true distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtl_perception.reporting.charts import GOOD, Chart
from mtl_perception.reporting.numbers import fixed, part
from mtl_perception.tasks._metric import TitledChart

if TYPE_CHECKING:
    from mtl_perception.tasks.depth.metric import DepthMetric

_WORTH_A_BAR = 0.001
"""Share of pixels below which a range of depth is left to the table."""


def charts(metric: DepthMetric) -> list[TitledChart]:
    """Draws the error by true distance, where there is any."""
    ranges = metric.compute()["by_distance"]
    everything = sum(row["pixels"] for row in ranges.values())
    ranges = {name: row for name, row in ranges.items() if row["pixels"] >= _WORTH_A_BAR * everything}
    if not ranges:
        return []
    note = "AbsRel of the pixels whose true depth lies in each range, and below it their mean error with its sign."
    return [TitledChart("Error by distance", note, _ranges(ranges))]


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

# SPDX-License-Identifier: Apache-2.0
"""The chart of segmentation: its confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mtl_perception.reporting.charts import WIDTH_IN, Chart, cells
from mtl_perception.tasks._metric import TitledChart

if TYPE_CHECKING:
    from mtl_perception.tasks.segmentation.metric import SegmentationMetric

_WORTH_A_NUMBER = 0.03
"""Share of a row of the confusion matrix from which it is written into its cell."""


def charts(metric: SegmentationMetric) -> list[TitledChart]:
    """Draws the confusion matrix of the pixels."""
    note = "Each row: the pixels of one true class, and the share of them that were found to be the class of the column."
    return [TitledChart("Confusion matrix", note, _matrix(metric.confusion, metric.labels))]


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

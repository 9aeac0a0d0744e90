# SPDX-License-Identifier: Apache-2.0
"""Charts of every report, drawn by matplotlib in one style, as SVG."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
except ImportError:
    raise ImportError("charts need matplotlib: pip install 'mtl-perception[evaluate]'") from None

from mtl_perception.reporting.numbers import fixed

WIDTH_IN = 9.6
"""Of a chart that takes the whole width of a page, inches."""
GOOD, BAD, DIM, GRID = "#1f6f78", "#c2543d", "#6d7280", "#e4e2dc"
COLORS = ("#1f6f78", "#b98a5e", "#6f9fb0", "#8d86a8", "#c2543d", "#9fb8ad", "#d8b38a")
STYLE = {
    "svg.hashsalt": "mtl_perception",  # the same numbers make the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": DIM,
    "axes.labelcolor": DIM,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.titlesize": 10,
    "grid.color": GRID,
    "xtick.color": DIM,
    "ytick.color": DIM,
    "legend.frameon": False,
}


class Chart:
    """A figure in the style of the reports.

    Args:
        title: for those who can't see it.
        width_in, height_in: inches.
        shape: rows and columns of axes, all of one size.

    Attributes:
        axes: (rows, columns) of ``Axes``.
    """

    def __init__(
        self, title: str, height_in: float, width_in: float = WIDTH_IN, shape: tuple[int, int] = (1, 1), **subplots: object
    ) -> None:
        self._title = title
        with matplotlib.rc_context(STYLE):
            self.figure = Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")
            self.axes: np.ndarray = self.figure.subplots(*shape, squeeze=False, **subplots)

    @property
    def ax(self) -> Axes:
        """The first of ``axes``."""
        return self.axes[0, 0]

    def svg(self) -> str:
        """An ``<svg>`` element, for a page or a file of its own."""
        content = io.StringIO()
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
        drawn = re.sub(r"\s*<metadata>.*?</metadata>", "", content.getvalue(), flags=re.DOTALL)
        return drawn[drawn.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{escape(self._title)}"', 1)


def as_text(name: str) -> str:
    """A foreign name as it is: matplotlib reads what stands between two $ as a formula, and ends with an error where it is none."""
    return name.replace("$", r"\$")


def bar_chart(title: str, bars: Mapping[str, tuple[float, float | tuple[float, float] | None]], unit: str = "%") -> str:
    """Horizontal bars from a common zero, with error bars.

    Args:
        bars: by name, value and how far the error bar goes to both sides, or to the lower and to the upper one; None for no bar.
    """
    chart = Chart(title, 0.8 + 0.27 * len(bars))
    errors = [error if isinstance(error, tuple) else (error or 0.0, error or 0.0) for _, error in bars.values()]
    ax, values = chart.ax, [value for value, _ in bars.values()]
    drawn = ax.barh(
        list(map(as_text, bars)),
        values,
        xerr=np.array(errors).T.reshape(2, len(bars)),
        color=[GOOD if value >= 0 else BAD for value in values],
        ecolor=DIM,
    )
    ax.bar_label(drawn, [fixed(value, 1, unit, signed=True) for value in values], padding=6, color=DIM)
    ax.margins(x=0.12)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    return chart.svg()


def line_chart(title: str, series: Mapping[str, Sequence[tuple[float, float]]], x_name: str, level: float | None = None) -> str:
    """Lines over a common axis; ``level`` is a dotted line across. NaN values are left out; empty without any value."""
    known = {name: [(x, y) for x, y in values if not math.isnan(y)] for name, values in series.items()}
    if not any(known.values()):
        return ""
    chart = Chart(title, 3.2)
    ax = chart.ax
    for number, (name, values) in enumerate(known.items()):
        marker = "o" if len(values) <= 12 else None
        ax.plot(*zip(*values), label=as_text(name), color=COLORS[number % len(COLORS)], marker=marker, markersize=4) if values else None
    if level is not None:
        ax.axhline(level, color=DIM, linestyle=":")
    ax.set_xlabel(x_name)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return chart.svg()


def heat_map(title: str, rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], digits: int = 2) -> str:
    """A matrix with a number in each cell: the stronger the colour, the further from zero; losses in the other colour.

    Where rows and columns are the same, the diagonal does not set the scale.
    """
    matrix = np.array(values, np.float64)
    scale = np.where(np.eye(len(rows), dtype=bool), 0, matrix) if len(rows) == len(columns) else matrix
    largest = np.nanmax(np.abs(scale), initial=0.0) or 1.0
    chart = Chart(title, 0.9 + 0.45 * len(rows), min(WIDTH_IN, 2.4 + 1.15 * len(columns)))
    colors = LinearSegmentedColormap.from_list("loss and gain", [BAD, "white", GOOD])
    cells(chart.ax, rows, columns, matrix, [[fixed(value, digits) for value in row] for row in matrix], colors, -largest, largest)
    return chart.svg()


def cells(
    ax: Axes,
    rows: Sequence[str],
    columns: Sequence[str],
    matrix: np.ndarray,
    words: Sequence[Sequence[str]],
    colors: LinearSegmentedColormap | str,
    low: float,
    high: float,
) -> None:
    """A matrix of named rows and columns, with ``words`` in its cells."""
    ax.pcolormesh(np.ma.masked_invalid(matrix), cmap=colors, vmin=low, vmax=high, edgecolors="white", linewidth=1.5)
    ax.set_xticks(np.arange(len(columns)) + 0.5, list(map(as_text, columns)))
    ax.set_yticks(np.arange(len(rows)) + 0.5, list(map(as_text, rows)))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.invert_yaxis()
    for (row, column), value in np.ndenumerate(matrix):
        strength = abs(value) / max(abs(low), abs(high))
        color = "white" if strength > 0.6 else "black"
        ax.text(column + 0.5, row + 0.5, words[row][column], ha="center", va="center", color=color, fontsize=9)

# SPDX-License-Identifier: Apache-2.0
"""Charts of the reports, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mtl_perception.reporting.svg import WIDTH, line, svg, text

_COLOURS = 7
"""The page has so many, --stage-0 to --stage-6."""


def bar_chart(title: str, bars: Mapping[str, tuple[float, float | None]], unit: str = "%") -> str:
    """Horizontal bars from a common zero, the standard deviation as a line across the end.

    Args:
        bars: by name, value and standard deviation.
    """
    left, right, row = 190, 70, 26
    low = min(0.0, *(value - (sd or 0) for value, sd in bars.values()))
    high = max(0.0, *(value + (sd or 0) for value, sd in bars.values()))
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return left + (WIDTH - left - right) * (value - low) / span

    parts = [line("grid", at(0), 0, at(0), row * len(bars))]
    for i, (name, (value, sd)) in enumerate(bars.items()):
        y = row * i
        x, width = min(at(0), at(value)), abs(at(value) - at(0))
        style = "bar" if value >= 0 else "loss"
        parts.append(f'<rect class="{style}" x="{x:.1f}" y="{y + 5}" width="{max(width, 0.5):.1f}" height="{row - 10}" rx="2"/>')
        if sd is not None:
            parts.append(line("spread", at(value - sd), y + row / 2, at(value + sd), y + row / 2))
        parts.append(text(left - 12, y + row / 2 + 5, name, "label", "end"))
        sign = "+" if value >= 0 else "−"
        parts.append(text(at(max(value, value + (sd or 0), 0)) + 8, y + row / 2 + 5, f"{sign}{abs(value):.1f} {unit}", "dim"))
    return svg(row * len(bars) + 6, title, parts)


def line_chart(
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    x_name: str,
    level: float | None = None,
    x_format: str = "{:g}",
    width: float = WIDTH,
) -> str:
    """Lines over a common axis, named at the right; ``level`` is a dotted line across. NaN values are left out."""
    left, right, top, height = 56, max(150, 36 + 8 * max(map(len, series), default=0)), 12, 220
    points = {name: [(x, y) for x, y in values if not math.isnan(y)] for name, values in series.items()}
    flat = [point for values in points.values() for point in values]
    if not flat:
        return ""
    xs, ys = [x for x, _ in flat], [y for _, y in flat] + ([] if level is None else [level])
    low, high = min(ys), max(ys)
    margin = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    low, high = low - margin, high + margin
    first, last = min(xs), max(xs)

    def at_x(x: float) -> float:
        return left + (width - left - right) * ((x - first) / (last - first) if last > first else 0.5)

    def at_y(y: float) -> float:
        return top + height * (high - y) / (high - low)

    parts = []
    for value in _round_values(low, high):
        parts.append(line("grid", left, at_y(value), width - right, at_y(value)))
        parts.append(text(left - 8, at_y(value) + 4, f"{value:.4g}".replace("-", "−"), "dim", "end"))
    ticks = sorted(set(xs))
    for x in ticks if len(ticks) <= 8 else [first + (last - first) * i / 4 for i in range(5)]:
        parts.append(text(at_x(x), top + height + 20, x_format.format(x), "dim", "middle"))
    parts.append(text((left + width - right) / 2, top + height + 42, x_name, "dim", "middle"))
    if level is not None:
        parts.append(line("mark", left, at_y(level), width - right, at_y(level)))
    ends = sorted((values[-1][1], name) for name, values in points.items() if values)
    labels_y = _apart([at_y(y) for y, _ in reversed(ends)], 17)
    for (_, name), label_y in zip(reversed(ends), labels_y, strict=True):
        colour = f"var(--stage-{(3 + 2 * list(series).index(name)) % _COLOURS})"
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points[name])
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(points[name]) <= 12:
            parts += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3.2" fill="{colour}"/>' for x, y in points[name]]
        parts.append(f'<rect x="{width - right + 12}" y="{label_y - 5:.1f}" width="10" height="10" rx="2" fill="{colour}"/>')
        parts.append(text(width - right + 28, label_y + 5, name, "label"))
    return svg(top + height + 52, title, parts, width)


def _round_values(low: float, high: float) -> list[float]:
    """Some four to nine values between, multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(factor * power for factor in (1, 2, 5) if factor * power <= rough)
    return [round(step * i, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _apart(places: list[float], distance: float) -> list[float]:
    """Rising places, moved down as far as they need to be to stand apart."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + distance) if moved else place)
    return moved


def heat_map(title: str, rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float]], digits: int = 2) -> str:
    """A matrix with a number in each cell: the stronger the colour, the further from zero; losses in the other colour.

    Where rows and columns are the same things, the diagonal does not set the scale.
    """
    left, top, width, height = 30 + 7 * max(map(len, rows)), 30, 112, 44
    square = len(rows) == len(columns)
    shown = [abs(v) for i, row in enumerate(values) for j, v in enumerate(row) if not math.isnan(v) and not (square and i == j)]
    largest = max(shown, default=1.0) or 1.0
    parts = [text(left + width * (j + 0.5), top - 10, name, "dim", "middle") for j, name in enumerate(columns)]
    for i, (name, row) in enumerate(zip(rows, values, strict=True)):
        parts.append(text(left - 12, top + height * (i + 0.5) + 5, name, "label", "end"))
        for j, value in enumerate(row):
            x, y = left + width * j, top + height * i
            strength = 0.0 if math.isnan(value) else 0.85 * min(1.0, abs(value) / largest)
            style = "loss" if value < 0 else "bar"
            parts.append(
                f'<rect class="{style}" x="{x + 1}" y="{y + 1}" width="{width - 2}" height="{height - 2}" rx="3" '
                f'style="fill-opacity:{strength:.2f}"/>'
            )
            words = "–" if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")
            parts.append(text(x + width / 2, y + height / 2 + 5, words, "label", "middle"))
    return svg(top + height * len(rows) + 6, title, parts, left + width * len(columns) + 10)

# SPDX-License-Identifier: Apache-2.0
"""The charts of the report, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from mtl_perception.reporting.svg import WIDTH, line, svg, text


def stage_bar(median_ms: Mapping[str, float]) -> str:
    """One bar of the stages of a frame, as wide as their medians, with a legend below.

    Args:
        median_ms: by stage, in the order of the work.
    """
    total_ms = sum(median_ms.values()) or 1.0
    parts, legend, x = [], [], 0.0
    for index, (stage, duration_ms) in enumerate(median_ms.items()):
        width = WIDTH * duration_ms / total_ms
        color = f"var(--stage-{index % 7})"
        title = f"<title>{escape(stage)}: {duration_ms:.1f} ms</title>"
        parts.append(f'<rect x="{x:.1f}" y="0" width="{max(0.0, width - 2):.1f}" height="34" rx="3" fill="{color}">{title}</rect>')
        x += width
        legend_x = 8 + index * (WIDTH / max(1, len(median_ms)))
        legend.append(f'<circle cx="{legend_x:.1f}" cy="61" r="5" fill="{color}"/>')
        legend.append(text(legend_x + 12, 58, stage, "label"))
        legend.append(text(legend_x + 12, 75, f"{duration_ms:.1f} ms", "dim"))
    return svg(80, "Median time of each stage", parts + legend)


def latency_chart(
    times_s: Sequence[float],
    latency_ms: Sequence[float],
    dropped_s: Sequence[float],
    duration_s: float,
) -> str:
    """Latency of processed frames over the drive, its distribution at the right, dropped frames as ticks.

    Args:
        times_s: when each frame was taken, seconds from the start of the drive.
        latency_ms: of each of these frames.
        dropped_s: when the frames were taken that a newer one replaced.
        duration_s: of the drive.
    """
    left, top, plot_width, plot_height, side = 52, 14, 650, 220, 140
    high_ms = _nice_ceiling(max(latency_ms, default=1.0) * 1.05)
    bottom, right = top + plot_height, left + plot_width + 24 + side

    def at_y(value_ms: float) -> float:
        return bottom - plot_height * min(value_ms, high_ms) / high_ms

    def at_x(time_s: float) -> float:
        return left + plot_width * time_s / max(duration_s, 1e-9)

    parts = []
    for value_ms in np.linspace(0, high_ms, 5):
        y = at_y(value_ms)
        parts.append(line("grid", left, y, right, y))
        parts.append(text(left - 8, y + 4, f"{value_ms:g}", "dim", "end"))
    for time_s in _ticks(duration_s):
        parts.append(text(at_x(time_s), bottom + 36, f"{time_s:g} s", "dim", "middle"))
    for time_s in dropped_s:
        x = at_x(time_s)
        parts.append(line("dropped", x, bottom + 7, x, bottom + 15))
    points = [(at_x(t), at_y(ms)) for t, ms in zip(times_s, latency_ms)]
    parts += [f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in points]
    parts.append(_histogram(np.asarray(latency_ms), high_ms, left + plot_width + 24, bottom, plot_height, side))
    if len(latency_ms):
        for share, name, below in ((50, "p50", 9), (99, "p99", 0)):
            value_ms = float(np.percentile(latency_ms, share))
            y = at_y(value_ms)
            parts.append(line("mark", left, y, right, y))
            parts.append(text(WIDTH, y + below, f"{name} {value_ms:.0f} ms", "label", "end"))
    return svg(bottom + 46, "Latency of each frame in milliseconds", parts)


def _histogram(latency_ms: np.ndarray, high_ms: float, x: float, bottom: float, height: float, width: float) -> str:
    bins = 44
    counts, _ = np.histogram(np.minimum(latency_ms, high_ms), bins=bins, range=(0, high_ms))
    step = height / bins
    bars = []
    for index, count in enumerate(counts):
        if count:
            length = width * count / counts.max()
            y = bottom - (index + 1) * step
            bars.append(f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{length:.1f}" height="{step - 1:.1f}"/>')
    return "".join(bars)


def _nice_ceiling(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 times a power of ten: four equal steps below it have short names."""
    power = 10.0 ** np.floor(np.log10(max(value, 1e-9)))
    return float(next((factor * power for factor in (1, 2, 4, 6, 8, 10) if value <= factor * power), 10 * power))


def _ticks(duration_s: float) -> list[float]:
    step = next((step for step in (0.5, 1, 2, 5, 10, 30, 60, 300, 600, 3600) if duration_s / step <= 8), 7200)
    return [step * index for index in range(int(duration_s / step) + 1)]

# SPDX-License-Identifier: Apache-2.0
"""The charts of the demo's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mtl_perception.reporting.charts import BAD, COLORS, DIM, GOOD, Chart

_BINS = 44


def stage_bar(median_ms: Mapping[str, float]) -> str:
    """One bar of the stages of a frame, as wide as their medians.

    Args:
        median_ms: by stage, in the order of the work.
    """
    chart = Chart("Median time of each stage", 1.3)
    start_ms = 0.0
    for number, (stage, duration_ms) in enumerate(median_ms.items()):
        label = f"{stage} {duration_ms:.1f} ms"
        chart.ax.barh(0, duration_ms, left=start_ms, color=COLORS[number % len(COLORS)], label=label)
        start_ms += duration_ms
    chart.ax.set(yticks=(), xlabel="ms", xlim=(0, start_ms or 1.0))
    chart.ax.grid(axis="y", visible=False)
    chart.ax.legend(ncols=max(1, len(median_ms)), loc="lower left", bbox_to_anchor=(0, 1), handlelength=0.8, fontsize=9)
    return chart.svg()


def latency_chart(
    times_s: Sequence[float],
    latency_ms: Sequence[float],
    dropped_s: Sequence[float],
    duration_s: float,
) -> str:
    """Latency of processed frames over the drive, its distribution at the right, dropped frames as ticks below.

    Args:
        times_s: when each frame was taken, seconds from the start of the drive.
        latency_ms: of each of these frames.
        dropped_s: when the frames were taken that a newer one replaced.
        duration_s: of the drive.
    """
    chart = Chart("Latency of each frame in milliseconds", 3.0, shape=(1, 2), sharey=True, width_ratios=(5, 1))
    over_time, spread = chart.axes[0]
    over_time.scatter(times_s, latency_ms, s=10, color=GOOD, alpha=0.62)
    over_time.plot(dropped_s, np.zeros(len(dropped_s)), "|", color=BAD, markersize=9, clip_on=False)
    over_time.set(xlim=(0, max(duration_s, 1e-9)), ylim=(0, None), xlabel="s", ylabel="ms")
    spread.hist(latency_ms, bins=_BINS, orientation="horizontal", color=GOOD, alpha=0.75)
    spread.set(xticks=())
    for share in (50, 99) if len(latency_ms) else ():
        value_ms = float(np.percentile(latency_ms, share))
        for ax in (over_time, spread):
            ax.axhline(value_ms, color=DIM, linestyle=":")
        spread.annotate(f"p{share} {value_ms:.0f} ms", (1, value_ms), (4, 0), ("axes fraction", "data"), "offset points", va="center")
    return chart.svg()

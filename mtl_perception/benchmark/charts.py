# SPDX-License-Identifier: Apache-2.0
"""Charts of a benchmark, as SVG."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtl_perception.benchmark.result import Arm, Part, Report
from mtl_perception.benchmark.sections.backends import DEFAULT
from mtl_perception.benchmark.sections.node import ALONE
from mtl_perception.core.files import write_atomically
from mtl_perception.reporting.charts import STYLE

_STAGE_COLOURS = {
    "wait": "#bab0ac",
    "decode": "#f28e2b",
    "preprocess": "#edc948",
    "network": "#4e79a7",
    "postprocess": "#59a14f",
    "fill": "#e15759",
    "publish": "#b07aa1",
    "transport": "#d9d9d9",
}
_OURS, _THEIRS, _DEPTH = "#4e79a7", ("#e15759", "#f28e2b"), "#76b7b2"
_SEGMENTERS = ("lraspp", "deeplab")


def write_charts(folder: Path, stem: str, report: Report) -> dict[str, Path]:
    """One ``STEM-SECTION.svg`` for each section that has a chart; section → its path.

    Raises:
        OSError: one can't be written.
    """
    written = {}
    for section, (draw, height) in CHARTS.items():
        if section in report.parts:
            with matplotlib.rc_context(STYLE):
                figure = Figure(figsize=(8.5, height(report.parts[section])), layout="constrained")
                axes = figure.subplots()
                draw(axes, report.parts[section])
                figure.patch.set_facecolor("white")
                content = io.BytesIO()
                figure.savefig(content, format="svg", metadata={"Date": None})
            written[section] = folder / f"{stem}-{section}.svg"
            write_atomically(written[section], content.getvalue())
    return written


def _rows_height(parts: Mapping[str, Part]) -> float:
    return 1.2 + 0.34 * sum(len(part.arms) for part in parts.values())


def _stage_bars(axes: Axes, bars: Mapping[str, Arm]) -> None:
    """One bar an arm, of its stages' medians; what is left of the whole is transport."""
    for row, arm in enumerate(bars.values()):
        start = 0.0
        stages = {stage: timing.p50_ms for stage, timing in arm.stages.items()}
        rest = arm.total.p50_ms - sum(stages.values())
        if "fill" in stages and rest > 0:
            stages["transport"] = rest
        for stage, ms in stages.items():
            axes.barh(row, ms, left=start, color=_STAGE_COLOURS.get(stage, "#9c755f"), label=stage, height=0.7)
            start += ms
    _finish_bars(axes, list(bars), "ms, medians")


def _finish_bars(axes: Axes, names: list[str], label: str) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles))
    if len(unique) > 1:
        above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        axes.legend(unique.values(), unique, ncols=min(4, len(unique)), frameon=False, **above)


def _stages(axes: Axes, parts: Mapping[str, Part]) -> None:
    _stage_bars(axes, {name: arm for part in parts.values() for name, arm in part.arms.items()})


def _node(axes: Axes, parts: Mapping[str, Part]) -> None:
    _stage_bars(axes, {name: part.arms[ALONE] for name, part in parts.items() if ALONE in part.arms})


def _peers(axes: Axes, parts: Mapping[str, Part]) -> None:
    """Ours as one bar each; below, every detector with every segmenter and the depth network of our first variant."""
    (arms,) = (part.arms for part in parts.values())
    ours = [name for name in arms if ", " not in name and not _is_peer(arms[name])]
    peers = [name for name in arms if _is_peer(arms[name]) and ", " not in name]
    segmenters = [name for name in peers if name.startswith(_SEGMENTERS)]
    names = []
    for name in ours:
        axes.barh(len(names), arms[name].total.p50_ms, color=_OURS, label="ours: boxes, mask and depth", height=0.7)
        names.append(name)
    for detector in (name for name in peers if name not in segmenters):
        for segmenter in segmenters:
            start = 0.0
            depth = f"{ours[0]}, depth alone" if ours else ""
            parts_of_it = ((detector, _THEIRS[0], "boxes"), (segmenter, _THEIRS[1], "mask"), (depth, _DEPTH, "depth"))
            for name, colour, label in parts_of_it:
                if name in arms:
                    ms = arms[name].total.p50_ms
                    axes.barh(len(names), ms, left=start, color=colour, label=label, height=0.7)
                    start += ms
            names.append(f"{_short(detector)} + {_short(segmenter)}")
    _finish_bars(axes, names, "ms, medians")


def _peers_height(parts: Mapping[str, Part]) -> float:
    (arms,) = (part.arms for part in parts.values())
    peers = [name for name in arms if _is_peer(arms[name]) and ", " not in name]
    segmenters = sum(name.startswith(_SEGMENTERS) for name in peers)
    return 1.4 + 0.4 * ((len(peers) - segmenters) * segmenters + 2)


def _is_peer(arm: Arm) -> bool:
    return arm.facts.get("backend") == "torch, eager"


def _short(name: str) -> str:
    return name.partition("_")[0]


def _backends(axes: Axes, parts: Mapping[str, Part]) -> None:
    names = []
    for variant, part in parts.items():
        for name, arm in part.arms.items():
            axes.barh(len(names), arm.total.p50_ms, color="#59a14f" if name == DEFAULT else _OURS, height=0.7)
            names.append(f"{variant}: {name}")
    _finish_bars(axes, names, "ms, medians, whole engine")


def _cameras(axes: Axes, parts: Mapping[str, Part]) -> None:
    (arms,) = (part.arms for part in parts.values())
    ways = dict.fromkeys(name.partition(", ")[2] for name in arms)
    for way in ways:
        found = [(int(name.partition(", ")[0]), arm.total) for name, arm in arms.items() if name.partition(", ")[2] == way]
        counts = [count for count, _ in found]
        axes.plot(counts, [total.p50_ms for _, total in found], "o-", label=way)
        axes.fill_between(counts, [t.least_ms for _, t in found], [t.p90_ms for _, t in found], alpha=0.15)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(counts, map(str, counts))
    axes.set_xlabel("cameras")
    axes.set_ylabel("ms for one image of each: median, least to p90")
    axes.axhline(1000 / 30, color="#bab0ac", linestyle="--", label="30 Hz")
    axes.legend(frameon=False)


def _resolution(axes: Axes, parts: Mapping[str, Part]) -> None:
    (arms,) = (part.arms for part in parts.values())
    ticks: dict[float, str] = {}
    for way in dict.fromkeys(name.partition(", ")[2] for name in arms):
        found = [(name.partition(", ")[0], arm.total) for name, arm in arms.items() if name.endswith(way)]
        pixels = [_megapixels(size) for size, _ in found]
        ticks |= dict(zip(pixels, (size for size, _ in found)))
        axes.plot(pixels, [total.p50_ms for _, total in found], "o-", label=way)
        axes.fill_between(pixels, [t.least_ms for _, t in found], [t.p90_ms for _, t in found], alpha=0.15)
    axes.set_xticks(list(ticks), list(ticks.values()), rotation=30, ha="right")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("camera's image, by its pixels")
    axes.set_ylabel("ms: median, least to p90")
    axes.legend(frameon=False)


def _megapixels(size: str) -> float:
    width, height = size.split("×")
    return int(width) * int(height) / 1e6


CHARTS: dict[str, tuple[Callable[[Axes, Mapping[str, Part]], None], Callable[[Mapping[str, Part]], float]]] = {
    "stages": (_stages, _rows_height),
    "node": (_node, lambda parts: 1.4 + 0.4 * len(parts)),
    "peers": (_peers, _peers_height),
    "backends": (_backends, _rows_height),
    "cameras": (_cameras, lambda parts: 4.5),
    "resolution": (_resolution, lambda parts: 4.5),
}
"""Section → what draws it, and how high it is in inches."""

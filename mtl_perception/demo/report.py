# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from mtl_perception import __version__
from mtl_perception.core.drawing import class_color, colorize_depth
from mtl_perception.core.files import write_atomically
from mtl_perception.demo.charts import latency_chart, stage_bar
from mtl_perception.demo.depth_camera import MEASURES
from mtl_perception.evaluation.registry import METRICS
from mtl_perception.reporting.html import data_uri, png_uri, render_page
from mtl_perception.reporting.numbers import fixed
from mtl_perception.reporting.tables import ARROWS
from mtl_perception.tasks.depth.metric import DepthMetric

if TYPE_CHECKING:
    from mtl_perception.demo.run import DemoResult

_EXTREMES = ("best", "median", "worst")
_STAGES = ("wait", "decode", "preprocess", "network", "postprocess", "fill", "publish")


def write_report(result: DemoResult, film: Path, path: Path) -> None:
    """Write the report of a demo.

    Args:
        result: what happened.
        film: WebM file, taken into the report.
        path: of the HTML file.
    """
    page = render_page(Path(__file__).with_name("report.html.j2"), _content(result, film))
    write_atomically(path, page.encode())


def _content(result: DemoResult, film: Path) -> dict[str, Any]:
    report, percentiles = result.report, result.report.percentiles_ms()
    medians = {stage: percentiles[stage]["p50"] for stage in _STAGES if stage in percentiles}
    start_ns = result.stamps_ns[0]
    times_s = [(frame.stamp_ns - start_ns) * 1e-9 for frame in report.frames]
    processed = {frame.stamp_ns for frame in report.frames}
    dropped_s = [(stamp - start_ns) * 1e-9 for stamp in result.stamps_ns if stamp not in processed]
    latency_ms = [frame.latency_s * 1e3 for frame in report.frames]
    extremes = [still for still in result.stills if still.caption in _EXTREMES]
    return {
        "result": result,
        "report": report,
        "version": __version__,
        "percentiles": percentiles,
        "stage_bar": Markup(stage_bar(medians)),
        "latency_chart": Markup(latency_chart(times_s, latency_ms, dropped_s, result.duration_s)),
        "film": data_uri(film.read_bytes(), "video/webm"),
        "stills": extremes or result.stills[:3],
        "headline": _headline(result),
        "score_rows": _score_rows(result),
        "live_frames": max((values["frames"] for values in result.live.scores.values()), default=0),
        "class_rows": _class_rows(result),
        "depth_scale": _depth_scale(result),
        "depth_rows": _depth_rows(result),
    }


def _headline(result: DemoResult) -> list[dict[str, str]]:
    """The few figures that stand on top."""
    scores, report = result.every_frame.scores, result.report
    figures = []
    for task, measure, name, better in (
        ("segmentation", "mIoU", "mean IoU", "higher is better"),
        ("depth", "AbsRel", "depth AbsRel", "lower is better"),
        ("detection", "AP50", "AP at IoU .50", "higher is better"),
    ):
        if task in scores:
            figures.append({"value": fixed(scores[task][measure], 3), "name": name, "remark": better})
    whole = report.percentiles_ms().get("whole")
    if whole:
        remark = f"p99 {fixed(whole['p99'], 0, 'ms')}, image out to last result in"
        figures.append({"value": fixed(whole["p50"], 0, "ms"), "name": "median latency", "remark": remark})
    remark = f"{report.frames_dropped} replaced by a newer one"
    figures.append(
        {
            "value": f"{report.frames_processed}/{report.frames_in}",
            "name": "frames in real time",
            "remark": remark,
        }
    )
    return figures


def _score_rows(result: DemoResult) -> list[dict[str, Any]]:
    rows = []
    for task, values in result.every_frame.scores.items():
        live = result.live.scores.get(task, {})
        for index, (measure, direction) in enumerate(METRICS[task].directions.items()):
            rows.append(
                {
                    "task": task if index == 0 else "",
                    "name": METRICS[task].names.get(measure, measure),
                    "arrow": ARROWS[direction],
                    "better": f"{direction} is better",
                    "every_frame": values[measure],
                    "live": live.get(measure, math.nan),
                }
            )
    return rows


def _class_rows(result: DemoResult) -> list[dict[str, Any]]:
    overlap, precision = (
        {name: row[column] for name, row in result.every_frame.scores.get(task, {}).get("per_class", {}).items()}
        for task, column in (("segmentation", "IoU"), ("detection", "AP"))
    )
    return [
        {
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*class_color(name)),
            "iou": overlap.get(name, math.nan),
            "ap": precision.get(name, math.nan),
            "has_boxes": name in precision,
        }
        for name in dict.fromkeys((*overlap, *precision))
    ]


def _depth_rows(result: DemoResult) -> list[dict[str, Any]]:
    """Measures of the drive with a depth camera; none without it."""
    drive = result.depth_camera
    if drive is None:
        return []
    return [
        {
            "name": DepthMetric.names.get(measure, measure),
            "arrow": ARROWS[DepthMetric.directions[measure]],
            "values": [scores[measure] for part in (drive.whole, drive.holes) for scores in (part.network, part.fused)],
        }
        for measure in MEASURES
    ]


def _depth_scale(result: DemoResult) -> dict[str, Any]:
    near_m, far_m = result.look.near_m, result.look.far_m
    scale_m = np.geomspace(near_m, far_m, 256, dtype=np.float32)[None].repeat(2, axis=0)
    ticks_m = [value for value in (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64) if near_m <= value <= far_m]
    ticks = [{"name": f"{m:g} m", "place": math.log(m / near_m) / math.log(far_m / near_m)} for m in ticks_m]
    return {"picture": png_uri(colorize_depth(scale_m, near_m, far_m)), "ticks": ticks}

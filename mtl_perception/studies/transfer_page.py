# SPDX-License-Identifier: Apache-2.0
"""A transfer report as a page, and as Markdown with charts beside it."""

from __future__ import annotations

import math
from pathlib import Path

from markupsafe import Markup

from mtl_perception import __version__
from mtl_perception.evaluation.registry import METRICS
from mtl_perception.reporting.charts import bar_chart, line_chart
from mtl_perception.reporting.html import render_page
from mtl_perception.reporting.numbers import change, fixed, per_cent
from mtl_perception.reporting.tables import ARROWS
from mtl_perception.reporting.tables import markdown as table
from mtl_perception.studies.document import picture
from mtl_perception.studies.transfer_table import Transfer

_EXPLANATION = (
    "The first row is one network a task; its costs are those of all of them together. Δm is the mean over the tasks of how much "
    "better (+) or worse (−) the main measure is than the single-task network's: mAP, mIoU, RMSE. Values are mean ± standard "
    "deviation over seeds. GMAC are 10⁹ multiply-adds at 640×480; latency is the median over the test images, one at a time, in float32 on "
    "the device of the training."
)


def charts(transfer: Transfer) -> dict[str, str]:
    """By name: "gain", and a measure for each curve of what less data does."""
    gains = {
        row.column.name: (100 * row.column.delta_m.mean, None if row.column.delta_m.sd is None else 100 * row.column.delta_m.sd)
        for row in transfer.rows[1:]
        if row.column.delta_m is not None
    }
    drawn = {"gain": bar_chart("Δm of each set-up", gains)}
    for task, lines in transfer.curves.items():
        main = METRICS[task].main
        level = lines["single-task"][-1][1] if "single-task" in lines else None
        shown = {name: [(100 * x, y) for x, y in points] for name, points in lines.items()}
        drawn[main] = line_chart(f"{main} by share of the training data", shown, "% of the training data", level)
    return drawn


def markdown(transfer: Transfer, name: str | None = None) -> str:
    """The tables, with what was compared above them; with a ``name`` the pictures of that document too."""
    facts = ". ".join(f"{key.capitalize()}: {value}" for key, value in transfer.facts.items())
    parts = ["# What sharing a network does to the tasks", f"{facts}.", in_words(transfer)]
    if name is not None:
        parts.append(picture(name, "gain", "Δm of each set-up"))
    parts += [table(transfer.table()), _EXPLANATION, "## Better or worse, by task", table(transfer.gain_table())]
    for task, lines in transfer.curves.items():
        shares = sorted({x for points in lines.values() for x, _ in points})
        metric = METRICS[task]
        parts.append(f"## Less data: {_titled(task)}")
        if name is not None:
            parts.append(picture(name, metric.main, f"{metric.main} by share of the training data"))
        rows = [["", *(per_cent(share) for share in shares)]]
        for line, points in lines.items():
            rows.append([line, *(fixed(dict(points).get(share), 3) for share in shares)])
        parts += [table(rows), *_reached_in_words(transfer, task)]
    parts += [f"To know: {sentence}." for sentence in transfer.remarks]
    parts += [f"Not trained: {sentence}." for sentence in transfer.failed]
    return "\n\n".join(parts) + "\n"


def html(transfer: Transfer) -> str:
    """One page that needs nothing beside it."""
    drawn = charts(transfer)
    curves = [
        {"name": _titled(task), "chart": Markup(drawn[METRICS[task].main]), "words": _reached_in_words(transfer, task)}
        for task in transfer.curves
    ]
    content = {
        "facts": transfer.facts,
        "words": in_words(transfer),
        "scores": transfer.table(),
        "gains": transfer.gain_table(),
        "chart": Markup(drawn["gain"]),
        "curves": curves,
        "failed": transfer.failed,
        "remarks": transfer.remarks,
        "explanation": _EXPLANATION,
        "version": __version__,
    }
    return render_page(Path(__file__).with_name("transfer.html.j2"), content)


def in_words(transfer: Transfer) -> str:
    """The result in a few sentences: also where sharing hurt."""
    known = [row for row in transfer.rows[1:] if row.column.delta_m is not None and not math.isnan(row.column.delta_m.mean)]
    if not known:
        return "No set-up has a score for every task."
    best = max(known, key=lambda row: row.column.delta_m.mean)
    worst_task, worst = min(best.column.gains.items(), key=lambda item: item[1].mean)
    parts = [f"Best is {best.column.name} with Δm {change(best.column.delta_m.mean)}"]
    parts.append(
        f"; no task is worse than alone ({worst_task} {change(worst.mean)})."
        if worst.mean >= 0
        else f"; {worst_task} is {change(worst.mean)} against its own network."
    )
    behind = [row.column.name for row in known if row.column.delta_m.mean < 0]
    if behind:
        parts.append(f" {len(behind)} of {len(known)} set-ups are worse than single-task networks: {', '.join(behind)}.")
    base = transfer.rows[0].column
    share = best.column.gmac / base.gmac
    size = best.column.parameters / base.parameters
    parts.append(f" It takes {per_cent(share)} of the multiply-adds and {per_cent(size)} of the parameters.")
    if best.column.delta_m.sd is not None and abs(best.column.delta_m.mean) < best.column.delta_m.sd:
        parts.append(" The difference is smaller than the spread over seeds.")
    if best.column.delta_m.sd is None:
        parts.append(" This is one seed: how much of it is chance is not known.")
    return "".join(parts)


def _titled(task: str) -> str:
    metric = METRICS[task]
    return f"{metric.main} {ARROWS[metric.directions[metric.main]]}"


def _reached_in_words(transfer: Transfer, task: str) -> list[str]:
    """Where the single-task network itself does as well with less, less data costs nothing, and sharing can't make up for it."""
    words = []
    alone = transfer.reached.get(task, {}).get("single-task", 1.0)
    for name, share in transfer.reached.get(task, {}).items():
        if name == "single-task":
            continue
        what = f"what the single-task network does with all the data in {METRICS[task].main}"
        so_does_it = f", and so does the single-task network with {per_cent(alone)}" if alone < 1 else ""
        words.append(f"{name} never does {what}." if math.isnan(share) else f"{name} does {what} with {per_cent(share)} of it{so_does_it}.")
    return words

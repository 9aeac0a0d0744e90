# SPDX-License-Identifier: Apache-2.0
"""A transfer report as a page and as Markdown."""

from __future__ import annotations

import math
from pathlib import Path

from markupsafe import Markup

from mtl_perception import __version__
from mtl_perception.evaluation.gain import per_cent
from mtl_perception.evaluation.markdown import table
from mtl_perception.evaluation.registry import METRICS
from mtl_perception.evaluation.tables import ARROWS
from mtl_perception.html.page import render_page
from mtl_perception.reports.charts import bar_chart, line_chart
from mtl_perception.reports.transfer_table import Transfer

_EXPLANATION = (
    "The first row is one network a task; its costs are those of all of them together. Δm is the mean over the tasks of how much "
    "better (+) or worse (−) the main measure is than the single-task network's: mAP, mIoU, RMSE. Values are mean ± standard "
    "deviation over seeds. GMAC are 10⁹ multiply-adds at 640×480; latency is the median over the test images, one at a time, in float32 on "
    "the device of the training."
)


def markdown(transfer: Transfer) -> str:
    """The tables, with what was compared above them."""
    facts = ". ".join(f"{name.capitalize()}: {value}" for name, value in transfer.facts.items())
    parts = ["# What sharing a network does to the tasks", f"{facts}."]
    parts += [in_words(transfer), table(transfer.table()), _EXPLANATION]
    parts += ["## Better or worse, by task", table(transfer.gain_table())]
    for task, lines in transfer.curves.items():
        shares = sorted({x for points in lines.values() for x, _ in points})
        metric = METRICS[task]
        parts.append(f"## Less data: {metric.main} {ARROWS[metric.directions[metric.main]]}")
        rows = [["", *(f"{share:.0%}".replace("%", " %") for share in shares)]]
        for name, points in lines.items():
            rows.append([name, *(f"{dict(points)[share]:.3f}" if share in dict(points) else "–" for share in shares)])
        parts += [table(rows), *_reached_in_words(transfer, task)]
    parts += [f"Not trained: {sentence}." for sentence in transfer.failed]
    return "\n\n".join(parts) + "\n"


def html(transfer: Transfer) -> str:
    """One page that needs nothing beside it."""
    gains = {
        row.column.name: (100 * row.column.delta_m.mean, None if row.column.delta_m.sd is None else 100 * row.column.delta_m.sd)
        for row in transfer.rows[1:]
        if row.column.delta_m is not None
    }
    curves = []
    for task, lines in transfer.curves.items():
        metric = METRICS[task]
        level = lines["single-task"][-1][1] if "single-task" in lines else None
        shown = {name: [(100 * x, y) for x, y in points] for name, points in lines.items()}
        chart = line_chart(f"{metric.main} by share of the training data", shown, "% of the training data", level)
        arrow = ARROWS[metric.directions[metric.main]]
        curves.append({"name": f"{metric.main} {arrow}", "chart": Markup(chart), "words": _reached_in_words(transfer, task)})
    content = {
        "facts": transfer.facts,
        "words": in_words(transfer),
        "table": transfer.table(),
        "gains": transfer.gain_table(),
        "chart": Markup(bar_chart("Δm of each set-up", gains)),
        "curves": curves,
        "failed": transfer.failed,
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
    parts = [f"Best is {best.column.name} with Δm {per_cent(best.column.delta_m.mean)}"]
    parts.append(
        f"; no task is worse than alone ({worst_task} {per_cent(worst.mean)})."
        if worst.mean >= 0
        else f"; {worst_task} is {per_cent(worst.mean)} against its own network."
    )
    behind = [row.column.name for row in known if row.column.delta_m.mean < 0]
    if behind:
        parts.append(f" {len(behind)} of {len(known)} set-ups are worse than single-task networks: {', '.join(behind)}.")
    base = transfer.rows[0].column
    share = best.column.gmac / base.gmac
    size = best.column.parameters / base.parameters
    parts.append(f" It takes {share * 100:.0f} % of the multiply-adds and {size * 100:.0f} % of the parameters.")
    if best.column.delta_m.sd is not None and abs(best.column.delta_m.mean) < best.column.delta_m.sd:
        parts.append(" The difference is smaller than the spread over seeds.")
    return "".join(parts)


def _reached_in_words(transfer: Transfer, task: str) -> list[str]:
    words = []
    for name, share in transfer.reached.get(task, {}).items():
        what = f"what the single-task network does with all the data in {METRICS[task].main}"
        words.append(f"{name} never does {what}." if math.isnan(share) else f"{name} does {what} with {share * 100:.0f} % of it.")
    return words

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
from mtl_perception.reporting.numbers import fixed, per_cent
from mtl_perception.reporting.tables import ARROWS
from mtl_perception.reporting.tables import markdown as table
from mtl_perception.studies.document import picture
from mtl_perception.studies.intervals import NO_DIFFERENCE, SEEDS_FOR_A_CLAIM, Interval
from mtl_perception.studies.transfer_table import Transfer
from mtl_perception.training.validation import chosen_by

_EXPLANATION = (
    "The first row is one network a task; its costs are those of all of them together. Δm is the mean over the tasks of how much "
    "better (+) or worse (−) the main measure is than the single-task network's: mAP, mIoU, RMSE. Scores are mean ± standard "
    "deviation over seeds. Behind a gain stands its 95 % interval, in per cent: a bootstrap over pairs of networks of one seed, both "
    f"sides resampled. Where it holds 0 no difference is shown; with fewer than {SEEDS_FOR_A_CLAIM} seeds it claims nothing. Each interval "
    "stands for itself: of many set-ups one in twenty leaves 0 by chance, and the best of them looks better than it is. GMAC are 10⁹ "
    "multiply-adds at 640×480; latency is the median over the test images, one at a time, in float32 on the device of the training."
)


def charts(transfer: Transfer) -> dict[str, str]:
    """By name: "gain", and a measure for each curve of what less data does."""
    gains = {row.column.name: _bar(row.delta_m) for row in transfer.rows[1:] if row.delta_m is not None}
    drawn = {"gain": bar_chart("Δm of each set-up", gains)}
    lengths = {name: [(float(steps), 100 * gain.mean) for steps, gain in points] for name, points in transfer.by_length.items()}
    if lengths:
        drawn["length"] = line_chart("Δm by length of training", lengths, "steps", 0.0)
    for task, lines in transfer.learning.items():
        drawn[f"learning_{task}"] = line_chart(f"{chosen_by(task)} on validation", lines, "step")
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
    if transfer.by_length:
        parts.append("## By length of training")
        if name is not None:
            parts.append(picture(name, "length", "Δm by length of training"))
        parts.append(table(transfer.length_table()))
    if transfer.learning and name is not None:
        parts.append("## Learning curves")
        parts += [picture(name, f"learning_{task}", f"{chosen_by(task)} on validation") for task in transfer.learning]
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
        "lengths": transfer.length_table() if transfer.by_length else None,
        "length_chart": Markup(drawn.get("length", "")),
        "learning": [{"name": f"{task}, {chosen_by(task)}", "chart": Markup(drawn[f"learning_{task}"])} for task in transfer.learning],
        "failed": transfer.failed,
        "remarks": transfer.remarks,
        "explanation": _EXPLANATION,
        "version": __version__,
    }
    return render_page(Path(__file__).with_name("transfer.html.j2"), content)


def in_words(transfer: Transfer) -> str:
    """Says in a few sentences what is shown and what is not: also where sharing hurt. No set-up is called the best, for it would be chosen
    on the test set."""
    known = [row for row in transfer.rows[1:] if row.delta_m is not None and not math.isnan(row.delta_m.mean)]
    if not known:
        return "No set-up has a score for every task with a seed that its single-task networks have too."
    by_verdict: dict[str, list[str]] = {}
    for row in known:
        by_verdict.setdefault(row.delta_m.verdict, []).append(f"{row.column.name} (Δm {row.delta_m.text})")
    names = {"better": "Better than single-task networks", "worse": "Worse than single-task networks", NO_DIFFERENCE: "No difference shown"}
    parts = [f"{title}: {', '.join(by_verdict[verdict])}." for verdict, title in names.items() if verdict in by_verdict]
    if len(known) and not {"better", "worse"} & set(by_verdict):
        parts.insert(0, "Nothing is shown either way.")
    parts += [f"{verdict[0].upper()}{verdict[1:]}: {', '.join(of)}." for verdict, of in by_verdict.items() if verdict not in names]
    worse = [f"{row.column.name} in {task} ({gain.text})" for row in known for task, gain in row.gains.items() if gain.verdict == "worse"]
    if worse:
        parts.append(f"A task is worse than alone with {', '.join(worse)}.")
    base, column = transfer.rows[0].column, min((row.column for row in known), key=lambda column: column.gmac)
    share, size = column.gmac / base.gmac, column.parameters / base.parameters
    parts.append(f"{column.name} takes {per_cent(share)} of the multiply-adds and {per_cent(size)} of the parameters.")
    return " ".join(parts)


def _bar(gain: Interval) -> tuple[float, float | tuple[float, float] | None]:
    if gain.low is None or gain.high is None:
        return 100 * gain.mean, None
    return 100 * gain.mean, (100 * max(0.0, gain.mean - gain.low), 100 * max(0.0, gain.high - gain.mean))


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

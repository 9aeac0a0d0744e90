# SPDX-License-Identifier: Apache-2.0
"""An affinity report as a page, and as Markdown with charts beside it."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import numpy as np
from markupsafe import Markup

from mtl_perception import __version__
from mtl_perception.reporting.charts import Chart, cells, heat_map, line_chart
from mtl_perception.reporting.html import render_page
from mtl_perception.reporting.numbers import per_cent
from mtl_perception.reporting.tables import markdown as table
from mtl_perception.studies.affinity import Affinity
from mtl_perception.studies.channels import relative_importance
from mtl_perception.studies.document import picture
from mtl_perception.studies.grouping import group_score
from mtl_perception.studies.interference import STEP_SHARE

_STEP_SHARE = f"{STEP_SHARE:.0%}".replace("%", " %")


def charts(found: Affinity) -> dict[str, str]:
    """By name: "steps", "cosine", each pair of tasks ("TASK, TASK"), "conflict", "norms" and "channels"."""
    tasks, course = found.tasks, found.course
    pairs = list(course[0].cosine)
    layers = list(course[0].cosine[pairs[0]])
    late = course[1:] or course
    mean_cosine = [[_mean([one.cosine[pair][layer] for one in late]) for layer in layers] for pair in pairs]
    conflict = {pair: [(one.step, 100 * one.conflict[pair]) for one in course] for pair in pairs}
    norms = {task: [(one.step, one.norms[task]) for one in course] for task in tasks}
    matrix = [[100 * found.affinity[i][j] for j in tasks] for i in tasks]
    over_training = {
        pair: line_chart(
            f"cosine between the gradients of {pair}",
            {layer: [(one.step, one.cosine[pair][layer]) for one in course] for layer in layers},
            "step",
            0.0,
        )
        for pair in pairs
    }
    return {
        "steps": heat_map("what a step for a task does for others", [f"step for {t}" for t in tasks], tasks, matrix, 3),
        "cosine": heat_map("mean cosine of the gradients", pairs, layers, mean_cosine),
        **over_training,
        "conflict": line_chart("share of conflicting weight tensors", conflict, "step", 50.0),
        "norms": line_chart("length of each task's gradient", norms, "step"),
        "channels": channel_chart(found.importance),
    }


def html(found: Affinity) -> str:
    """One page that needs nothing beside it."""
    drawn = {name: Markup(chart) for name, chart in charts(found).items()}
    content = {
        "name": found.name,
        "words": in_words(found),
        "step_share": _STEP_SHARE,
        "affinity": drawn["steps"],
        "cosine": drawn["cosine"],
        "per_layer": [{"name": pair, "chart": drawn[pair]} for pair in found.course[0].cosine],
        "conflict": drawn["conflict"],
        "norms": drawn["norms"],
        "channels": drawn["channels"],
        "channel_counts": {name: len(channels) for name, channels in found.channels.items()},
        "groups": _group_rows(found),
        "setting": f"sharing: {{method: clustered, groups: [{', '.join(_listed(group) for group in found.proposed)}]}}",
        "several": len(found.proposed) > 1,
        "measurements": len(found.course),
        "steps": found.steps,
        "version": __version__,
    }
    return render_page(Path(__file__).with_name("affinity.html.j2"), content)


def markdown(found: Affinity, name: str) -> str:
    """Returns the text of the page, with the pictures of the document ``name``."""
    counts = ", ".join(f"{task} {len(channels)}" for task, channels in found.channels.items())
    parts = [
        "# How the tasks get on",
        f"{len(found.course)} measurements over {found.steps} steps of training. Means leave out the first, which is of random weights.",
        in_words(found),
        "## What a step for one task does for the others",
        f"Per cent by which the column's loss falls when the shared parameters take a step along the row's gradient, long enough to take "
        f"{_STEP_SHARE} off the row's own loss to first order. Negative: it rises.",
        picture(name, "steps", "What a step for one task does for the others"),
        "The best division into so many groups, by how much on average a task is helped by the others of its group (0 alone):",
        table(_group_rows(found)),
        "## Where gradients agree",
        "Mean cosine between two tasks' gradients by part of the network: 1 the same direction, 0 unrelated, negative conflicting.",
        picture(name, "cosine", "Mean cosine by pair of tasks and part of the network"),
    ]
    for pair in found.course[0].cosine:
        parts += [f"Over training, {' and '.join(pair.split(', '))}:", picture(name, pair, f"Cosine between {pair} over training")]
    parts += [
        "## How much conflicts",
        "Per cent of the shared weight tensors in which two gradients point against each other. Chance is 50.",
        picture(name, "conflict", "Share of conflicting weight tensors"),
        "## How strongly each task pulls",
        "Length of its gradient of the shared parameters, with the losses as they are.",
        picture(name, "norms", "Length of each task's gradient"),
        "## Which channels carry which task",
        "How much a task's loss rises when a channel of the neck's output is set to its mean, relative to its most important channel. "
        f"Channels: {counts}.",
        picture(name, "channels", "Importance of each channel for each task"),
    ]
    return "\n\n".join(parts) + "\n"


def in_words(found: Affinity) -> str:
    """The result in a few sentences."""
    others = [(found.affinity[i][j], i, j) for i in found.tasks for j in found.tasks if i != j]
    best, worst = max(others), min(others)
    parts = [f"A step for {best[1]} helps {best[2]} most ({per_cent(best[0], 3, signed=True)} of its loss)"]
    verb, how = ("harms", "most") if worst[0] < 0 else ("helps", "least")
    parts.append(f"; one for {worst[1]} {verb} {worst[2]} {how} ({per_cent(worst[0], 3, signed=True)}).")
    share = _mean([one.conflict[pair] for one in (found.course[1:] or found.course) for pair in one.conflict])
    parts.append(f" In {per_cent(share)} of the shared weight tensors two gradients point against each other.")
    parts.append(f" Proposed groups: {_groups_in_words(found.proposed)}.")
    if len(found.proposed) > 1 and not _is_clear(found):
        parts.append(
            " Over the measurements that is no better than all in one group by more than chance: share everything, or measure longer."
        )
    return "".join(parts)


def _is_clear(found: Affinity) -> bool:
    """Whether the proposed groups beat a single one by more than twice the standard error over the measurements."""
    late = found.course[1:] or found.course
    gains = [group_score(found.proposed, one.affinity) - group_score([found.tasks], one.affinity) for one in late]
    return len(gains) > 1 and statistics.fmean(gains) > 2 * statistics.stdev(gains) / math.sqrt(len(gains))


def channel_chart(importance: dict[str, list[float]]) -> str:
    """One row a task, one cell a channel, the darker the more the task loses without it; channels by what they carry."""
    relative = relative_importance(importance)
    tasks = list(relative)
    count = len(relative[tasks[0]])

    def place(channel: int) -> tuple[int, float]:
        strengths = [relative[task][channel] for task in tasks]
        return strengths.index(max(strengths)), -max(strengths)

    order = sorted(range(count), key=place)
    matrix = np.array([[relative[task][channel] for channel in order] for task in tasks])
    chart = Chart("importance of each channel for each task", 0.6 + 0.32 * len(tasks))
    cells(chart.ax, tasks, [], matrix, np.full(matrix.shape, "").tolist(), "Greys", 0.0, 1.0)
    chart.ax.set_xlabel("channels, by the task that needs them most")
    return chart.svg()


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.fmean(known) if known else math.nan


def _group_rows(found: Affinity) -> list[list[str]]:
    head = ["groups", "the best so many", "help"]
    return [head, *([str(n), _groups_in_words(one), per_cent(score, 3)] for n, (one, score) in found.groups.items())]


def _listed(group: list[str]) -> str:
    return f"[{', '.join(group)}]"


def _groups_in_words(groups: list[list[str]]) -> str:
    return " | ".join(" + ".join(group) for group in groups)

# SPDX-License-Identifier: Apache-2.0
"""An affinity report as a page."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

from markupsafe import Markup

from mtl_perception import __version__
from mtl_perception.html.page import render_page
from mtl_perception.html.svg import WIDTH, svg, text
from mtl_perception.reports.affinity import Affinity
from mtl_perception.reports.charts import heat_map, line_chart
from mtl_perception.reports.interference import STEP_SHARE


def html(found: Affinity) -> str:
    """One page that needs nothing beside it."""
    tasks, course = found.tasks, found.course
    pairs = list(course[0].cosine)
    layers = list(course[0].cosine[pairs[0]])
    late = course[1:] or course
    mean_cosine = [[_mean([one.cosine[pair][layer] for one in late]) for layer in layers] for pair in pairs]
    per_layer = [
        {
            "name": pair,
            "chart": Markup(
                line_chart(
                    f"cosine between the gradients of {pair}",
                    {layer: [(one.step, one.cosine[pair][layer]) for one in course] for layer in layers},
                    "step",
                    0.0,
                    "{:.0f}",
                )
            ),
        }
        for pair in pairs
    ]
    conflict = {pair: [(one.step, 100 * one.conflict[pair]) for one in course] for pair in pairs}
    norms = {task: [(one.step, one.norms[task]) for one in course] for task in tasks}
    matrix = [[100 * found.affinity[i][j] for j in tasks] for i in tasks]
    content = {
        "name": found.name,
        "words": in_words(found),
        "step_share": f"{STEP_SHARE:.0%}".replace("%", " %"),
        "affinity": Markup(heat_map("what a step for a task does for others", [f"step for {t}" for t in tasks], tasks, matrix, 3)),
        "cosine": Markup(heat_map("mean cosine of the gradients", pairs, layers, mean_cosine)),
        "per_layer": per_layer,
        "conflict": Markup(line_chart("share of conflicting weight tensors", conflict, "step", 50.0, "{:.0f}")),
        "norms": Markup(line_chart("length of each task's gradient", norms, "step", None, "{:.0f}")),
        "channels": Markup(channel_chart(found.importance)),
        "channel_counts": {name: len(channels) for name, channels in found.channels.items()},
        "groups": [(n, _groups_in_words(groups), 100 * score) for n, (groups, score) in found.groups.items()],
        "setting": f"sharing: {{method: clustered, groups: [{', '.join(_listed(group) for group in found.proposed)}]}}",
        "several": len(found.proposed) > 1,
        "measurements": len(course),
        "steps": found.steps,
        "version": __version__,
    }
    return render_page(Path(__file__).with_name("affinity.html.j2"), content)


def in_words(found: Affinity) -> str:
    """The result in a few sentences."""
    others = [(found.affinity[i][j], i, j) for i in found.tasks for j in found.tasks if i != j]
    best, worst = max(others), min(others)
    parts = [f"A step for {best[1]} helps {best[2]} most ({_signed(best[0])} of its loss)"]
    verb, how = ("harms", "most") if worst[0] < 0 else ("helps", "least")
    parts.append(f"; one for {worst[1]} {verb} {worst[2]} {how} ({_signed(worst[0])}).")
    share = _mean([one.conflict[pair] for one in (found.course[1:] or found.course) for pair in one.conflict])
    parts.append(f" In {share * 100:.0f} % of the shared weight tensors two gradients point against each other.")
    parts.append(f" Proposed groups: {_groups_in_words(found.proposed)}.")
    return "".join(parts)


def channel_chart(importance: dict[str, list[float]]) -> str:
    """One row a task, one cell a channel, the darker the more the task loses without it; channels by what they carry."""
    relative = {}
    for task, values in importance.items():
        largest = max(max(values), 1e-12)
        relative[task] = [max(value, 0.0) / largest for value in values]
    tasks = list(relative)
    count = len(relative[tasks[0]])

    def place(channel: int) -> tuple[int, float]:
        strengths = [relative[task][channel] for task in tasks]
        return strengths.index(max(strengths)), -max(strengths)

    order = sorted(range(count), key=place)
    left, height = 130, 30
    width = (WIDTH - left) / count
    parts = []
    for row, task in enumerate(tasks):
        parts.append(text(left - 12, height * (row + 0.5) + 5, task, "label", "end"))
        for column, channel in enumerate(order):
            strength = relative[task][channel]
            parts.append(
                f'<rect class="bar" x="{left + width * column:.1f}" y="{height * row + 1}" width="{max(width - 1, 1):.1f}" '
                f'height="{height - 2}" style="fill-opacity:{strength:.2f}">'
                f"<title>channel {channel}: {strength:.2f}</title></rect>"
            )
    return svg(height * len(tasks) + 4, "importance of each channel for each task", parts)


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.fmean(known) if known else math.nan


def _signed(share: float) -> str:
    return f"{'+' if share >= 0 else '−'}{abs(share) * 100:.3f} %"


def _listed(group: list[str]) -> str:
    return f"[{', '.join(group)}]"


def _groups_in_words(groups: list[list[str]]) -> str:
    return " | ".join(" + ".join(group) for group in groups)

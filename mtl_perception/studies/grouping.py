# SPDX-License-Identifier: Apache-2.0
"""Groups of tasks that help each other, from their affinities."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence


def partitions(tasks: Sequence[str]) -> Iterator[list[list[str]]]:
    """Every way to divide ``tasks`` into groups; for a handful of tasks (8 have 4140)."""
    if not tasks:
        yield []
        return
    first, rest = tasks[0], tasks[1:]
    for smaller in partitions(rest):
        for i, group in enumerate(smaller):
            yield [*smaller[:i], [first, *group], *smaller[i + 1 :]]
        yield [[first], *smaller]


def group_score(groups: Sequence[Sequence[str]], affinity: Mapping[str, Mapping[str, float]]) -> float:
    """Mean over the tasks of the mean affinity that the others of its group have to it; 0 for a task alone.

    Source: Fifty et al., NeurIPS 2021, section 3.
    """
    received = []
    for group in groups:
        for task in group:
            others = [affinity[other][task] for other in group if other != task]
            received.append(statistics.fmean(others) if others else 0.0)
    return statistics.fmean(received)


def propose_groups(affinity: Mapping[str, Mapping[str, float]]) -> dict[int, tuple[list[list[str]], float]]:
    """For each number of groups the best division and its score."""
    best: dict[int, tuple[list[list[str]], float]] = {}
    for groups in partitions(list(affinity)):
        score = group_score(groups, affinity)
        if len(groups) not in best or score > best[len(groups)][1]:
            best[len(groups)] = (groups, score)
    return dict(sorted(best.items()))


def best_groups(affinity: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """The division with the highest score; the one with fewer groups, which is cheaper, where two are alike."""
    proposals = propose_groups(affinity)
    return max(proposals.items(), key=lambda item: (item[1][1], -item[0]))[1][0]

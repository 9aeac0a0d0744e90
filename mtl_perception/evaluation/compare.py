# SPDX-License-Identifier: Apache-2.0
"""Multi-task networks beside the single-task networks of the same encoder: every measure, Δm, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence

from mtl_perception.evaluation.comparison import Column, Comparison, Value, comparison_rows
from mtl_perception.evaluation.gain import multi_task_gain, task_gains
from mtl_perception.evaluation.registry import METRICS
from mtl_perception.evaluation.results import EvaluationResult, ResultError
from mtl_perception.evaluation.tables import known

__all__ = ["Column", "Comparison", "Value", "compare", "comparison_rows"]


def compare(results: Sequence[EvaluationResult], set_name: str | None = None) -> Comparison:
    """Compare multi-task networks with single-task ones on one set.

    Results with one task are the baselines, those with several are compared. Results of the same name are seeds of the
    same network: Δm is computed for each seed against the mean of the baselines, then averaged.

    Args:
        results: of ``mtl-perception evaluate``, all on the same data.
        set_name: which set; the first that all have if None.

    Raises:
        ResultError: there is nothing to compare, or encoders or data differ.
    """
    set_name = _common_set(results, set_name)
    singles = [result for result in results if len(result.model.tasks) == 1]
    several = [result for result in results if len(result.model.tasks) > 1]
    if not singles or not several:
        raise ResultError(
            f"{len(several)} networks with several tasks and {len(singles)} with one: expected at least one of each; "
            "a baseline is trained with, for instance, tasks: {depth: 1.0} and scored on the same sets"
        )
    encoders = {result.model.encoder for result in results}
    if len(encoders) > 1:
        raise ResultError(f"networks with different encoders can't be compared: {', '.join(sorted(encoders))}")
    by_task: dict[str, list[EvaluationResult]] = {}
    for result in singles:
        by_task.setdefault(next(iter(result.sets[set_name].scores)), []).append(result)
    # What follows from several tasks, such as 3D boxes, has no single-task network and no part in Δm.
    missing = [task for result in several for task in result.model.tasks if task not in by_task]
    if missing:
        raise ResultError(f"no single-task network for {', '.join(dict.fromkeys(missing))}; train and score one")
    baseline = _baseline(by_task, set_name)
    base_scores = {task: {measure: value.mean for measure, value in values.items()} for task, values in baseline.scores.items()}
    by_name: dict[str, list[EvaluationResult]] = {}
    for result in several:
        by_name.setdefault(result.model.name, []).append(result)
    networks = [_network(name, seeds, set_name, base_scores) for name, seeds in by_name.items()]
    frames = several[0].sets[set_name].frames
    return Comparison(set_name, frames, encoders.pop(), baseline, networks, _training_differences(results))


def _common_set(results: Sequence[EvaluationResult], set_name: str | None) -> str:
    common = [name for name in results[0].sets if all(name in result.sets for result in results)] if results else []
    if set_name is None and not common:
        listed = "; ".join(f"{result.model.name}: {', '.join(result.sets)}" for result in results)
        raise ResultError(f"the results have no set in common ({listed}); score all networks on the same sets")
    chosen = set_name or common[0]
    if chosen not in common:
        raise ResultError(f"not every result has the set '{chosen}'; all have: {', '.join(common) or 'none'}")
    kinds = {(result.sets[chosen].data, result.sets[chosen].frames) for result in results}
    if len(kinds) > 1:
        listed = ", ".join(f"{frames} frames of {data}" for data, frames in sorted(kinds))
        raise ResultError(f"the set '{chosen}' is not the same data everywhere: {listed}; score again on the same")
    return chosen


def _training_differences(results: Sequence[EvaluationResult]) -> list[str]:
    """A gain of one network over another means little where it saw other data, or more of it."""
    remarks = []
    for key in ("data", "images", "samples"):
        by_value: dict[str, list[str]] = {}
        for result in results:
            by_value.setdefault(str(result.model.training.get(key, "unknown")), []).append(result.model.name)
        if len(by_value) > 1:
            listed = "; ".join(f"{value}: {', '.join(dict.fromkeys(names))}" for value, names in by_value.items())
            remarks.append(f"not trained alike, {key} differ ({listed})")
    return remarks


def _baseline(by_task: dict[str, list[EvaluationResult]], set_name: str) -> Column:
    first = [seeds[0].model for seeds in by_task.values()]
    return Column(
        name="single-task",
        parameters=sum(model.parameters for model in first),
        gmac=sum(model.gmac_640x480 for model in first),
        size_bytes=sum(model.size_bytes for model in first),
        seeds={task: len(seeds) for task, seeds in by_task.items()},
        scores={task: _averaged(seeds, set_name, task) for task, seeds in by_task.items()},
    )


def _network(name: str, seeds: list[EvaluationResult], set_name: str, base_scores: dict[str, dict[str, float]]) -> Column:
    model = seeds[0].model
    tasks = [task for task in METRICS if task in seeds[0].sets[set_name].scores]
    gains = [task_gains(result.sets[set_name].scores, base_scores) for result in seeds]
    return Column(
        name=name,
        parameters=model.parameters,
        gmac=model.gmac_640x480,
        size_bytes=model.size_bytes,
        seeds=dict.fromkeys(tasks, len(seeds)),
        scores={task: _averaged(seeds, set_name, task) for task in tasks},
        gains={task: Value.of(of_seed[task] for of_seed in gains) for task in gains[0]},
        delta_m=Value.of(multi_task_gain(result.sets[set_name].scores, base_scores) for result in seeds),
    )


def _averaged(seeds: list[EvaluationResult], set_name: str, task: str) -> dict[str, Value]:
    scores = [result.sets[set_name].scores[task] for result in seeds]
    measures = [measure for measure in METRICS[task].directions if all(known(one.get(measure)) for one in scores)]
    return {measure: Value.of(one[measure] for one in scores) for measure in measures}

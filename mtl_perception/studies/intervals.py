# SPDX-License-Identifier: Apache-2.0
"""How sure a gain is: bootstrap intervals over the seeds of both sides at once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from mtl_perception.evaluation.registry import METRICS
from mtl_perception.reporting.numbers import NONE, change, fixed

SEEDS_FOR_A_CLAIM = 5
"""With fewer, a resampled interval is too narrow to be believed."""
NO_DIFFERENCE = "no difference shown"
_RESAMPLES = 9999


@dataclass(frozen=True)
class Interval:
    """A gain as a share, .1 is 10 % better, with the 95 % interval that the seeds allow.

    Attributes:
        low, high: None with one seed.
        seeds: pairs of networks that it rests on.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int

    @property
    def verdict(self) -> str:
        """Returns "better", "worse" or ``NO_DIFFERENCE``, or why nothing can be said."""
        if self.low is None or self.high is None or math.isnan(self.mean):
            return "one seed, no claim" if self.seeds == 1 else "no score"
        if self.low <= 0 <= self.high:
            return NO_DIFFERENCE
        if self.seeds < SEEDS_FOR_A_CLAIM:
            return f"{self.seeds} seeds, no claim"
        return "better" if self.low > 0 else "worse"

    @property
    def text(self) -> str:
        """+15.0 % [+10.2, +19.1]."""
        if math.isnan(self.mean):
            return NONE
        if self.low is None or self.high is None:
            return change(self.mean)
        return f"{change(self.mean)} [{fixed(100 * self.low, 1, signed=True)}, {fixed(100 * self.high, 1, signed=True)}]"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        mean = None if math.isnan(self.mean) else self.mean
        return {"mean": mean, "low": self.low, "high": self.high, "seeds": self.seeds, "verdict": self.verdict}


def paired_gains(
    alone: Mapping[int, Mapping[str, float]], shared: Mapping[int, Mapping[str, float]]
) -> tuple[dict[str, Interval], Interval]:
    """By task, the gain of the mean of ``shared`` over the mean of ``alone``, and Δm, the mean of these gains.

    A resample draws seeds, and takes from both sides the networks of the seeds drawn: both sides scatter, and what a seed does to both
    (the order of images, what is held out) does not count as a difference. Bias-corrected and accelerated (Efron 1987); the percentile
    interval where that is not defined.

    Args:
        alone: by seed, by task, the main measure of its single-task network.
        shared: the same of a multi-task network. Seeds that one side lacks are left out.

    Raises:
        ValueError: no seed has scores for all tasks on both sides.
    """
    tasks = [task for task in METRICS if any(task in scores for scores in shared.values())]
    seeds = sorted(seed for seed in shared if all(task in shared[seed] and task in alone.get(seed, {}) for task in tasks))
    if not tasks or not seeds:
        raise ValueError("no seed has scores of every task, alone and together; train both sides with the same seeds")
    base = np.array([[alone[seed][task] for seed in seeds] for task in tasks], np.float64)
    found = np.array([[shared[seed][task] for seed in seeds] for task in tasks], np.float64)
    signs = np.array([1.0 if METRICS[task].directions[METRICS[task].main] == "higher" else -1.0 for task in tasks])
    gains = {task: _interval(base[i : i + 1], found[i : i + 1], signs[i : i + 1]) for i, task in enumerate(tasks)}
    return gains, _interval(base, found, signs)


def _interval(base: np.ndarray, found: np.ndarray, signs: np.ndarray) -> Interval:
    """Of (tasks, seeds) measures."""
    tasks, seeds = base.shape

    def gain(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            means = [np.mean(sample, axis=axis) for sample in samples]
            return np.mean([sign * (b / a - 1) for sign, a, b in zip(signs, means[:tasks], means[tasks:], strict=True)], axis=0)

    mean = float(gain(*base, *found))
    if not math.isfinite(mean) or seeds < 2:
        return Interval(mean if math.isfinite(mean) else math.nan, None, None, seeds)
    ends = (math.nan, math.nan)
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of degenerate data, which is what the second method is for
            rng = np.random.default_rng(0)  # the same results make the same page
            ends = bootstrap(
                (*base, *found), gain, paired=True, vectorized=True, n_resamples=_RESAMPLES, method=method, random_state=rng
            ).confidence_interval
        if all(math.isfinite(end) for end in ends):
            return Interval(mean, float(ends[0]), float(ends[1]), seeds)
    return Interval(math.nan, None, None, seeds)


def by_seed(results: Sequence[Any], task: str | None = None) -> dict[int, dict[str, float]]:
    """Seed → task → main measure on the test set, of the results of one set-up; a task without a score is left out."""
    found: dict[int, dict[str, float]] = {}
    for result in results:
        for name, scores in result.evaluation.sets["test"].scores.items():
            value = scores.get(METRICS[name].main) if task in (None, name) else None
            if value is not None:
                found.setdefault(result.seed, {})[name] = value
    return found

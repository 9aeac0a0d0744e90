# SPDX-License-Identifier: Apache-2.0
"""Timing several jobs in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from mtl_perception.benchmark.result import Ratio, Timing

Job = Callable[[], Mapping[str, float]]
"""Does the work on one frame, answers included, and gives the seconds of its stages if it knows them."""

OnStep = Callable[[], None]
"""Told after each step of a measurement, for the progress bar."""


@dataclass
class Samples:
    """Seconds of one job, one entry a round.

    Attributes:
        wall_s: from the image to the answers.
        processor_s: of all threads of this process, waiting for each other included.
        stage_s: by stage.
    """

    wall_s: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)
    stage_s: dict[str, list[float]] = field(default_factory=dict)

    def of(self, stage: str | None) -> list[float]:
        """Seconds of a stage, or of the whole for None."""
        return self.wall_s if stage is None else self.stage_s[stage]


def interleave(jobs: Mapping[str, Job], rounds: int, on_step: OnStep, warm_up: int = 3) -> dict[str, Samples]:
    """Give each job its turn, ``rounds`` times, after ``warm_up`` turns that don't count.

    Each round begins with another job, so that none always follows the same one, whose traces it would find in the
    caches.
    """
    names = list(jobs)
    samples = {name: Samples() for name in names}
    for name in names:
        for _ in range(warm_up):
            jobs[name]()
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            _take_turn(jobs[name], samples[name])
        on_step()
    return samples


def _take_turn(job: Job, samples: Samples) -> None:
    synchronise()
    started_s, processor_s = time.perf_counter(), time.process_time()
    stage_s = job()
    synchronise()
    samples.wall_s.append(time.perf_counter() - started_s)
    samples.processor_s.append(time.process_time() - processor_s)
    for stage, duration_s in stage_s.items():
        samples.stage_s.setdefault(stage, []).append(duration_s)


def synchronise() -> None:
    """Wait for what was queued on the GPU, if this process uses one."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def timing(seconds: Sequence[float]) -> Timing:
    """Returns statistics of the samples of one measurement."""
    values_ms = 1e3 * np.asarray(seconds, float)
    p50, p90, p99 = (float(p) for p in np.percentile(values_ms, (50, 90, 99)))
    return Timing(
        count=len(values_ms), least_ms=float(values_ms.min()), mean_ms=float(values_ms.mean()), p50_ms=p50, p90_ms=p90, p99_ms=p99
    )


def ratio(
    name: str,
    samples: Mapping[str, Samples],
    of: Sequence[str],
    to: Sequence[str],
    target: str | None = None,
    stage: str | None = None,
) -> Ratio:
    """How long the jobs ``of`` take together, in times of the jobs ``to`` together: all of it, or one stage."""
    above, below = ([samples[job].of(stage) for job in jobs] for jobs in (of, to))
    found = proportion(name, np.sum(above, axis=0), np.sum(below, axis=0), target)
    return found.model_copy(update={"of_least": sum(map(min, above)) / sum(map(min, below))})


def proportion(name: str, above: Sequence[float], below: Sequence[float], target: str | None = None) -> Ratio:
    """The first in times of the second, round by round."""
    low, median, high = (float(p) for p in np.percentile(np.divide(above, below), (25, 50, 75)))
    return Ratio(name=name, median=median, low=low, high=high, of_least=float(min(above) / min(below)), target=target)

# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception report affinity``: do the tasks help or hinder each other, where, and when?"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from mtl_perception.core.files import write_atomically
from mtl_perception.core.progress import frame_progress
from mtl_perception.data.batch import Batch
from mtl_perception.evaluation.command import require_writable
from mtl_perception.model.network import MultiTaskNetwork
from mtl_perception.studies.channels import channel_importance, specific_channels
from mtl_perception.studies.document import write_document
from mtl_perception.studies.grouping import best_groups, propose_groups
from mtl_perception.studies.interference import Interference, layer_names, measure
from mtl_perception.training.config import ConfigError, TrainingConfig, read_config

_TRIES = 100
"""Batches that are looked at for some that hold labels of every task."""


@dataclass(frozen=True)
class Affinity:
    """
    Attributes:
        course: measurements over the training.
        affinity: task i → task j → mean over the course of what a step for i does for j.
        importance: by task, of each channel of the neck's output, at the end.
        channels: task, "shared" or "unused" → its channels.
        groups: number of groups → (the best division into so many, its score).
        proposed: the best division of all.
    """

    name: str
    tasks: list[str]
    steps: int
    course: list[Interference]
    affinity: dict[str, dict[str, float]]
    importance: dict[str, list[float]]
    channels: dict[str, list[int]]
    groups: dict[int, tuple[list[list[str]], float]]
    proposed: list[list[str]]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "tasks": self.tasks,
            "steps": self.steps,
            "affinity": self.affinity,
            "groups": {str(n): {"groups": groups, "score": score} for n, (groups, score) in self.groups.items()},
            "proposed": self.proposed,
            "channels": self.channels,
            "importance": self.importance,
            "course": [one.plain() for one in self.course],
        }


def report_affinity(path: Path, out: Path | None, every: int, batches: int, console: Console, docs: Path | None = None) -> Affinity:
    """Train as ``path`` says, measuring on the way, and write index.html and affinity.json.

    The network itself is not kept: this is about the tasks. Ctrl-C ends training early, and the report tells what was
    measured until then.

    Args:
        docs: a folder for affinity.md with its charts beside it, as for the documents of a repository.

    Raises:
        ConfigError, DataError: the configuration or its data can't be used.
    """
    from mtl_perception.studies import affinity_page

    config = read_config(path)
    if len(config.tasks) < 2:
        raise ConfigError(f"{path} trains {', '.join(config.tasks)}; affinity is between two tasks or more")
    if config.balancing.needs_validation or config.task_schedule.needs_validation:
        method = config.balancing.method if config.balancing.needs_validation else config.task_schedule.method
        raise ConfigError(f"{path}: '{method}' follows validation, which an affinity report does without; choose another one")
    for remark in config.remarks:
        console.print(remark, highlight=False, markup=False)
    out = out or Path("out/affinity") / config.name
    require_writable(out)
    found = train_and_measure(config, every, batches, console)
    write_atomically(out / "affinity.json", (json.dumps(found.plain(), indent=2) + "\n").encode())
    write_atomically(out / "index.html", affinity_page.html(found).encode())
    if docs is not None:
        write_document(docs, "affinity", affinity_page.markdown(found, "affinity"), affinity_page.charts(found))
    console.print(affinity_page.in_words(found), highlight=False)
    console.print(out / "index.html", highlight=False)
    return found


def train_and_measure(config: TrainingConfig, every: int, batches: int, console: Console) -> Affinity:
    """One training run in this process, with a measurement each ``every`` steps and at its end."""
    from mtl_perception.inference.device import resolve_device
    from mtl_perception.training.distributed import Ranks
    from mtl_perception.training.learner import Learner
    from mtl_perception.training.losses import present_tasks
    from mtl_perception.training.schedule import Schedule
    from mtl_perception.training.sources import open_sources
    from mtl_perception.training.step import Step
    from mtl_perception.training.stream import Stream
    from mtl_perception.training.watch import LossWatch

    if config.threads is not None:
        torch.set_num_threads(config.threads)
    device, _ = resolve_device(config.device)
    ranks, sources = Ranks(), open_sources(config)
    learner, schedule = Learner(config, sources, device, ranks), Schedule(config)
    layer_names(learner.network)  # says now if there is nothing shared to measure
    tasks = {task: learner.network.tasks[task] for task in config.tasks}
    looked_at = [batch.to(device) for batch in labelled_for_all(config, sources.samples, tasks, batches)]
    step = Step(config, learner, device, ranks, LossWatch(1, learner.precision.scaler is not None))

    def losses(network: MultiTaskNetwork) -> dict[str, Tensor]:
        return _mean([plain_losses(network(batch.images, tasks), batch, tasks) for batch in looked_at])

    course: list[Interference] = []
    stream = Stream(config, sources.samples, tasks, schedule, ranks, pinned=False)
    try:
        with closing(iter(stream)) as steps, frame_progress(console, "training and measuring", 1000) as show:
            schedule.go_on()
            while True:
                if schedule.step % every == 0:
                    schedule.pause()
                    course.append(measure(learner.network, losses, schedule.step))
                    schedule.go_on()
                schedule.share = schedule.measure()
                parts, read = next(steps, ([], []))
                if schedule.share >= 1 or not read:
                    break
                present = present_tasks(read, list(config.tasks), ranks)
                factors = config.task_schedule.factors(list(config.tasks), schedule.step, schedule.share, {})
                step(schedule.step + 1, schedule.learning_rate, read, present, factors)
                schedule.step += 1
                schedule.samples += parts[0].images_in_step
                show(round(1000 * schedule.measure()), f"step {schedule.step}")
    except KeyboardInterrupt:
        console.print("training ended early; the report tells what was measured until then")
    if not course or course[-1].step != schedule.step:  # none where it ended within the first measurement
        course.append(measure(learner.network, losses, schedule.step))
    first = looked_at[0]
    importance = channel_importance(learner.network, first.images, lambda raw: plain_losses(raw, first, tasks))
    affinity = _mean_affinity(course)
    return Affinity(
        name=config.name,
        tasks=list(config.tasks),
        steps=schedule.step,
        course=course,
        affinity=affinity,
        importance=importance,
        channels=specific_channels(importance),
        groups=propose_groups(affinity),
        proposed=best_groups(affinity),
    )


def labelled_for_all(config: TrainingConfig, samples: Any, tasks: dict[str, Any], wanted: int) -> list[Batch]:
    """Batches other than those trained on first, each with labels of every task."""
    from mtl_perception.training.distributed import Ranks
    from mtl_perception.training.losses import present_tasks
    from mtl_perception.training.schedule import Schedule
    from mtl_perception.training.stream import Stream

    apart = config.model_copy(update={"seed": config.seed + 1, "workers": 0, "stages": config.stages[-1:]})
    found: list[Batch] = []
    with closing(iter(Stream(apart, samples, tasks, Schedule(apart), Ranks(), pinned=False))) as steps:
        for _, (_, read) in zip(range(_TRIES), steps):
            present = present_tasks(read, list(tasks), Ranks())
            found += [batch for batch, there in zip(read, present, strict=True) if len(there) == len(tasks)]
            if len(found) >= wanted:
                return found[:wanted]
    if not found:
        raise ConfigError(f"none of {_TRIES} batches holds labels of {' and '.join(tasks)}; measure on data that has all of them")
    return found


def plain_losses(raw: dict[str, dict[str, Tensor]], batch: Batch, tasks: dict[str, Any]) -> dict[str, Tensor]:
    """The losses that methods of balancing see: without likelihoods, which have no zero to be a share of."""
    from mtl_perception.training.losses import task_losses

    return task_losses(raw, batch, tasks, list(tasks)).values


def _mean(several: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {task: torch.stack([one[task] for one in several]).mean() for task in several[0]}


def _mean_affinity(course: Sequence[Interference]) -> dict[str, dict[str, float]]:
    """Over the measurements after the first, which is of random weights, if there are others."""
    used = course[1:] or course
    tasks = list(used[0].affinity)
    return {i: {j: statistics.fmean(one.affinity[i][j] for one in used) for j in tasks} for i in tasks}

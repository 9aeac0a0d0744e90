# SPDX-License-Identifier: Apache-2.0
"""Task losses from terms, over the batches of all processes and all parts of a step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mtl_perception.data.batch import Batch
from mtl_perception.tasks import LossTerm, Task
from mtl_perception.training.distributed import Ranks


@dataclass(frozen=True)
class TaskLosses:
    """Losses of a batch, by task.

    Attributes:
        losses: this process's share: its sums over the counts of all processes. The shares add up to the loss.
        values: the same without terms that may be negative, for methods that weigh tasks by their loss.
        terms: "task/term" → its mean over all processes, unweighted, detached.
    """

    losses: dict[str, Tensor]
    values: dict[str, Tensor]
    terms: dict[str, Tensor]


class Summed(NamedTuple):
    """A loss term of this process, and its sum and count over all processes, detached."""

    own: LossTerm
    total: Tensor
    count: Tensor


def present_tasks(batches: Sequence[Batch], tasks: Sequence[str], ranks: Ranks) -> list[list[str]]:
    """For each of ``batches``, still on the host, the tasks that the batch of any process has labels for."""
    flags = ranks.sum_numbers([float(batch.labelled[task].any()) for batch in batches for task in tasks])
    return [[task for j, task in enumerate(tasks) if flags[i * len(tasks) + j]] for i in range(len(batches))]


def task_losses(
    raw: Mapping[str, dict[str, Tensor]], batch: Batch, tasks: Mapping[str, Task], present: Collection[str], ranks: Ranks | None = None
) -> TaskLosses:
    """The losses of the tasks that are ``present``: those that the batch of any process has labels for."""
    return divided(summed(loss_terms(raw, batch, tasks, present), ranks))


def loss_terms(
    raw: Mapping[str, dict[str, Tensor]], batch: Batch, tasks: Mapping[str, Task], present: Collection[str]
) -> dict[str, LossTerm]:
    """Returns "task/term" → the term, of the tasks that are ``present``.

    A task without any label is left out rather than fed as zero: a zero would pull methods that weigh tasks by their
    loss. A process whose own batch lacks the labels still takes part, with a zero that depends on its network: batch
    norms exchange gradients, so the backward pass must be the same everywhere.
    """
    found = {
        name: task.loss(raw[name], batch.targets[name], batch.labelled[name], batch.focal_px)
        for name, task in tasks.items()
        if name in present
    }
    return {f"{name}/{term}": value for name, of_task in found.items() for term, value in of_task.items()}


def summed(terms: Mapping[str, LossTerm], ranks: Ranks | None = None) -> dict[str, Summed]:
    """Each of ``terms`` with its sum and count over all processes."""
    if not terms:
        return {}
    sums = torch.stack([t.detach().float() for term in terms.values() for t in (term.total, term.count)])
    if ranks is not None:
        ranks.sum_([sums])
    return {name: Summed(term, *pair.unbind()) for (name, term), pair in zip(terms.items(), sums.view(-1, 2), strict=True)}


def added(parts: Iterable[Mapping[str, Summed]]) -> dict[str, Summed]:
    """The terms of all parts of a step together, detached."""
    whole: dict[str, Summed] = {}
    for part in parts:
        for name, (own, total, count) in part.items():
            own = own._replace(total=own.total.detach(), count=own.count.detach())
            if name in whole:
                before = whole[name]
                own = own._replace(total=before.own.total + own.total, count=before.own.count + own.count)
                total, count = before.total + total, before.count + count
            whole[name] = Summed(own, total, count)
    return whole


def divided(sums: Mapping[str, Summed], whole: Mapping[str, Summed] | None = None) -> TaskLosses:
    """The losses that ``sums`` make.

    Args:
        whole: of all parts of the step, where ``sums`` are of one: they are divided by its counts, so that the parts' losses
            add up to that of the whole batch. None: ``sums`` are all.
    """
    losses: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}
    means: dict[str, Tensor] = {}
    for name, (own, total, _) in sums.items():
        task = name.partition("/")[0]
        count = (sums if whole is None else whole)[name].count
        # A term that nothing counted towards has a sum of zero: any divisor leaves it and its gradient zero.
        divisor = torch.where(count > 0, count, 1.0).clamp(min=own.least_count)
        share = own.weight * own.total / divisor
        losses[task] = losses[task] + share if task in losses else share
        if own.balanced:
            values[task] = values[task] + share if task in values else share
        means[name] = total / divisor
    return TaskLosses(losses, values, means)

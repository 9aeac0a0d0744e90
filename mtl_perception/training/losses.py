# SPDX-License-Identifier: Apache-2.0
"""Task losses from terms, over the batches of all processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mtl_perception.data.batch import Batch
from mtl_perception.tasks import Task
from mtl_perception.training.distributed import Ranks


@dataclass(frozen=True)
class TaskLosses:
    """What a batch costs, by task.

    Attributes:
        losses: this process's share: its sums over the counts of all processes. The shares add up to the loss.
        values: the same without terms that may be negative, for methods that weigh tasks by their loss.
        terms: "task/term" → its mean over all processes, unweighted, detached.
    """

    losses: dict[str, Tensor]
    values: dict[str, Tensor]
    terms: dict[str, Tensor]


def present_tasks(batches: Sequence[Batch], tasks: Sequence[str], ranks: Ranks) -> list[list[str]]:
    """For each of ``batches``, still on the host, the tasks that the batch of any process has labels for."""
    flags = ranks.sum_numbers([float(batch.labelled[task].any()) for batch in batches for task in tasks])
    return [[task for j, task in enumerate(tasks) if flags[i * len(tasks) + j]] for i in range(len(batches))]


def task_losses(
    raw: Mapping[str, dict[str, Tensor]], batch: Batch, tasks: Mapping[str, Task], present: Collection[str], ranks: Ranks | None = None
) -> TaskLosses:
    """The losses of the tasks that are ``present``: those that the batch of any process has labels for.

    A task without any label is left out rather than fed as zero: a zero would pull methods that weigh tasks by their
    loss. A process whose own batch lacks the labels still takes part, with a zero that depends on its network: batch
    norms exchange gradients, so the backward pass must be the same everywhere.
    """
    found = {name: task.loss(raw[name], batch.targets[name], batch.labelled[name], batch.focal_px) for name, task in tasks.items() if name in present}
    terms = {(name, term): value for name, of_task in found.items() for term, value in of_task.items()}
    if not terms:
        return TaskLosses({}, {}, {})
    sums = torch.stack([t.detach().float() for term in terms.values() for t in (term.total, term.count)])
    if ranks is not None:
        ranks.sum_([sums])
    totals, counts = sums.view(-1, 2).unbind(1)
    # A term that nothing counted towards has a sum of zero: any divisor leaves it and its gradient zero.
    divisors = torch.where(counts > 0, counts, 1.0)
    means = totals / divisors
    losses: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}
    for i, ((name, _), term) in enumerate(terms.items()):
        share = term.weight * term.total / divisors[i]
        losses[name] = losses[name] + share if name in losses else share
        if term.balanced:
            values[name] = values[name] + share if name in values else share
    return TaskLosses(losses, values, {f"{name}/{term}": means[i] for i, (name, term) in enumerate(terms)})



# SPDX-License-Identifier: Apache-2.0
"""Task losses from terms, and which tasks a batch has labels for."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mtl_perception.data.batch import Batch
from mtl_perception.tasks import Task


def task_losses(raw: Mapping[str, dict[str, Tensor]], batch: Batch, tasks: Mapping[str, Task]) -> dict[str, dict[str, Tensor]]:
    """For each task that ``batch`` has labels for, its loss terms, each weighted and divided by its count.

    A task without any label is left out rather than fed as zero: a zero would pull methods that weigh tasks by their
    loss. So is a term that nothing counted towards.
    """
    losses: dict[str, dict[str, Tensor]] = {}
    for name, task in tasks.items():
        labelled = batch.labelled[name]
        if not bool(labelled.any()):
            continue
        terms = task.loss(raw[name], batch.targets[name], labelled, batch.focal_px)
        counted = {term: t.weight * t.total / t.count for term, t in terms.items() if float(t.count) > 0}
        if counted:
            losses[name] = counted
    return losses

# SPDX-License-Identifier: Apache-2.0
"""Distillation of masks."""

from __future__ import annotations

from mtl_perception.core.scene import UNLABELLED
from mtl_perception.tasks._base import LossTerm
from mtl_perception.tasks._distillation import DistillationBatch


def distillation_loss(batch: DistillationBatch) -> dict[str, LossTerm]:
    """Kullback–Leibler divergence over the teacher's classes in unlabelled pixels; new classes are left out of it."""
    student = batch.student["logits"].float()[:, batch.columns].log_softmax(1)
    teacher = batch.teacher["logits"].float().log_softmax(1)
    divergence = (teacher.exp() * (teacher - student)).sum(1)
    mask = batch.targets["mask"][:, 2::4, 2::4]
    free = ((mask == UNLABELLED) | ~batch.labelled[:, None, None]).float()
    return {"classes": LossTerm((divergence * free).sum(), free.sum())}

# SPDX-License-Identifier: Apache-2.0
"""Distillation losses: the distance of a head's answers from a teacher's, where nothing is labelled."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl_perception.tasks._base import LossTerm


class DistillationBatch(NamedTuple):
    """Outputs of student and teacher for one task and batch.

    Attributes:
        student, teacher: raw tensors of the heads.
        columns: (classes of the teacher,) int64, their indices among the student's classes.
        labelled: (B,) bool, whether the image's labels are used; the teacher is, where they are not.
        targets: ``Task.targets`` of the batch.
    """

    student: dict[str, Tensor]
    teacher: dict[str, Tensor]
    columns: Tensor
    labelled: Tensor
    targets: dict[str, Tensor]


def multi_label_distillation_loss(batch: DistillationBatch) -> dict[str, LossTerm]:
    """Binary Kullback–Leibler divergence of each class, for classes that do not exclude each other."""
    logits = batch.student["logits"].float()[:, batch.columns]
    free = ~(batch.targets["known"][:, batch.columns] & batch.labelled[:, None])
    free = free.float().reshape(*free.shape, *[1] * (logits.ndim - 2)).expand_as(logits)
    divergence = binary_divergence(logits, batch.teacher["logits"].float().sigmoid())
    return {"classes": LossTerm((divergence * free).sum(), free.sum())}


def numeric_distillation_loss(batch: DistillationBatch) -> dict[str, LossTerm]:
    """Smooth L1 distance of all raw tensors that both heads have in the same shape; for tasks without a loss of their own."""
    total, count = [], []
    for key, value in batch.student.items():
        other = batch.teacher.get(key)
        if other is None or other.shape != value.shape or not value.requires_grad or len(value) != len(batch.labelled):
            continue
        free = (~batch.labelled).float().reshape(-1, *[1] * (value.ndim - 1)).expand_as(value)
        total.append((F.smooth_l1_loss(value.float(), other.float(), reduction="none") * free).sum())
        count.append(free.sum())
    return {"answers": LossTerm(torch.stack(total).sum(), torch.stack(count).sum())} if total else {}


def binary_divergence(logits: Tensor, probability: Tensor) -> Tensor:
    """Kullback–Leibler divergence from ``probability``; 0 where they agree."""
    entropy = F.binary_cross_entropy(probability, probability, reduction="none")
    return F.binary_cross_entropy_with_logits(logits, probability, reduction="none") - entropy

# SPDX-License-Identifier: Apache-2.0
"""How far a head is from a teacher's, where no label speaks: for fine-tuning that forgets nothing."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl_perception.tasks._base import LossTerm


class Lesson(NamedTuple):
    """Answers of one task's student and teacher to a batch.

    Attributes:
        student, teacher: raw tensors of the heads.
        columns: (classes of the teacher,) where these are among the student's.
        labelled: (B,) bool, whether the labels of the picture count.
        targets: of the batch.
    """

    student: dict[str, Tensor]
    teacher: dict[str, Tensor]
    columns: Tensor
    labelled: Tensor
    targets: dict[str, Tensor]


def likeness_of_several_classes(lesson: Lesson) -> dict[str, LossTerm]:
    """Of classes that may apply together, each by itself."""
    logits = lesson.student["logits"].float()[:, lesson.columns]
    free = ~(lesson.targets["known"][:, lesson.columns] & lesson.labelled[:, None])
    free = free.float().reshape(*free.shape, *[1] * (logits.ndim - 2)).expand_as(logits)
    divergence = binary_divergence(logits, lesson.teacher["logits"].float().sigmoid())
    return {"classes": LossTerm((divergence * free).sum(), free.sum())}


def likeness_of_numbers(lesson: Lesson) -> dict[str, LossTerm]:
    """Of a head that nothing is known of: its numbers, where both have the same."""
    total, count = [], []
    for key, value in lesson.student.items():
        other = lesson.teacher.get(key)
        if other is None or other.shape != value.shape or not value.requires_grad or len(value) != len(lesson.labelled):
            continue
        free = (~lesson.labelled).float().reshape(-1, *[1] * (value.ndim - 1)).expand_as(value)
        total.append((F.smooth_l1_loss(value.float(), other.float(), reduction="none") * free).sum())
        count.append(free.sum())
    return {"answers": LossTerm(torch.stack(total).sum(), torch.stack(count).sum())} if total else {}


def binary_divergence(logits: Tensor, probability: Tensor) -> Tensor:
    """Kullback–Leibler divergence from ``probability``; 0 where they agree."""
    entropy = F.binary_cross_entropy(probability, probability, reduction="none")
    return F.binary_cross_entropy_with_logits(logits, probability, reduction="none") - entropy

# SPDX-License-Identifier: Apache-2.0
"""How far a mask is from a teacher's."""

from __future__ import annotations

from mtl_perception.core.scene import UNLABELLED
from mtl_perception.tasks._base import LossTerm
from mtl_perception.tasks._likeness import Lesson


def likeness(lesson: Lesson) -> dict[str, LossTerm]:
    """Of pixels without a label, the distribution over the classes that the teacher knows; a new class may take its share of all."""
    student = lesson.student["logits"].float()[:, lesson.columns].log_softmax(1)
    teacher = lesson.teacher["logits"].float().log_softmax(1)
    divergence = (teacher.exp() * (teacher - student)).sum(1)
    mask = lesson.targets["mask"][:, 2::4, 2::4]
    free = ((mask == UNLABELLED) | ~lesson.labelled[:, None, None]).float()
    return {"classes": LossTerm((divergence * free).sum(), free.sum())}

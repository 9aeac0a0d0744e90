# SPDX-License-Identifier: Apache-2.0
"""How far boxes and scores are from a teacher's."""

from __future__ import annotations

import torch
from torch import Tensor

from mtl_perception.tasks._base import LossTerm
from mtl_perception.tasks._likeness import Lesson, binary_divergence
from mtl_perception.tasks.detection.assignment import pairwise_iou

SURE = 0.1
"""A cell whose best class is less likely than this for the teacher says nothing of a box."""

SAME_OBJECT_IOU = 0.5
"""Of the teacher's box and a labelled one of a class that the teacher does not know: it took that object for something else."""


def likeness(lesson: Lesson) -> dict[str, LossTerm]:
    """Scores of the classes that are not labelled, and the boxes where the teacher sees something."""
    logits = lesson.student["class_logits"].float()[..., lesson.columns]
    score = lesson.teacher["class_logits"].float().sigmoid()
    labelled = lesson.targets["labelled_classes"][:, lesson.columns] & lesson.labelled[:, None]
    elsewhere = ~_at_new_objects(lesson)
    free = (~labelled[:, None] & elsewhere[..., None]).float()
    # Of a picture with all old classes labelled, the teacher's boxes are of no interest either.
    sure = (score * ~labelled[:, None]).amax(-1) * elsewhere
    sure = torch.where(sure >= SURE, sure, 0.0)
    count = sure.sum()
    boxes, known = lesson.student["boxes_xyxy"], lesson.teacher["boxes_xyxy"].float()
    there = sure > 0
    from torchvision.ops import generalized_box_iou_loss  # as long to import as PyTorch, and for training alone

    giou = generalized_box_iou_loss(boxes[there], known[there], reduction="none")
    return {
        "classes": LossTerm((binary_divergence(logits, score) * free).sum(), count, least_count=1.0),
        "boxes": LossTerm((giou * sure[there]).sum(), count, 2.0),
    }


def _at_new_objects(lesson: Lesson) -> Tensor:
    """(B, A) whether the teacher's box of a cell is a labelled object of a class that the teacher does not know."""
    boxes, ids = lesson.targets["boxes_xyxy"], lesson.targets["class_ids"]
    found = lesson.teacher["boxes_xyxy"]
    if not ids.shape[1]:
        return torch.zeros_like(found[..., 0], dtype=torch.bool)
    is_new = (ids >= 0) & ~torch.isin(ids, lesson.columns)
    return ((pairwise_iou(boxes, found.float()) > SAME_OBJECT_IOU) & is_new[..., None]).any(1)

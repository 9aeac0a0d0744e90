# SPDX-License-Identifier: Apache-2.0
"""Distillation of boxes and scores."""

from __future__ import annotations

import torch
from torch import Tensor

from mtl_perception.tasks._base import LossTerm
from mtl_perception.tasks._distillation import DistillationBatch, binary_divergence
from mtl_perception.tasks.detection.assignment import pairwise_iou

SURE = 0.1
"""Least score of the teacher's best class for its box to be a target."""

SAME_OBJECT_IOU = 0.5
"""Overlap from which a teacher's box is taken to show a labelled object of a class that it does not know: its class is then wrong."""


def distillation_loss(batch: DistillationBatch) -> dict[str, LossTerm]:
    """Divergence of the scores of unlabelled classes, and generalised IoU loss of boxes where the teacher detects something."""
    logits = batch.student["class_logits"].float()[..., batch.columns]
    score = batch.teacher["class_logits"].float().sigmoid()
    labelled = batch.targets["labelled_classes"][:, batch.columns] & batch.labelled[:, None]
    elsewhere = ~_at_new_objects(batch)
    free = (~labelled[:, None] & elsewhere[..., None]).float()
    # Where all of the teacher's classes are labelled, its boxes are not needed either.
    sure = (score * ~labelled[:, None]).amax(-1) * elsewhere
    sure = torch.where(sure >= SURE, sure, 0.0)
    count = sure.sum()
    boxes, known = batch.student["boxes_xyxy"], batch.teacher["boxes_xyxy"].float()
    there = sure > 0
    from torchvision.ops import generalized_box_iou_loss  # as long to import as PyTorch, and for training alone

    giou = generalized_box_iou_loss(boxes[there], known[there], reduction="none")
    return {
        "classes": LossTerm((binary_divergence(logits, score) * free).sum(), count, least_count=1.0),
        "boxes": LossTerm((giou * sure[there]).sum(), count, 2.0),
    }


def _at_new_objects(batch: DistillationBatch) -> Tensor:
    """(B, A) bool, whether the teacher's box of a cell shows a labelled object of a class that the teacher does not know."""
    boxes, ids = batch.targets["boxes_xyxy"], batch.targets["class_ids"]
    found = batch.teacher["boxes_xyxy"]
    if not ids.shape[1]:
        return torch.zeros_like(found[..., 0], dtype=torch.bool)
    is_new = (ids >= 0) & ~torch.isin(ids, batch.columns)
    return ((pairwise_iou(boxes, found.float()) > SAME_OBJECT_IOU) & is_new[..., None]).any(1)

# SPDX-License-Identifier: Apache-2.0
"""Which cell answers for which box: task-aligned assignment (TOOD, Feng et al., ICCV 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

TOP_K = 10
SCORE_POWER = 0.5
IOU_POWER = 6.0
SMALLEST_SIDE_PX = 8.0
"""A box smaller than the finest cell may contain no cell's centre; it is widened to this for the test."""


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, points: Tensor, truth_boxes: Tensor, truth_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Give each true box the cells whose class and box agree with it best.

    Args:
        scores: (B, A, C) class probabilities of the cells.
        boxes: (B, A, 4) predicted boxes, xyxy.
        points: (A, 2) centres of the cells.
        truth_boxes: (B, M, 4) xyxy.
        truth_ids: (B, M) class ids, −1 where there is no box.

    Returns:
        quality: (B, A, C) in [0, 1], the score each cell should have for each class; 0 for background.
        owner: (B, A) row of the true box of each cell (arbitrary for background).
    """
    quality = torch.zeros_like(scores)
    if truth_ids.shape[1] == 0:
        return quality, torch.zeros_like(boxes[..., 0], dtype=torch.long)
    exists = truth_ids >= 0
    inside = _centre_inside(points, truth_boxes) & exists[..., None]
    iou = pairwise_iou(truth_boxes, boxes)
    index = truth_ids.clamp(min=0)[:, :, None].expand(-1, -1, scores.shape[1])
    class_score = scores.transpose(1, 2).gather(1, index)
    alignment = class_score.pow(SCORE_POWER) * iou.pow(IOU_POWER) * inside

    # The best cells of each box, of those inside it. A tiny constant keeps the order meaningful while all IoU are 0.
    ranked = torch.where(inside, alignment + 1e-9, 0.0)
    best, cells = ranked.topk(min(TOP_K, ranked.shape[-1]), dim=-1)
    chosen = torch.zeros_like(ranked).scatter_(2, cells, (best > 0).float()) > 0
    # A cell wanted by several boxes answers for the one it overlaps most.
    owner = torch.where(chosen, iou + 1e-6, 0.0).argmax(1)
    taken = chosen.any(1)
    mine = chosen & (torch.arange(chosen.shape[1], device=chosen.device)[None, :, None] == owner[:, None, :])

    # Per box, the best aligned cell gets the box's best IoU as its score, the others in proportion.
    alignment = alignment * mine
    best_alignment = alignment.amax(-1, keepdim=True)
    best_iou = (iou * mine).amax(-1, keepdim=True)
    share = (alignment / best_alignment.clamp(min=1e-12) * best_iou).sum(1)
    owner_ids = truth_ids.clamp(min=0).gather(1, owner)
    quality.scatter_(2, owner_ids[..., None], (share * taken)[..., None])
    return quality, owner


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """(B, M, 4) and (B, A, 4) xyxy → (B, M, A) intersection over union."""
    top_left = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    bottom_right = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).prod(-1)
    return intersection / (area_a[:, :, None] + area_b[:, None] - intersection).clamp(min=1e-9)


def _centre_inside(points: Tensor, truth_boxes: Tensor) -> Tensor:
    """(B, M, A) whether each cell's centre lies in each box."""
    centre = (truth_boxes[..., :2] + truth_boxes[..., 2:]) / 2
    half = (truth_boxes[..., 2:] - truth_boxes[..., :2]).clamp(min=SMALLEST_SIDE_PX) / 2
    return ((points - centre[:, :, None]).abs() < half[:, :, None]).all(-1)

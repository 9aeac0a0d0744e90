# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression with static shapes: it can be traced, exported and captured in a CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor

from mtl_perception.tasks._eager import is_eager_on_cpu

_ROUNDS = 16
"""Each round settles one more link of "a suppresses b, which would have suppressed c, …"; real boxes need three or four."""


def not_suppressed(boxes_xyxy: Tensor, class_ids: Tensor, iou: float) -> Tensor:
    """Which of K boxes greedy suppression within each class keeps.

    A box is kept where no better kept box of its class overlaps it by more than ``iou``. Greedy suppression decides box
    by box; here all boxes are decided again and again from what the round before said, which settles on the same answer.

    Args:
        boxes_xyxy: (B, K, 4), best first.
        class_ids: (B, K). Classes are compared: moving each class's boxes to a place of its own, as is often done, needs
            more digits than half precision has.

    Returns:
        (B, K) bool.
    """
    left_top = torch.maximum(boxes_xyxy[:, :, None, :2], boxes_xyxy[:, None, :, :2])
    right_bottom = torch.minimum(boxes_xyxy[:, :, None, 2:], boxes_xyxy[:, None, :, 2:])
    sides = (right_bottom - left_top).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    area = (boxes_xyxy[..., 2] - boxes_xyxy[..., 0]) * (boxes_xyxy[..., 3] - boxes_xyxy[..., 1])
    # Without a division, so that boxes without an area overlap nothing.
    overlaps = shared > iou * (area[:, :, None] + area[:, None, :] - shared)
    better = torch.ones_like(overlaps[0]).triu(1)
    suppresses = (overlaps & (class_ids[:, :, None] == class_ids[:, None, :]) & better).float()
    kept = torch.ones_like(area)
    for _ in range(_ROUNDS):
        before = kept
        # A maximum rather than a product of matrices, which some runtimes would compute in half precision.
        kept = 1 - (suppresses * kept[:, :, None]).amax(1)
        if is_eager_on_cpu(kept) and torch.equal(kept, before):
            break
    return kept > 0.5

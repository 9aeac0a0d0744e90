# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression with static shapes: it can be traced, exported and captured in a CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor

from mtl_perception.tasks._eager import is_eager_on_cpu

_ROUNDS = 16
"""Each round settles one more link of "a suppresses b, which would have suppressed c, …"; real boxes need three or four."""


def nms_mask(boxes_xyxy: Tensor, class_ids: Tensor, iou: float) -> Tensor:
    """The boxes that greedy NMS within each class keeps.

    A box is kept if no better kept box of its class overlaps it by more than ``iou``. Instead of one box after the other,
    all are decided in each round from the last round's result, which converges to the same.

    Args:
        boxes_xyxy: (B, K, 4), best first.
        class_ids: (B, K). Classes are compared: moving each class's boxes to a place of its own, as is often done, needs
            more digits than half precision has.

    Returns:
        (B, K) bool.
    """
    # Side by side each: of pairs of coordinates a CPU would read every other number.
    left, top, right, bottom = boxes_xyxy.permute(2, 0, 1).contiguous()
    shared = _shared_length(left, right) * _shared_length(top, bottom)
    area = (right - left) * (bottom - top)
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


def _shared_length(low: Tensor, high: Tensor) -> Tensor:
    """(B, K, K): how much of each pair of intervals, (B, K) each, is common to both."""
    common = torch.minimum(high[:, :, None], high[:, None, :]) - torch.maximum(low[:, :, None], low[:, None, :])
    return common.clamp(min=0)

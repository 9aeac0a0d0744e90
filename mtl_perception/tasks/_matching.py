# SPDX-License-Identifier: Apache-2.0
"""Which found box is which true one, in one image."""

from __future__ import annotations

import numpy as np

from mtl_perception.core.boxes import box_iou


def match_boxes(
    boxes_xyxy: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    true_boxes_xyxy: np.ndarray,
    true_class_ids: np.ndarray,
    least_iou: float = 0.5,
) -> np.ndarray:
    """Index of the true box that each found box takes, -1 for none.

    As COCO matches: the best score chooses first, among the boxes of its class that are still free, the one that it
    overlaps most.

    Args:
        boxes_xyxy, scores, class_ids: (N, 4), (N,), (N,) found.
        true_boxes_xyxy, true_class_ids: (M, 4), (M,).

    Returns:
        (N,) int64.
    """
    if not len(scores) or not len(true_class_ids):
        return np.full(len(scores), -1, np.int64)
    iou = box_iou(np.asarray(boxes_xyxy, np.float64), np.asarray(true_boxes_xyxy, np.float64))
    return match(iou, scores, class_ids, true_class_ids, least_iou)


def match(iou: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, true_class_ids: np.ndarray, least_iou: float = 0.5) -> np.ndarray:
    """As ``match_boxes``, of any objects of which the (N, M) ``iou`` is known; it is written to."""
    taken = np.full(len(scores), -1, np.int64)
    if not iou.size:
        return taken
    iou[class_ids[:, None] != true_class_ids[None]] = 0
    iou[iou < least_iou] = 0
    for index in np.argsort(-scores, kind="stable"):
        best = int(np.argmax(iou[index]))
        if iou[index, best] > 0:
            taken[index] = best
            iou[:, best] = 0
    return taken


def average_precision(scores: np.ndarray, is_right: np.ndarray, true_boxes: int) -> float:
    """Average precision at 101 recall points, as COCO has it, of the boxes of one class.

    Args:
        scores: (N,) of the boxes found.
        is_right: (N,) bool, whether each took a true box.
        true_boxes: how many there are.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_right[order])
    precision = hits / np.arange(1, len(order) + 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    reached = np.searchsorted(hits / true_boxes, np.linspace(0, 1, 101), side="left")
    return float(envelope[np.minimum(reached, len(order))].mean())

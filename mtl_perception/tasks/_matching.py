# SPDX-License-Identifier: Apache-2.0
"""Matching of detections with ground truth in one image, and average precision."""

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
    """Index of the true box that is matched with each detection, -1 for none.

    Greedy, as in COCO: by falling score, each detection takes the unmatched box of its class with the highest IoU.

    Args:
        boxes_xyxy, scores, class_ids: (N, 4), (N,), (N,), detections.
        true_boxes_xyxy, true_class_ids: (M, 4), (M,).

    Returns:
        (N,) int64.
    """
    if not len(scores) or not len(true_class_ids):
        return np.full(len(scores), -1, np.int64)
    iou = box_iou(np.asarray(boxes_xyxy, np.float64), np.asarray(true_boxes_xyxy, np.float64))
    return match(iou, scores, class_ids, true_class_ids, least_iou)


def match(iou: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, true_class_ids: np.ndarray, least_iou: float = 0.5) -> np.ndarray:
    """As ``match_boxes``, for objects with a given (N, M) ``iou``, which is overwritten."""
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
    """Average precision at 101 recall points, as in COCO, for one class.

    Args:
        scores: (N,) of the detections.
        is_right: (N,) bool, whether each is matched with a true box.
        true_boxes: number of true boxes.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_right[order])
    precision = hits / np.arange(1, len(order) + 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    reached = np.searchsorted(hits / true_boxes, np.linspace(0, 1, 101), side="left")
    return float(envelope[np.minimum(reached, len(order))].mean())


def mean_precision(precision: np.ndarray) -> float:
    """Mean of COCO's precisions, of any shape, without those of -1, which have no ground truth; NaN if all are -1."""
    known = precision[precision > -1]
    return float(known.mean()) if known.size else float("nan")

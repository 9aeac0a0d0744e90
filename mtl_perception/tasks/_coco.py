# SPDX-License-Identifier: Apache-2.0
"""COCO's evaluation of boxes and masks, by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np


def require_coco() -> None:
    """Tell before the work that it could not be finished.

    Raises:
        ImportError: faster-coco-eval is not installed; names the pip command.
    """
    if find_spec("faster_coco_eval") is None:
        raise ImportError("average precision needs faster-coco-eval: pip install 'mtl-perception[evaluate]'")


def encoded_mask(mask: np.ndarray) -> dict[str, Any]:
    """(H, W) bool → COCO's compressed run lengths."""
    from faster_coco_eval import mask as coco

    return coco.encode(np.asfortranarray(mask, np.uint8))


def mask_iou(found: Sequence[dict[str, Any]], true: Sequence[dict[str, Any]]) -> np.ndarray:
    """(N, M) intersection over union of run lengths."""
    from faster_coco_eval import mask as coco

    if not len(found) or not len(true):
        return np.zeros((len(found), len(true)))
    return np.asarray(coco.iou(list(found), list(true), [0] * len(true)), np.float64)


def coco_arrays(
    labels: Sequence[str],
    images: Sequence[tuple[np.ndarray, ...]],
    masks: Sequence[tuple[Sequence[dict[str, Any]], Sequence[dict[str, Any]]]] | None = None,
) -> dict[str, np.ndarray]:
    """COCO's "precision" and "scores", each (10 IoUs, 101 recalls, K classes, 4 areas: all small medium large).

    -1 where there is no truth.

    Args:
        labels: class names in the order of the ids.
        images: per image found boxes (xywh), scores, class ids, true boxes (xywh), true class ids.
        masks: per image run lengths of the found and of the true objects, in the order of their boxes: then masks are compared, and areas
            are theirs. None: boxes are.
    """
    from faster_coco_eval import COCO, COCOeval_faster
    from faster_coco_eval import mask as coco_mask

    annotations: list[dict] = []
    results: list[dict] = []
    for image_id, (boxes, scores, class_ids, true_boxes, true_class_ids) in enumerate(images, start=1):
        for box, class_id in zip(true_boxes.tolist(), true_class_ids.tolist()):
            true = {"id": len(annotations) + 1, "area": box[2] * box[3], "iscrowd": 0}
            annotations.append(true | {"image_id": image_id, "category_id": class_id + 1, "bbox": box})
        for box, score, class_id in zip(boxes.tolist(), scores.tolist(), class_ids.tolist()):
            results.append({"image_id": image_id, "category_id": class_id + 1, "bbox": box, "score": score})
        if masks is not None:
            found, true = masks[image_id - 1]
            for annotation, mask in zip(annotations[len(annotations) - len(true) :], true, strict=True):
                annotation |= {"segmentation": mask, "area": float(coco_mask.area(mask))}
            for result, mask in zip(results[len(results) - len(found) :], found, strict=True):
                result["segmentation"] = mask
                del result["bbox"]  # else areas would be those of boxes
    truth = COCO(
        {
            "images": [{"id": image_id, **_size(masks, image_id)} for image_id in range(1, len(images) + 1)],
            "annotations": annotations,
            "categories": [{"id": index, "name": name} for index, name in enumerate(labels, start=1)],
        }
    )
    evaluation = COCOeval_faster(truth, truth.loadRes(results), "bbox" if masks is None else "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    return {name: np.asarray(evaluation.eval[name])[..., -1] for name in ("precision", "scores")}


def _size(masks: Sequence[tuple[Sequence[dict[str, Any]], Sequence[dict[str, Any]]]] | None, image_id: int) -> dict[str, int]:
    """Height and width of an image, which its masks know; masks are compared in images of known size only."""
    if masks is None:
        return {}
    height, width = next((mask["size"] for of_image in masks[image_id - 1] for mask in of_image), (1, 1))
    return {"height": int(height), "width": int(width)}

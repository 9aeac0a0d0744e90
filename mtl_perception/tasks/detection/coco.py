# SPDX-License-Identifier: Apache-2.0
"""COCO's evaluation of boxes, by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np


def require_coco() -> None:
    """Tell before the work that it could not be finished.

    Raises:
        ImportError: faster-coco-eval is not installed; names the pip command.
    """
    if find_spec("faster_coco_eval") is None:
        raise ImportError("average precision needs faster-coco-eval: pip install 'mtl-perception[evaluate]'")


def coco_arrays(labels: Sequence[str], images: Sequence[tuple[np.ndarray, ...]]) -> dict[str, np.ndarray]:
    """COCO's "precision" and "scores", each (10 IoUs, 101 recalls, K classes, 4 areas: all small medium large).

    -1 where there is no truth.

    Args:
        labels: class names in the order of the ids.
        images: per image found boxes (xywh), scores, class ids, true boxes (xywh), true class ids.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    annotations: list[dict] = []
    results: list[dict] = []
    for image_id, (boxes, scores, class_ids, true_boxes, true_class_ids) in enumerate(images, start=1):
        for box, class_id in zip(true_boxes.tolist(), true_class_ids.tolist()):
            true = {"id": len(annotations) + 1, "area": box[2] * box[3], "iscrowd": 0}
            annotations.append(true | {"image_id": image_id, "category_id": class_id + 1, "bbox": box})
        for box, score, class_id in zip(boxes.tolist(), scores.tolist(), class_ids.tolist()):
            results.append({"image_id": image_id, "category_id": class_id + 1, "bbox": box, "score": score})
    truth = COCO(
        {
            "images": [{"id": image_id} for image_id in range(1, len(images) + 1)],
            "annotations": annotations,
            "categories": [{"id": index, "name": name} for index, name in enumerate(labels, start=1)],
        }
    )
    evaluation = COCOeval_faster(truth, truth.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    return {name: np.asarray(evaluation.eval[name])[..., -1] for name in ("precision", "scores")}

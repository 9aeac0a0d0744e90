# SPDX-License-Identifier: Apache-2.0
"""COCO average precision of masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl_perception.core.instances import InstanceMasks
from mtl_perception.core.scene import Detections, Scene
from mtl_perception.tasks._coco import coco_arrays, encoded_mask, mask_iou, require_coco
from mtl_perception.tasks._matching import average_precision, match, mean_precision
from mtl_perception.tasks._metric import Metric
from mtl_perception.tasks._truth import Truth
from mtl_perception.tasks.instances.labels import InstanceLabels


class InstancesMetric(Metric):
    """COCO average precision of masks over a data set; sizes are areas of masks.

    Images in which an object has a box and no mask are left out. Keeps the run lengths of every mask.

    Args:
        labels: class names in the order of the class ids of detections.

    Raises:
        ImportError: faster-coco-eval is not installed; names the pip command.
    """

    task = "instances"
    directions = dict.fromkeys(("mask_mAP", "mask_AP50", "mask_AP75", "mask_AP_small", "mask_AP_medium", "mask_AP_large"), "higher")
    names = {
        "mask_mAP": "mAP of masks, IoU .50 to .95",
        "mask_AP50": "AP of masks at IoU .50",
        "mask_AP75": "AP of masks at IoU .75",
        "mask_AP_small": "mAP, masks below 32² px",
        "mask_AP_medium": "mAP, masks 32² to 96² px",
        "mask_AP_large": "mAP, masks over 96² px",
    }
    main = "mask_mAP"
    chosen_by = "mask_AP50"
    rank = "mask_AP50"

    def __init__(self, labels: Sequence[str]) -> None:
        require_coco()
        self.labels = list(labels)
        self._images: list[tuple[np.ndarray, ...]] = []
        self._masks: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = []

    @classmethod
    def for_model(cls, card: Any) -> InstancesMetric:
        return cls(card.detection_labels)

    @staticmethod
    def pair(scene: Scene, truth: Truth) -> tuple | None:
        true, found = truth.labels.get("instances"), scene.instance_masks
        if true is None or found is None or not true.is_complete:
            return None
        return found, scene.detections, true, truth.labelled_ids

    def update(
        self, found: InstanceMasks, detections: Detections, true: InstanceLabels, labelled_ids: np.ndarray | None = None
    ) -> dict[str, float]:
        """Add one image.

        Args:
            found: masks of the ``detections``, in their order.
            true: of the same size.
            labelled_ids: classes that are labelled in this image; None: all. Detections of others are ignored, and so are true objects
                of them: a network proposed these.

        Returns:
            The image's own AP50; empty without ground truth.

        Raises:
            ValueError: sizes or lengths differ.
        """
        if len(found) != len(detections):
            raise ValueError(f"{len(found)} masks of {len(detections)} detections, expected as many of each")
        if true.ids.shape != (found.height, found.width):
            raise ValueError(f"masks of {found.height, found.width}, truth of {true.ids.shape}: expected both in the image's size")
        is_labelled = np.ones(len(found), bool) if labelled_ids is None else np.isin(detections.class_ids, labelled_ids)
        chosen = np.flatnonzero(is_labelled)
        scores, class_ids = detections.scores[chosen], detections.class_ids[chosen]
        masks = [encoded_mask(found.whole(number)) for number in chosen.tolist()]
        is_truth = np.ones(len(true.class_ids), bool) if labelled_ids is None else np.isin(true.class_ids, labelled_ids)
        numbers = [number for number in np.unique(true.ids).tolist() if number and is_truth[number - 1]]
        true_ids = true.class_ids[np.array(numbers, np.int64) - 1]
        true_masks = [encoded_mask(true.ids == number) for number in numbers]
        no_boxes = np.zeros((len(masks), 4)), np.zeros((len(numbers), 4))
        self._images.append((no_boxes[0], scores, class_ids, no_boxes[1], true_ids))
        self._masks.append((masks, true_masks))
        is_right = match(mask_iou(masks, true_masks), scores, class_ids, true_ids) >= 0
        own = [
            average_precision(scores[class_ids == class_id], is_right[class_ids == class_id], int(count))
            for class_id, count in zip(*np.unique(true_ids, return_counts=True))
        ]
        return {"mask_AP50": float(np.mean(own))} if own else {}

    def compute(self) -> dict[str, Any]:
        """All ``directions``, and AP, AP50, AP75 and the number of true masks of each class; NaN without ground truth."""
        precision = coco_arrays(self.labels, self._images, self._masks)["precision"]
        counts = np.bincount(np.concatenate([np.zeros(0, np.int64), *(image[4] for image in self._images)]), minlength=len(self.labels))
        per_class = {
            name: {
                "AP": mean_precision(precision[:, :, index, 0]),
                "AP50": mean_precision(precision[0, :, index, 0]),
                "AP75": mean_precision(precision[5, :, index, 0]),
                "masks": int(counts[index]),
            }
            for index, name in enumerate(self.labels)
        }
        parts = (precision[..., 0], precision[0, ..., 0], precision[5, ..., 0], precision[..., 1], precision[..., 2], precision[..., 3])
        return dict(zip(self.directions, map(mean_precision, parts), strict=True)) | {"per_class": per_class, "masks": int(counts.sum())}


METRIC = InstancesMetric

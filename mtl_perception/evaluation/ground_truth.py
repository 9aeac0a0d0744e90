# SPDX-License-Identifier: Apache-2.0
"""Ground truth that a bag carries beside its images."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mtl_perception.bags import GROUND_TRUTH, Bag, BagError, BagMessage, stamp_ns
from mtl_perception.evaluation.truth import Truth
from mtl_perception.scene import UNLABELLED

_DETECTIONS = GROUND_TRUTH + "detections"
_SEGMENTATION = GROUND_TRUTH + "segmentation"
_DEPTH = GROUND_TRUTH + "depth"
_TASKS = {_DETECTIONS: "detection", _SEGMENTATION: "segmentation", _DEPTH: "depth"}
_LABEL_INFO = GROUND_TRUTH + "label_info"


class BagTruth:
    """Truth by stamp, in the labels of a model. Kept as it is in the bag and decoded when asked for.

    Reads ``/ground_truth/detections`` (vision_msgs/Detection2DArray), ``segmentation`` (PNG of ids, named by
    ``label_info``) and ``depth`` (PNG of millimetres); each may be missing.

    Attributes:
        stamps_ns: of the frames with any truth, in order.
        tasks: what the bag has truth for.
        left_out: classes of the truth that the model does not know; their boxes and pixels are not scored.

    Args:
        bag: an open bag.
        detection_labels, segmentation_labels: the model's.

    Raises:
        BagError: a mask without label_info, or a damaged bag.
    """

    def __init__(self, bag: Bag, detection_labels: Sequence[str], segmentation_labels: Sequence[str]) -> None:
        self._bag = bag
        self._detection_ids = {name: index for index, name in enumerate(detection_labels)}
        self.left_out: set[str] = set()
        self.tasks = {task for topic, task in _TASKS.items() if topic in bag.topics}
        self._by_stamp: dict[int, dict[str, BagMessage]] = {}
        for topic in _TASKS:
            if topic in bag.topics:
                for message in bag.messages(topic):
                    stamp = stamp_ns(bag.deserialize(message))
                    self._by_stamp.setdefault(stamp, {})[topic] = message
        self._model_ids = self._read_label_info(segmentation_labels) if _SEGMENTATION in bag.topics else None
        self.stamps_ns = sorted(self._by_stamp)

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def __contains__(self, stamp: int) -> bool:
        return stamp in self._by_stamp

    def at(self, stamp: int) -> Truth | None:
        """What is true of the frame with this stamp (nanoseconds); None where nothing is known."""
        known = self._by_stamp.get(stamp)
        if known is None:
            return None
        boxes, class_ids = self._boxes(known[_DETECTIONS]) if _DETECTIONS in known else (None, None)
        mask = self._model_ids[self._png(known[_SEGMENTATION], np.uint8)] if _SEGMENTATION in known else None
        depth_m = None
        if _DEPTH in known:
            depth_mm = self._png(known[_DEPTH], np.uint16)
            depth_m = np.where(depth_mm > 0, depth_mm * np.float32(1e-3), np.float32(np.nan))
        return Truth(boxes_xyxy=boxes, class_ids=class_ids, mask=mask, depth_m=depth_m)

    def _boxes(self, message: BagMessage) -> tuple[np.ndarray, np.ndarray]:
        boxes, class_ids = [], []
        for detection in self._bag.deserialize(message).detections:
            name = detection.results[0].hypothesis.class_id
            if name not in self._detection_ids:
                self.left_out.add(name)
                continue
            center, box = detection.bbox.center.position, detection.bbox
            half_x, half_y = box.size_x / 2, box.size_y / 2
            boxes.append((center.x - half_x, center.y - half_y, center.x + half_x, center.y + half_y))
            class_ids.append(self._detection_ids[name])
        return np.array(boxes, np.float32).reshape(-1, 4), np.array(class_ids, np.int64)

    def _read_label_info(self, segmentation_labels: Sequence[str]) -> np.ndarray:
        """(256,) uint8: the truth's id → the model's id, 255 where the model has no such class."""
        if _LABEL_INFO not in self._bag.topics:
            raise BagError(
                f"bag {self._bag.path} has {_SEGMENTATION} and no {_LABEL_INFO}: its ids have no names"
            )
        table = np.full(256, UNLABELLED, np.uint8)
        for message in self._bag.messages(_LABEL_INFO):
            for entry in self._bag.deserialize(message).class_map:
                if entry.class_name in segmentation_labels:
                    table[entry.class_id] = segmentation_labels.index(entry.class_name)
                else:
                    self.left_out.add(entry.class_name)
        return table

    def _png(self, message: BagMessage, dtype: type) -> np.ndarray:
        data = np.frombuffer(bytes(self._bag.deserialize(message).data), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if image is None or image.dtype != dtype or image.ndim != 2:
            found = "no image" if image is None else f"{image.dtype} of shape {image.shape}"
            raise BagError(
                f"bag {self._bag.path}: {message.topic} holds {found}, expected a grey {dtype.__name__} PNG"
            )
        return image

# SPDX-License-Identifier: Apache-2.0
"""Ground truth that a bag carries beside its images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl_perception.bags import COMPRESSED_IMAGE, GROUND_TRUTH, Bag, BagError, BagMessage, stamp_ns
from mtl_perception.core.image_files import ImageError, decode_label_map
from mtl_perception.core.scene import UNLABELLED, Boxes3D
from mtl_perception.evaluation.poses import camera_poses
from mtl_perception.evaluation.recorded import box_xyxy
from mtl_perception.tasks import Truth

_DETECTIONS = GROUND_TRUTH + "detections"
_DETECTIONS_3D = GROUND_TRUTH + "detections_3d"
_SEGMENTATION = GROUND_TRUTH + "segmentation"
_DEPTH = GROUND_TRUTH + "depth"
_TASKS = {_DETECTIONS: "detection", _SEGMENTATION: "segmentation", _DEPTH: "depth"}
_LABEL_INFO = GROUND_TRUTH + "label_info"
_TYPES = {
    _DETECTIONS: "vision_msgs/msg/Detection2DArray",
    _DETECTIONS_3D: "vision_msgs/msg/Detection3DArray",
    _SEGMENTATION: COMPRESSED_IMAGE,
    _DEPTH: COMPRESSED_IMAGE,
    _LABEL_INFO: "vision_msgs/msg/LabelInfo",
}
_FIXED_FRAME = "odom"


class BagTruth:
    """Truth by stamp, in the labels of a model. Kept as it is in the bag and decoded when asked for.

    Reads ``/ground_truth/detections`` (vision_msgs/Detection2DArray), ``segmentation`` (PNG of ids, named by
    ``label_info``) and ``depth`` (PNG of millimetres); each may be missing. Beside the detections there may be
    ``detections_3d`` (vision_msgs/Detection3DArray, in the same order). Where every detection has a number as its ``id``,
    it gives the object's identity. The camera's pose in odom comes from ``/tf``.

    Attributes:
        stamps_ns: of the frames with any truth, in order.
        tasks: what the bag has truth for.
        left_out: classes of the truth that the model does not know; their boxes and pixels are not scored.

    Args:
        bag: an open bag.
        detection_labels, segmentation_labels: the model's.

    Raises:
        BagError: a mask without label_info, a topic of another type, or a damaged bag.
    """

    def __init__(self, bag: Bag, detection_labels: Sequence[str], segmentation_labels: Sequence[str]) -> None:
        self._bag = bag
        self._detection_ids = {name: index for index, name in enumerate(detection_labels)}
        self.left_out: set[str] = set()
        has = {topic for topic, kind in _TYPES.items() if bag.find(topic, kind) is not None}
        self.tasks = {task for topic, task in _TASKS.items() if topic in has}
        self._by_stamp: dict[int, dict[str, BagMessage]] = {}
        frames: dict[int, str] = {}
        names: set[str] = set()
        for topic in (*_TASKS, _DETECTIONS_3D):
            if topic in has:
                for message in bag.messages(topic):
                    content = bag.deserialize(message)
                    stamp = stamp_ns(content)
                    self._by_stamp.setdefault(stamp, {})[topic] = message
                    frames[stamp] = content.header.frame_id
                    names |= {one.id for one in content.detections} if topic == _DETECTIONS else set()
        self._has_ids = bool(names) and all(name.isdecimal() and len(name) < 19 for name in names)
        self._poses = camera_poses(bag, frames, _FIXED_FRAME)
        self._model_ids = self._read_label_info(segmentation_labels) if _SEGMENTATION in has else None
        self._mask_ids = None if self._model_ids is None else np.unique(self._model_ids[self._model_ids != UNLABELLED])
        self.stamps_ns = sorted(self._by_stamp)

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def __contains__(self, stamp: int) -> bool:
        return stamp in self._by_stamp

    def at(self, stamp: int) -> Truth | None:
        """Returns the ground truth of the frame with this stamp (nanoseconds); None where nothing is known."""
        known = self._by_stamp.get(stamp)
        if known is None:
            return None
        objects: dict[str, Any] = {}
        if _DETECTIONS in known:
            objects = self._objects(known[_DETECTIONS], known.get(_DETECTIONS_3D))
        mask = self._model_ids[self._label_map(known[_SEGMENTATION], bits=8)] if _SEGMENTATION in known else None
        depth_m = None
        if _DEPTH in known:
            depth_mm = self._label_map(known[_DEPTH], bits=16)
            depth_m = np.where(depth_mm > 0, depth_mm * np.float32(1e-3), np.float32(np.nan))
        return Truth(
            **objects, mask=mask, mask_ids=self._mask_ids, depth_m=depth_m, stamp_s=stamp * 1e-9, camera_pose=self._poses.get(stamp)
        )

    def _objects(self, message: BagMessage, message_3d: BagMessage | None) -> dict[str, Any]:
        """Fields of Truth for the detections of classes that the model knows."""
        detections = self._bag.deserialize(message).detections
        known, boxes, class_ids = [], [], []
        for index, detection in enumerate(detections):
            if not detection.results:
                raise BagError(f"bag {self._bag.path}: {message.topic} has a box without a class")
            name = detection.results[0].hypothesis.class_id
            if name not in self._detection_ids:
                self.left_out.add(name)
                continue
            known.append(index)
            boxes.append(box_xyxy(detection.bbox))
            class_ids.append(self._detection_ids[name])
        ids = [detections[index].id for index in known] if self._has_ids else []
        return {
            "boxes_xyxy": np.array(boxes, np.float32).reshape(-1, 4),
            "class_ids": np.array(class_ids, np.int64),
            "track_ids": np.array([int(id) for id in ids], np.int64) if self._has_ids else None,
            "boxes_3d": None if message_3d is None else self._boxes_3d(message_3d, known, len(detections)),
        }

    def _boxes_3d(self, message: BagMessage, known: list[int], count: int) -> Boxes3D:
        detections = self._bag.deserialize(message).detections
        if len(detections) != count:
            raise BagError(
                f"bag {self._bag.path}: {message.topic} has {len(detections)} boxes beside {count} in {_DETECTIONS}, "
                "expected the same objects in the same order"
            )
        poses = [detections[index].bbox.center for index in known]
        sizes = [detections[index].bbox.size for index in known]
        return Boxes3D(
            centers_m=np.array([(p.position.x, p.position.y, p.position.z) for p in poses]).reshape(-1, 3),
            sizes_m=np.array([(size.x, size.y, size.z) for size in sizes]).reshape(-1, 3),
            quaternions_xyzw=np.array([(p.orientation.x, p.orientation.y, p.orientation.z, p.orientation.w) for p in poses]).reshape(-1, 4),
            center_covariances_m2=np.zeros((len(known), 3, 3)),
            valid=np.ones(len(known), bool),
        )

    def _read_label_info(self, segmentation_labels: Sequence[str]) -> np.ndarray:
        """(256,) uint8: the truth's id → the model's id, 255 where the model has no such class."""
        if self._bag.find(_LABEL_INFO, _TYPES[_LABEL_INFO]) is None:
            raise BagError(f"bag {self._bag.path} has {_SEGMENTATION} and no {_LABEL_INFO}: its ids have no names")
        table = np.full(256, UNLABELLED, np.uint8)
        for message in self._bag.messages(_LABEL_INFO):
            for entry in self._bag.deserialize(message).class_map:
                if entry.class_id >= UNLABELLED:
                    raise BagError(f"bag {self._bag.path}: {_LABEL_INFO} has the id {entry.class_id}, expected one below {UNLABELLED}")
                if entry.class_name in segmentation_labels:
                    table[entry.class_id] = segmentation_labels.index(entry.class_name)
                else:
                    self.left_out.add(entry.class_name)
        return table

    def _label_map(self, message: BagMessage, bits: int) -> np.ndarray:
        try:
            return decode_label_map(bytes(self._bag.deserialize(message).data), bits)
        except ImageError as error:
            raise BagError(f"bag {self._bag.path}: {message.topic} can't be read: {error}") from None

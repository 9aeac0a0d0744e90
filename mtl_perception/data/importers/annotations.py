# SPDX-License-Identifier: Apache-2.0
"""Labelled objects of a picture → annotations: boxes within the picture, masks that fit their boxes, all else listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mtl_perception.core.scene import UNLABELLED
from mtl_perception.data.importers.class_map import ClassMap
from mtl_perception.data.importers.image_file import turned_size
from mtl_perception.data.importers.labelled import Instance, Notes, Picture
from mtl_perception.data.importers.placing import Frame, named, placed_box, placed_shape
from mtl_perception.data.importers.shapes import Encoded
from mtl_perception.data.masks import decode_mask

_ROUNDING_PX = 1.0
_MASK_TO_BOX_PX = 2


def annotations_of(instances: Sequence[Instance], picture: Picture, frame: Frame, names: ClassMap, notes: Notes) -> list[dict[str, Any]]:
    width, height = turned_size(frame.true_size, frame.orientation)
    annotations = []
    for instance in instances:
        label = names.target(instance.label)
        if label is None:
            continue
        shape = None
        if instance.shape is not None:
            try:
                encoded = instance.shape.encoded(*frame.size)
                shape = placed_shape(encoded, frame, picture.is_normalized)
            except ValueError as error:
                notes.add("masks that can't be used, left out", f"{named(picture)}: {instance.label}: {error}")
        given = None if instance.box_xyxy is None else placed_box(instance.box_xyxy, frame, picture.is_normalized)
        extent = None
        if shape is not None:
            # Pixels are counted only where the outline alone leaves a doubt: there may be a million.
            extent = _outline_extent(shape, width, height) if isinstance(shape, list) and shape else None
            if extent is None or (given is not None and _apart(extent, _cut(given, width, height)) > _MASK_TO_BOX_PX - 1):
                extent = _pixel_extent(shape, width, height) if shape else None
            if extent is None:
                notes.add("masks that cover no pixel, left out", f"{named(picture)}: {instance.label}")
                shape = None
        box = extent if given is None else given
        if box is None:
            notes.add("objects with neither a box nor a mask, left out", f"{named(picture)}: {instance.label}")
            continue
        beyond = max(-box[0], -box[1], box[2] - width, box[3] - height)
        if beyond > _ROUNDING_PX:
            notes.add("boxes that reached beyond their picture, cut at its edge", f"{named(picture)}: {instance.label} by {beyond:.0f} px")
        box = _cut(box, width, height)
        if box[2] - box[0] < 0.005 or box[3] - box[1] < 0.005:
            notes.add("boxes without area, left out", f"{named(picture)}: {instance.label}")
            continue
        if shape is not None and _apart(extent, box) > _MASK_TO_BOX_PX:
            notes.add(
                f"masks that end more than {_MASK_TO_BOX_PX} px from their boxes, left out; the boxes are kept",
                f"{named(picture)}: {instance.label}: mask {[round(v) for v in extent]}, box {[round(v) for v in box]}",
            )
            shape = None
        annotations.append(_annotation(label, box, shape, instance, frame, notes, picture))
    return annotations


def _cut(box: Sequence[float], width: int, height: int) -> list[float]:
    """To the picture."""
    return [min(max(box[0], 0), width), min(max(box[1], 0), height), min(max(box[2], 0), width), min(max(box[3], 0), height)]


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    """By how much the edges of two boxes differ at most."""
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]), abs(one[2] - other[2]), abs(one[3] - other[3]))


def _annotation(
    label: str, box: list[float], shape: Encoded | None, instance: Instance, frame: Frame, notes: Notes, picture: Picture
) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    bbox = [int(v) if v == int(v) else round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)]
    annotation: dict[str, Any] = {"label": label, "bbox": bbox, "area": round(bbox[2] * bbox[3], 2), "iscrowd": int(instance.is_crowd)}
    if shape is not None:
        annotation["segmentation"] = shape
        annotation["area"] = _area(shape)
    if instance.box_3d is not None:
        if frame.orientation == 1:
            annotation["box_3d"] = {key: [round(float(value), 5) for value in values] for key, values in instance.box_3d.items()}
        else:
            notes.add("3D boxes of pictures that were turned upright, left out", picture.name)
    if instance.track is not None:
        annotation["track"] = instance.track
    if instance.score is not None:
        annotation["score"] = instance.score
    return annotation


def _outline_extent(parts: Sequence[Sequence[float]], width: int, height: int) -> list[float] | None:
    """The box around polygons, in the picture: within a pixel that of their pixels. None if they may cover no pixel."""
    x1, y1 = min(min(part[0::2]) for part in parts), min(min(part[1::2]) for part in parts)
    x2, y2 = max(max(part[0::2]) for part in parts), max(max(part[1::2]) for part in parts)
    box = [max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height)]
    return box if box[2] - box[0] > 2 and box[3] - box[1] > 2 else None


def _pixel_extent(shape: Encoded, width: int, height: int) -> list[float] | None:
    """The box around the pixels of a shape; None if there are none."""
    from faster_coco_eval import mask as coco

    runs = coco.frPyObjects(shape, height, width) if isinstance(shape, list) else [shape]
    boxes = np.asarray(coco.toBbox(runs), np.float64).reshape(-1, 4)
    boxes = boxes[(boxes[:, 2:] > 0).all(1)]
    if not len(boxes):
        return None
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    return [float(low[0]), float(low[1]), float(high[0]), float(high[1])]


def _area(shape: Encoded) -> float:
    """Pixels of run lengths; of polygons the area inside, which is what COCO's own files say."""
    if not isinstance(shape, list):
        from faster_coco_eval import mask as coco

        return int(coco.area(shape))
    total = 0.0
    for part in shape:
        x, y = np.array(part[0::2]), np.array(part[1::2])
        total += abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1] + x[-1] * y[0] - x[0] * y[-1])) / 2
    return round(total, 2)


def painted(annotations: Sequence[Mapping[str, Any]], ids: Mapping[str, int], width: int, height: int, notes: Notes) -> np.ndarray:
    """Label map of the objects' masks, smaller ones over larger ones; what no mask covers is unlabelled."""
    semantic = np.full((height, width), UNLABELLED, np.uint8)
    for annotation in sorted(annotations, key=lambda a: -a["area"]):
        if annotation["label"] not in ids:
            continue
        if "segmentation" in annotation:
            semantic[decode_mask(annotation["segmentation"], height, width)] = ids[annotation["label"]]
        else:
            notes.add("objects with a box alone: their pixels stay unlabelled in the segmentation", annotation["label"])
    return semantic

# SPDX-License-Identifier: Apache-2.0
"""A picture looked at several times, mirrored and at other sizes, and what the looks agree on (test-time augmentation)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mtl_perception.core.boxes import box_iou
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.prediction.autolabel.teachers import Answer, Boxes, Teacher

GREY = 114

SAME_IOU = 0.55
"""Boxes of two looks that overlap by this are one object: the value of weighted boxes fusion's authors."""


def looked_at(teacher: Teacher, image_rgb: np.ndarray, intrinsics: Intrinsics | None, flip: bool, scales: Sequence[float]) -> Answer:
    """Returns the answer of ``teacher`` to a picture, to its mirror image and, for boxes, to it at other ``scales``, in one.

    Boxes are fused; a score falls with the share of looks that miss the object. A pixel that the looks name differently has no
    class (255), depth is their median.

    Args:
        scales: above 1: four overlapping parts of the picture, enlarged; below 1: the picture in a grey frame.
    """
    whole = [teacher(image_rgb, intrinsics)]
    if flip:
        whole.append(mirrored(teacher(*mirror(image_rgb, intrinsics)), image_rgb.shape[1]))
    boxes = [answer.boxes for answer in whole if answer.boxes is not None]
    if boxes:
        boxes += [_at_scale(teacher, image_rgb, scale) for scale in scales if scale != 1]
    masks = [answer.mask for answer in whole if answer.mask is not None]
    depths = [answer.depth_m for answer in whole if answer.depth_m is not None]
    return Answer(
        boxes=fused(boxes) if boxes else None,
        mask=np.where(np.all([mask == masks[0] for mask in masks], 0), masks[0], 255).astype(np.uint8) if masks else None,
        depth_m=_median_depth(depths) if depths else None,
    )


def mirror(image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> tuple[np.ndarray, Intrinsics | None]:
    lens = None if intrinsics is None else replace(intrinsics, cx=intrinsics.width - 1 - intrinsics.cx)
    return np.ascontiguousarray(image_rgb[:, ::-1]), lens


def mirrored(answer: Answer, width: int) -> Answer:
    boxes = answer.boxes
    if boxes is not None:
        left, top, right, bottom = boxes.boxes_xyxy.T
        boxes = replace(boxes, boxes_xyxy=np.stack([width - right, top, width - left, bottom], 1).astype(np.float32))
    mask, depth_m = (None if values is None else values[:, ::-1] for values in (answer.mask, answer.depth_m))
    return Answer(boxes, mask, depth_m)


def _at_scale(teacher: Teacher, image_rgb: np.ndarray, scale: float) -> Boxes:
    """One look: the boxes of all parts together, in pixels of the whole picture."""
    height, width = image_rgb.shape[:2]
    if scale < 1:
        framed = np.full((round(height / scale), round(width / scale), 3), GREY, np.uint8)
        framed[:height, :width] = image_rgb
        found = teacher(framed, None).boxes or Boxes()
        clipped = replace(found, boxes_xyxy=np.clip(found.boxes_xyxy, 0, np.float32([width, height, width, height])))
        left, top, right, bottom = clipped.boxes_xyxy.T
        return clipped.chosen((right > left) & (bottom > top))
    part_width, part_height = round(width / scale), round(height / scale)
    parts = []
    for x in (0, width - part_width):
        for y in (0, height - part_height):
            part = np.ascontiguousarray(image_rgb[y : y + part_height, x : x + part_width])
            found = teacher(part, None).boxes or Boxes()
            left, top, right, bottom = found.boxes_xyxy.T
            # What a cut goes through is seen whole in another part, or not at this scale.
            cut = (x > 0) & (left < 1) | (y > 0) & (top < 1)
            cut |= (x == 0) & (right > part_width - 1) | (y == 0) & (bottom > part_height - 1)
            kept = found.chosen(~cut)
            parts.append(replace(kept, boxes_xyxy=kept.boxes_xyxy + np.float32([x, y, x, y])))
    together = Boxes(*(np.concatenate(values) for values in zip(*((p.boxes_xyxy, p.scores, p.class_ids) for p in parts), strict=True)))
    return fused([together])


def _median_depth(depths: Sequence[np.ndarray]) -> np.ndarray:
    known = np.all([depth > 0 for depth in depths], 0)
    return np.where(known, np.median(depths, 0), 0).astype(np.float32)


def fused(looks: Sequence[Boxes]) -> Boxes:
    """Weighted boxes fusion (Solovyev et al., 2021): boxes of a class that overlap become their mean, weighted by their scores; its
    score is the mean score times the share of the looks that have one."""
    boxes = np.concatenate([look.boxes_xyxy for look in looks])
    scores = np.concatenate([look.scores for look in looks])
    ids = np.concatenate([look.class_ids for look in looks])
    owners = np.repeat(np.arange(len(looks)), [len(look) for look in looks])
    groups: list[list[int]] = []
    means: list[np.ndarray] = []
    for row in np.argsort(-scores, kind="stable"):
        same = [i for i, group in enumerate(groups) if ids[group[0]] == ids[row]]
        overlaps = box_iou(boxes[row : row + 1], np.array([means[i] for i in same]))[0] if same else np.zeros(0)
        if len(overlaps) and overlaps.max() > SAME_IOU:
            group = same[int(overlaps.argmax())]
            groups[group].append(int(row))
            means[group] = np.average(boxes[groups[group]], axis=0, weights=scores[groups[group]])
        else:
            groups.append([int(row)])
            means.append(boxes[row])
    # Of one look that gives two boxes of an object, the better counts.
    best = [
        [scores[[row for row in group if owners[row] == look]].max() for look in {int(owners[row]) for row in group}] for group in groups
    ]
    merged = np.array([sum(of_looks) / len(looks) for of_looks in best], np.float32)
    order = np.argsort(-merged, kind="stable")
    return Boxes(
        np.array(means, np.float32).reshape(-1, 4)[order], merged[order], np.array([ids[group[0]] for group in groups], np.int64)[order]
    )

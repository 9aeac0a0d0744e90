# SPDX-License-Identifier: Apache-2.0
"""The answers for one frame: plain arrays, free of torch and of ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import cv2
import numpy as np

from mtl_perception.core.boxes import box_iou
from mtl_perception.core.instances import InstanceMasks, MaskPrototypes

UNLABELLED = 255
"""Segmentation id of a pixel that belongs to no class."""


SCORE_THRESHOLD = 0.3
"""Least score of a detection that is published, unless somebody says otherwise."""

AGNOSTIC_NMS_IOU = 0.8
"""Overlap above which two boxes are taken for one object. Of 403 boxes of `lite` that overlapped a better one
by more than 0.6, in two drives, 352 did so by more than 0.9: second names stand apart from neighbours."""


@dataclass(frozen=True)
class Detections:
    """N boxes, best score first.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels of the original image, right and bottom edges exclusive.
        scores: (N,) float32 in [0, 1].
        class_ids: (N,) int64, index into the model's detection labels.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def first(self, count: int) -> Detections:
        """The ``count`` best."""
        return Detections(self.boxes_xyxy[:count], self.scores[:count], self.class_ids[:count])

    def where(self, chosen: np.ndarray) -> Detections:
        """Those that ``chosen`` names, by a mask or by numbers."""
        return Detections(self.boxes_xyxy[chosen], self.scores[chosen], self.class_ids[chosen])

    def above(self, score: float) -> Detections:
        """Those of at least ``score``; the best come first, so they are the first ones."""
        count = int((self.scores >= score).sum())
        return self if count == len(self) else self.first(count)

    def by_default(self) -> Detections:
        """Returns those that are published by default: those of at least ``SCORE_THRESHOLD``, and of two boxes of one place
        the better. A test holds that the pipeline says the same."""
        return self.above(SCORE_THRESHOLD).agnostic_nms()

    def agnostic_nms(self, iou: float = AGNOSTIC_NMS_IOU) -> Detections:
        """Class-agnostic greedy NMS.

        A network scores each class by itself, so a can is often detected as a cup too, with nearly the same box. A box is suppressed by a
        better one that overlaps it by more than ``iou``, whatever their classes; 1: none is.
        """
        overlaps = np.triu(box_iou(self.boxes_xyxy, self.boxes_xyxy) > iou, 1)
        if not overlaps.any():
            return self
        kept = np.ones(len(self), bool)
        for one in np.flatnonzero(overlaps.any(1)):
            if kept[one]:
                kept &= ~overlaps[one]
        return self.where(kept)

    def scaled(self, factor_x: float, factor_y: float) -> Detections:
        """The same in an image whose axes are longer by these factors."""
        factors = np.array([factor_x, factor_y, factor_x, factor_y], np.float32)
        return replace(self, boxes_xyxy=self.boxes_xyxy * factors)


@dataclass(frozen=True)
class Segmentation:
    """One class per pixel.

    Attributes:
        mask: (H, W) uint8 class ids; 255 is unlabelled.
        confidence: (H, W) uint8, probability of the chosen class times 255.
    """

    mask: np.ndarray
    confidence: np.ndarray

    def resized(self, width: int, height: int) -> Segmentation:
        """The same for an image of another size: each pixel as the nearest one was."""
        return Segmentation(nearest(self.mask, width, height), nearest(self.confidence, width, height))


@dataclass(frozen=True)
class Depth:
    """Distance along the optical axis (REP 118).

    Attributes:
        depth_m: (H, W) float32 metres; NaN where unknown.
        relative_std: (h, w) float32, standard deviation of the depth's natural logarithm, about its relative error, on a
            grid over the same image that may be coarser; None where the source of the depth doesn't say.
    """

    depth_m: np.ndarray
    relative_std: np.ndarray | None = None

    def resized(self, width: int, height: int) -> Depth:
        """The same for an image of another size, interpolated; next to an unknown depth, unknown."""
        return replace(self, depth_m=cv2.resize(self.depth_m, (width, height), interpolation=cv2.INTER_LINEAR))


@dataclass(frozen=True)
class Boxes3D:
    """Where the N detections of a scene are, in the same order, in the camera's optical frame.

    Where gravity is known a box's own z axis points up: turned into a level frame, such as base_link, its orientation
    is a pure yaw and the third size its height. Otherwise the orientation is the identity.

    Attributes:
        centers_m: (N, 3) float64 metres; NaN where not valid.
        sizes_m: (N, 3) float64 metres along the box's own axes, > 0; 0 where not valid.
        quaternions_xyzw: (N, 4) float64, from the box's own frame to the optical frame; the identity where not valid.
        center_covariances_m2: (N, 3, 3) float64 square metres; NaN where not valid.
        valid: (N,) bool; False for a detection without enough known depth.
    """

    centers_m: np.ndarray
    sizes_m: np.ndarray
    quaternions_xyzw: np.ndarray
    center_covariances_m2: np.ndarray
    valid: np.ndarray

    def __len__(self) -> int:
        return len(self.valid)

    def first(self, count: int) -> Boxes3D:
        """Those of the ``count`` best detections."""
        return self.where(slice(count))

    def where(self, chosen: np.ndarray | slice) -> Boxes3D:
        """Those that ``chosen`` names, by a mask, by numbers or as a part."""
        return Boxes3D(
            self.centers_m[chosen],
            self.sizes_m[chosen],
            self.quaternions_xyzw[chosen],
            self.center_covariances_m2[chosen],
            self.valid[chosen],
        )


class Answer(Protocol):
    """Answer of a task to an image."""

    def resized(self, width: int, height: int) -> Any:
        """The same for an image of another size."""


@dataclass(frozen=True)
class Scene:
    """Everything the network said of one image of ``width`` × ``height``.

    Attributes:
        detections, segmentation, depth: what 3D boxes, tracks and point clouds are made of; None where it was not asked for.
        stage_s: seconds spent in each stage.
        answers: those of all other tasks, by kind; without the ones that were not asked for.
        instances: what the masks of detections are made of; None where it was not asked for.
    """

    width: int
    height: int
    detections: Detections | None = None
    segmentation: Segmentation | None = None
    depth: Depth | None = None
    stage_s: dict[str, float] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    instances: MaskPrototypes | None = None

    @cached_property
    def instance_masks(self) -> InstanceMasks | None:
        """A mask for each of the detections, in their order; None without detections or what masks are made of."""
        if self.detections is None or self.instances is None:
            return None
        return self.instances.of(self.detections.boxes_xyxy, self.width, self.height)

    def resized(self, width: int, height: int) -> Scene:
        """The same scene for an image of another size; itself where the size is its own."""
        if (width, height) == (self.width, self.height):
            return self
        return replace(
            self,
            width=width,
            height=height,
            detections=None if self.detections is None else self.detections.scaled(width / self.width, height / self.height),
            segmentation=None if self.segmentation is None else self.segmentation.resized(width, height),
            depth=None if self.depth is None else self.depth.resized(width, height),
            answers={kind: answer.resized(width, height) for kind, answer in self.answers.items()},
        )


def nearest(decided: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W) decisions, such as class ids, resized to (height, width): each pixel as the nearest one was."""
    return cv2.resize(decided, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)

# SPDX-License-Identifier: Apache-2.0
"""Scores of whole scenes, over a data set and frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mtl_perception.evaluation.depth import DepthMetric
from mtl_perception.evaluation.detection import DetectionMetric
from mtl_perception.evaluation.segmentation import SegmentationMetric
from mtl_perception.geometry import Intrinsics
from mtl_perception.scene import Scene

MEASURES = {
    "detection": DetectionMetric.directions,
    "segmentation": SegmentationMetric.directions,
    "depth": DepthMetric.directions,
}
"""Task → measure → "higher" or "lower": which is better."""

WEAKEST_SCORE = 0.01
"""Boxes below it are left out of average precision: they are many and add next to nothing."""


@dataclass(frozen=True)
class Truth:
    """What is known of one image; a task that is not labelled is None.

    Attributes:
        boxes_xyxy: (M, 4) pixels of the original image.
        class_ids: (M,) index into the detection labels.
        mask: (H, W) uint8 segmentation ids, 255 unlabelled.
        depth_m: (H, W) float32 metres; NaN or 0 where unknown.
    """

    boxes_xyxy: np.ndarray | None = None
    class_ids: np.ndarray | None = None
    mask: np.ndarray | None = None
    depth_m: np.ndarray | None = None

    @classmethod
    def of_sample(cls, sample: Any) -> Truth:
        """The labels of a ``data.Sample``."""
        boxes = sample.labels.get("detection")
        return cls(
            None if boxes is None else boxes.boxes_xyxy,
            None if boxes is None else boxes.class_ids,
            sample.labels.get("segmentation"),
            sample.labels.get("depth"),
        )


@dataclass(frozen=True)
class FrameScores:
    """One frame's own AP50, mIoU and AbsRel, δ1; a measure that does not apply is missing."""

    index: int
    scores: dict[str, float]

    @property
    def quality(self) -> float:
        """Mean of AP50, mIoU and δ1, those that the frame has: for a rank order, not a result."""
        values = [self.scores[name] for name in ("AP50", "mIoU", "delta1") if name in self.scores]
        return float(np.mean(values)) if values else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """Scores over all frames (task → measure → value) and of each frame."""

    scores: dict[str, dict]
    frames: list[FrameScores] = field(default_factory=list)

    def frame_at(self, share: float) -> FrameScores:
        """The frame at a place in the order of quality: 0 is the worst, .5 the median, 1 the best.

        Raises:
            ValueError: no frame has a score.
        """
        ranked = sorted(
            (frame for frame in self.frames if frame.quality == frame.quality), key=lambda f: f.quality
        )
        if not ranked:
            raise ValueError("no frame has a score, expected ground truth for at least one of them")
        return ranked[round(share * (len(ranked) - 1))]


class SceneEvaluator:
    """Collects scenes and their truth; a task is scored on the frames that have both.

    Args:
        detection_labels: names of the detection classes, in the order of the ids of both result and truth.
        segmentation_labels: the same of the segmentation.
    """

    def __init__(self, detection_labels: Sequence[str], segmentation_labels: Sequence[str]) -> None:
        self._labels = {"detection": detection_labels, "segmentation": segmentation_labels}
        self._totals = self._metrics()
        self._counts = dict.fromkeys(self._totals, 0)
        self._frames: list[FrameScores] = []

    def update(self, scene: Scene, truth: Truth) -> FrameScores:
        """Add one frame.

        Raises:
            ValueError: result and truth do not fit each other in size or labels.
        """
        own = self._metrics()
        scores: dict[str, float] = {}
        for task, arrays in _paired(scene, truth).items():
            self._counts[task] += 1
            own[task].update(*arrays)
            self._totals[task].merge(own[task])
            found = own[task].compute()
            names = {"detection": ("AP50",), "segmentation": ("mIoU",), "depth": ("AbsRel", "delta1")}[task]
            scores |= {name: found[name] for name in names if found[name] == found[name]}
        self._frames.append(FrameScores(len(self._frames), scores))
        return self._frames[-1]

    def compute(self) -> Evaluation:
        """Scores of every task that had at least one frame with truth; ``frames`` in each says how many."""
        scores = {
            task: metric.compute() | {"frames": self._counts[task]}
            for task, metric in self._totals.items()
            if self._counts[task]
        }
        return Evaluation(scores, list(self._frames))

    def _metrics(self) -> dict:
        return {
            "detection": DetectionMetric(self._labels["detection"]),
            "segmentation": SegmentationMetric(self._labels["segmentation"]),
            "depth": DepthMetric(),
        }


def evaluate_engine(
    engine,
    samples: Iterable[tuple[np.ndarray, Intrinsics | None, Truth]],
    on_frame: Callable[[Scene, FrameScores], None] | None = None,
) -> Evaluation:
    """Run the engine over samples and score it.

    Average precision needs the weak boxes too, so the engine's score threshold is ``WEAKEST_SCORE`` here.

    Args:
        engine: a loaded ``Engine``.
        samples: (image_rgb, intrinsics, truth) of each frame; truth in the engine's own labels.
        on_frame: called after each frame, with what was found and the frame's scores.
    """
    card = engine.card
    evaluator = SceneEvaluator(card.detection_labels, card.segmentation_labels)
    threshold, engine.score_threshold = engine.score_threshold, WEAKEST_SCORE
    try:
        for image_rgb, intrinsics, truth in samples:
            scene = engine(image_rgb, intrinsics)
            scores = evaluator.update(scene, truth)
            if on_frame is not None:
                on_frame(scene, scores)
    finally:
        engine.score_threshold = threshold
    return evaluator.compute()


def _paired(scene: Scene, truth: Truth) -> dict[str, tuple]:
    """Task → arguments of its metric's update, for the tasks that have a result and a truth."""
    pairs: dict[str, tuple] = {}
    if scene.detections is not None and truth.boxes_xyxy is not None:
        found = scene.detections
        pairs["detection"] = (
            found.boxes_xyxy,
            found.scores,
            found.class_ids,
            truth.boxes_xyxy,
            truth.class_ids,
        )
    if scene.segmentation is not None and truth.mask is not None:
        pairs["segmentation"] = scene.segmentation.mask, truth.mask
    if scene.depth is not None and truth.depth_m is not None:
        pairs["depth"] = scene.depth.depth_m, truth.depth_m
    return pairs

# SPDX-License-Identifier: Apache-2.0
"""Scores of whole scenes, over a data set and frame by frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Scene
from mtl_perception.evaluation.registry import MEASURES, METRICS
from mtl_perception.tasks import Metric, Truth

__all__ = ["MEASURES", "Evaluation", "FrameScores", "SceneEvaluator", "Truth", "evaluate_engine"]

Image = tuple[np.ndarray, Intrinsics | None]
"""(H, W, 3) uint8 RGB, and its camera where that is known."""

WEAKEST_SCORE = 0.01
"""Boxes below it are left out of average precision: they are many and add next to nothing."""


@dataclass(frozen=True)
class FrameScores:
    """One frame's own measures, such as AP50, mIoU, AbsRel and δ1; a measure that does not apply is missing."""

    index: int
    scores: dict[str, float]

    @property
    def quality(self) -> float:
        """Mean of AP50, mIoU and δ1, those that the frame has: for a rank order, not a result."""
        values = [self.scores[name] for name in ("AP50", "mIoU", "delta1") if name in self.scores]
        return float(np.mean(values)) if values else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """Scores over all frames (task → measure → value) and of each frame.

    Attributes:
        metrics: what the scores were computed from, by task: curves and matrices for a report.
    """

    scores: dict[str, dict]
    frames: list[FrameScores] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict, repr=False)

    def frame_at(self, share: float) -> FrameScores:
        """The frame at a place in the order of quality: 0 is the worst, .5 the median, 1 the best.

        Raises:
            ValueError: no frame has a score.
        """
        ranked = sorted((frame for frame in self.frames if frame.quality == frame.quality), key=lambda f: f.quality)
        if not ranked:
            raise ValueError("no frame has a score, expected ground truth for at least one of them")
        return ranked[round(share * (len(ranked) - 1))]

    def ranked(self, task: str) -> list[FrameScores]:
        """The frames that have a score of this task, the worst first."""
        measure = METRICS[task].rank
        own = [frame for frame in self.frames if measure in frame.scores]
        better = METRICS[task].directions[measure] if own else "higher"
        return sorted(own, key=lambda frame: frame.scores[measure], reverse=better == "lower")


class SceneEvaluator:
    """Collects scenes and their truth; a task is scored on the frames that have both.

    Frames come in the order of the data, so that a metric may follow objects from one to the next.

    Args:
        card: of the model; its labels name the ids of both result and truth.
    """

    def __init__(self, card: Any) -> None:
        self._card = card
        self._metrics: dict[str, Metric] = {}
        self._counts: dict[str, int] = {}
        self._frames: list[FrameScores] = []

    def update(self, scene: Scene, truth: Truth) -> FrameScores:
        """Add one frame.

        Raises:
            ValueError: result and truth do not fit each other in size or labels.
        """
        scores: dict[str, float] = {}
        for task, metric in METRICS.items():
            arrays = metric.pair(scene, truth)
            if arrays is None:
                continue
            if task not in self._metrics:
                self._metrics[task] = metric.for_model(self._card)
            self._counts[task] = self._counts.get(task, 0) + 1
            scores |= self._metrics[task].update(*arrays)
        self._frames.append(FrameScores(len(self._frames), scores))
        return self._frames[-1]

    def __len__(self) -> int:
        """How many frames there were."""
        return len(self._frames)

    def state(self) -> tuple[Any, ...]:
        """Returns all that it holds of its frames, for another one to ``restore``."""
        return self._metrics, self._counts, self._frames

    def restore(self, state: tuple[Any, ...]) -> None:
        """Begin with the frames of another one of the same model."""
        self._metrics, self._counts, self._frames = state

    def compute(self) -> Evaluation:
        """Scores of every task that had at least one frame with truth; ``frames`` in each says how many."""
        metrics = {task: self._metrics[task] for task in METRICS if task in self._metrics}
        scores = {task: metric.compute() | {"frames": self._counts[task]} for task, metric in metrics.items()}
        return Evaluation(scores, list(self._frames), metrics)


def evaluate_engine(
    engine,
    samples: Iterable[tuple[np.ndarray, Intrinsics | None, Truth]],
    on_frame: Callable[[Scene, FrameScores], None] | None = None,
    ask: Callable[[Iterator[Image]], Iterator[Scene]] | None = None,
    evaluator: SceneEvaluator | None = None,
) -> Evaluation:
    """Run the engine over samples and score it.

    Average precision needs the weak boxes too, so the engine's score threshold is ``WEAKEST_SCORE`` here.

    Args:
        engine: a loaded ``Engine``.
        samples: (image_rgb, intrinsics, truth) of each frame; truth in the engine's own labels.
        on_frame: called after each frame, with what was found and the frame's scores.
        ask: gives the scenes of images, in their order, in place of ``engine``.
        evaluator: scores them, beside the frames that it has already.
    """
    evaluator = SceneEvaluator(engine.card) if evaluator is None else evaluator
    threshold, engine.score_threshold = engine.score_threshold, WEAKEST_SCORE
    try:
        waiting: deque[Truth] = deque()
        images = _noting(samples, waiting)
        for scene in (engine(*image) for image in images) if ask is None else ask(images):
            scores = evaluator.update(scene, waiting.popleft())
            if on_frame is not None:
                on_frame(scene, scores)
    finally:
        engine.score_threshold = threshold
    return evaluator.compute()


def _noting(samples: Iterable[tuple[np.ndarray, Intrinsics | None, Truth]], waiting: deque[Truth]) -> Iterator[Image]:
    """Yields the images; their truth waits, with them, until they are answered."""
    for image_rgb, intrinsics, truth in samples:
        waiting.append(replace(truth, image_rgb=image_rgb))
        yield image_rgb, intrinsics
